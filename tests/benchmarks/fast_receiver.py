"""A receiver that costs next to nothing: it answers 200 to whatever comes, in a process of its own.

It answers later where the path says so, and remembers when each delivery first came and how many it had at once.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast
from urllib.request import urlopen

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
END_OF_HEAD = b"\r\n\r\n"
LATER = b" /after/"
REPORT = b"GET /report "


@dataclass(frozen=True, slots=True)
class Report:
    """`arrivals` gives by delivery when it first came (Unix seconds), `most_at_once` the most that it held."""

    arrivals: dict[str, float]
    most_at_once: int


@dataclass(frozen=True, slots=True)
class FastReceiver:
    url: str

    def after(self, seconds: float) -> str:
        """A URL of its own whose requests are answered that much later."""
        return f"{self.url}/after/{seconds}"

    def report(self) -> Report:
        """What has come since the last report."""
        with urlopen(f"{self.url}/report", timeout=10) as answer:
            assert answer.status == HTTPStatus.OK
            return Report(**json.load(answer))


class Book:
    """What came: heads as they are, because reading them must not cost time now."""

    def __init__(self) -> None:
        self.heads: list[tuple[float, bytes]] = []
        self.held = self.most_at_once = 0

    def hold(self) -> None:
        self.held += 1
        self.most_at_once = max(self.most_at_once, self.held)

    def report(self) -> bytes:
        arrivals: dict[str, float] = {}
        for at, head in self.heads:
            arrivals.setdefault(_header(head, b"webhook-id:").decode(), at)
        body = json.dumps({"arrivals": arrivals, "most_at_once": self.most_at_once}).encode()
        self.heads, self.most_at_once = [], self.held
        return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def _header(head: bytes, name: bytes) -> bytes:
    """The value of a header, its name in lower case and with the colon; empty where it is missing."""
    start = head.lower().find(b"\r\n" + name)
    return head[start + 2 + len(name) :].partition(b"\r\n")[0].strip() if start >= 0 else b""


class Answering(asyncio.Protocol):
    """Reads just enough of HTTP to know where a request ends."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._unread = b""
        self._held = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._book.held -= self._held
        self._held = 0

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (length := self._unread.find(END_OF_HEAD)) >= 0:
            head = self._unread[:length]
            end = length + len(END_OF_HEAD) + int(_header(head, b"content-length:") or 0)
            if len(self._unread) < end:
                return
            self._unread = self._unread[end:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        if head.startswith(REPORT):
            self._transport.write(self._book.report())
            return
        self._book.heads.append((time.time(), head))
        _method, later, rest = head.partition(b"\r\n")[0].partition(LATER)
        if not later:
            self._transport.write(ANSWER)
            return
        self._book.hold()
        self._held += 1
        asyncio.get_running_loop().call_later(float(rest.split(b" ")[0]), self._release)

    def _release(self) -> None:
        if self._held:  # else the connection has gone
            self._book.held -= 1
            self._held -= 1
            self._transport.write(ANSWER)


@contextlib.contextmanager
def fast_receiver() -> Iterator[FastReceiver]:
    """Runs until the end of the block."""
    command = [sys.executable, "-m", "tests.benchmarks.fast_receiver"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield FastReceiver(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.terminate()


async def _serve() -> None:
    loop, book = asyncio.get_running_loop(), Book()
    server = await loop.create_server(lambda: Answering(book), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
