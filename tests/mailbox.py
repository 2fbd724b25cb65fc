"""A mail server of our own on loopback: it takes what it is sent, or answers a recipient as a test tells it to."""

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from pytest_django import Settings


class Mailbox:
    """`mails` are in the order they came; `refuse` has the next recipients answered with its codes, in turn."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse: list[int] = []
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def take(self, data: bytes) -> None:
        self.mails.append(message_from_bytes(data, policy=policy.default))

    def recipients(self) -> list[str]:
        return [mail["To"] for mail in self.mails]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        super().__init__(("127.0.0.1", 0), _Conversation)


class _Conversation(socketserver.StreamRequestHandler):
    """As much of SMTP (RFC 5321) as one client needs."""

    server: _Server

    def handle(self) -> None:
        self._say("220 test")
        while line := self.rfile.readline().decode().strip():
            verb = line.upper().partition(" ")[0]
            if verb == "DATA":
                self._say("354 go on")
                self.server.mailbox.take(self._data())
            elif verb == "RCPT" and self.server.mailbox.refuse:
                self._say(f"{self.server.mailbox.refuse.pop(0)} no")
                continue
            self._say("221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                return

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[Mailbox]:
    """Where our mails go in this test, through the real backend."""
    with contextlib.closing(Mailbox()) as mailbox:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mailbox.port
        yield mailbox
