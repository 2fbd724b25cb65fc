"""A receiver of our own on loopback: it answers what a test tells it to and writes down what it gets.

receiver.answer(500, 500, 200)            # in turn, the last one again and again
receiver.answer(429, path="/busy")        # for one path only
receiver.answer(status(429, headers={"Retry-After": "120"}), hang)
first, second = receiver.wait_for(2)
"""

import contextlib
import gzip
import json
import select
import socket
import socketserver
import ssl
import struct
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BufferedIOBase
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Gone(ConnectionError):
    """The other side went away, or the test is over."""


class Wire:
    """The receiver's end of a connection, as answers see it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.finished = False

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def pause(self, seconds: float) -> None:
        """Wait, but not for a client that has gone."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        if readable and not self.connection.recv(1, socket.MSG_PEEK):
            raise Gone

    def close(self) -> None:
        """Say nothing more."""
        self.finished = True

    def reset(self) -> None:
        """Say nothing more, and rudely."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.finished = True


Behaviour: TypeAlias = Callable[[Wire], None]
Answer: TypeAlias = int | Behaviour


@dataclass(frozen=True)
class Received:
    """A request as it came in; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: datetime
    connection: int

    def json(self) -> Any:
        return json.loads(self.body)


# ---- Answers ----


def status(code: int, body: bytes = b"ok", headers: Mapping[str, str] | None = None) -> Behaviour:
    lines = [f"HTTP/1.1 {code} Status", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return lambda wire: wire.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def raw(data: bytes) -> Behaviour:
    """Exactly these bytes, then the end of the connection."""

    def answer(wire: Wire) -> None:
        wire.send(data)
        wire.close()

    return answer


def redirect(to: str, code: int = 302) -> Behaviour:
    return status(code, b"", {"Location": to})


def slow(seconds: float, then: int = 200) -> Behaviour:
    def answer(wire: Wire) -> None:
        wire.pause(seconds)
        status(then)(wire)

    return answer


def hang(wire: Wire) -> None:
    wire.pause(3600)


def reset(wire: Wire) -> None:
    wire.reset()


def close(wire: Wire) -> None:
    wire.close()


def drip(before: bytes, byte: bytes = b".", every: float = 0.02) -> Behaviour:
    """`before` at once, then one byte at a time for ever."""

    def answer(wire: Wire) -> None:
        wire.send(before)
        while True:
            wire.pause(every)
            wire.send(byte)

    return answer


def flood(before: bytes, block: bytes, times: int) -> Behaviour:
    """`before`, then `block` many times, as fast as it is taken."""

    def answer(wire: Wire) -> None:
        wire.send(before)
        for _ in range(times):
            wire.send(block)
        wire.close()

    return answer


def gzip_bomb(megabytes: int = 50) -> Behaviour:
    packed = gzip.compress(bytes(megabytes * 2**20))
    return status(200, packed, {"Content-Encoding": "gzip"})


# ---- Nobody there ----


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def port_that_accepts_nobody() -> Iterator[int]:
    """A port where connections are neither taken nor refused."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as stack:
        address = server.getsockname()
        for _ in range(4):  # until the queue of the server is full
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        yield int(address[1])


# ---- The receiver ----


class Receiver:
    """Listens until `close`; every connection has a thread, so that one answer never holds up another."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self._scripts: dict[str | None, list[Answer]] = {None: [200]}
        self._turns: dict[str | None, int] = defaultdict(int)
        self._changed = threading.Condition()
        self._server = _Server(self, tls)
        self.base = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return self.at("/hook")

    def at(self, path: str) -> str:
        return self.base + path

    def answer(self, *answers: Answer, path: str | None = None) -> None:
        """What to answer from now on, in turn, the last one again and again; for one path or for all others."""
        with self._changed:
            self._scripts[path] = list(answers)
            self._turns[path] = 0

    def wait_for(self, count: int, *, within: float = 5.0) -> list[Received]:
        """All requests, once there are `count`; fails when they do not come, or when more have."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.requests) >= count, timeout=within)
            assert len(self.requests) == count, f"{len(self.requests)} requests came instead of {count}"
            return list(self.requests)

    def clear(self) -> None:
        """Forget what came in."""
        with self._changed:
            self.requests.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, request: Received) -> Behaviour:
        """Write a request down and choose its answer."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            path = request.path if request.path in self._scripts else None
            turn = self._turns[path]
            self._turns[path] += 1
            answer = self._scripts[path][min(turn, len(self._scripts[path]) - 1)]
        return status(answer) if isinstance(answer, int) else answer


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 256
    allow_reuse_address = True
    daemon_threads = False
    block_on_close = True

    def __init__(self, receiver: Receiver, tls: ssl.SSLContext | None) -> None:
        self.receiver = receiver
        self._tls = tls
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.receiver.connections += 1
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        self.close_request(request)

    def server_close(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Broken connections are what these tests are about; anything else is a mistake in here.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Connection(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        wire = Wire(self.request)
        number = self.server.receiver.connections
        while not wire.finished and (request := _read_request(self.rfile, connection=number)):
            self.server.receiver.take(request)(wire)


def _read_request(stream: BufferedIOBase, *, connection: int) -> Received | None:
    first = stream.readline()
    if not first:
        return None
    method, path, _version = first.decode().split()
    headers = {}
    while line := stream.readline().strip().decode():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    return Received(method, path, headers, body, at=datetime.now(UTC), connection=connection)


# ---- TLS ----


class Authority:
    """Issues certificates for receivers; `bundle` is what a client must trust to believe them."""

    def __init__(self, directory: Path) -> None:
        self._ours, self._unknown = trustme.CA(), trustme.CA()
        self.bundle = str(directory / "authority.pem")
        self._ours.cert_pem.write_to_path(self.bundle)

    def context(self, kind: str) -> ssl.SSLContext:
        """For a server with a certificate that is "valid", "expired", "self_signed", "unknown" or "wrong_host".

        Unknown is its issuer.
        """
        names = ("127.0.0.1", "localhost", "receiver.example")
        now = datetime.now(UTC)
        pem = {
            "valid": lambda: _pem(self._ours.issue_cert(*names)),
            "expired": lambda: _pem(
                self._ours.issue_cert(
                    *names, not_before=now - timedelta(days=30), not_after=now - timedelta(days=1)
                )
            ),
            "self_signed": lambda: _self_signed("127.0.0.1", now=now),
            "unknown": lambda: _pem(self._unknown.issue_cert(*names)),
            "wrong_host": lambda: _pem(self._ours.issue_cert("somebody-else.example")),
        }[kind]()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with trustme.Blob(pem).tempfile() as path:
            context.load_cert_chain(path)
        return context


def _pem(certificate: trustme.LeafCert) -> bytes:
    return bytes(certificate.private_key_and_cert_chain_pem.bytes())


def _self_signed(address: str, *, now: datetime) -> bytes:
    """A key and a certificate for the address that nobody vouches for but the key itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key.private_bytes(*plain) + certificate.public_bytes(Encoding.PEM)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with contextlib.closing(Receiver()) as receiver:
        yield receiver


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def tls_receiver(authority: Authority) -> Iterator[Callable[[str], Receiver]]:
    """Makes receivers with a certificate of the kind asked for."""
    with contextlib.ExitStack() as stack:
        yield lambda kind: stack.enter_context(contextlib.closing(Receiver(tls=authority.context(kind))))
