"""Twenty senders who each post the next request as soon as the last one is answered, in a process of their own.

Real senders are other machines. So these do next to nothing: what they send is made before the clock runs, and one
thread serves all their sockets.
"""

import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from selectors import EVENT_READ, DefaultSelector
from urllib.parse import urlsplit

SENDERS = 20
END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answers:
    """`seconds`: how long each answer took, shortest first; `statuses` counts them by status; `cpu_seconds` is what
    the senders themselves took.
    """

    seconds: list[float]
    statuses: dict[str, int]
    per_second: float
    cpu_seconds: float

    def percentile(self, part: float) -> float:
        return self.seconds[int(len(self.seconds) * part)]


def post_in_a_crowd(url: str, *, count: int) -> Answers:
    """`count` requests, each a lead of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.crowd", url, str(count)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=300)
    return Answers(**json.loads(done.stdout))


def _request(host: str, path: str, number: str) -> bytes:
    contact = {"name": f"Ana {number}", "emails": [f"ana{number}@example.com"]}
    deal = {"title": f"Ten chairs {number}", "value": "150.00"}
    body = json.dumps({"event_id": number, "deal": deal, "contact": contact}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + END_OF_HEAD + body


class _Sender:
    """One kept connection, with one request on its way."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self._answer = b""
        self._sent_at = 0.0

    def send(self, request: bytes) -> None:
        self._answer, self._sent_at = b"", time.perf_counter()
        self.socket.sendall(request)

    def read(self) -> tuple[float, str] | None:
        """What has arrived; once that is a whole answer, how long it took and its status."""
        arrived = self.socket.recv(65_536)
        if not arrived:
            raise ConnectionError("The server hung up.")
        self._answer += arrived
        head, end, body = self._answer.partition(END_OF_HEAD)
        if not end:
            return None
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return None
        return time.perf_counter() - self._sent_at, head[9:12].decode()


def _post_all(url: str, count: int) -> Answers:
    where, began = urlsplit(url), time.time_ns()
    requests = iter([_request(where.netloc, where.path, f"{began}-{number}") for number in range(count)])
    senders = [_Sender(str(where.hostname), int(where.port or 80)) for _sender in range(SENDERS)]
    cpu, started = _cpu_seconds(), time.perf_counter()
    answers = list(_answers(senders, requests))
    statuses: dict[str, int] = {}
    for _seconds, status in answers:
        statuses[status] = statuses.get(status, 0) + 1
    return Answers(
        seconds=sorted(seconds for seconds, _status in answers),
        statuses=statuses,
        per_second=count / (time.perf_counter() - started),
        cpu_seconds=_cpu_seconds() - cpu,
    )


def _answers(senders: list[_Sender], requests: Iterator[bytes]) -> Iterator[tuple[float, str]]:
    """Each answer as it comes, and the next request for whoever got it, until there is none left."""
    with DefaultSelector() as selector:
        for sender, request in zip(senders, requests, strict=False):
            selector.register(sender.socket, EVENT_READ, sender)
            sender.send(request)
        while selector.get_map():
            for key, _events in selector.select():
                answer = key.data.read()
                if answer is None:
                    continue
                yield answer
                if (request := next(requests, b"")) != b"":
                    key.data.send(request)
                else:
                    selector.unregister(key.data.socket)
                    key.data.socket.close()


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    told = _post_all(sys.argv[1], int(sys.argv[2]))
    sys.stdout.write(json.dumps({name: getattr(told, name) for name in Answers.__slots__}))
