"""Twenty senders who each post the next request as soon as the last one is answered, in a process of their own."""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

SENDERS = 20
END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answers:
    """`seconds`: how long each answer took, shortest first; `statuses` counts them by status."""

    seconds: list[float]
    statuses: dict[str, int]
    per_second: float

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


async def _post_all(url: str, count: int) -> Answers:
    where, numbers, started = urlsplit(url), iter(range(count)), time.perf_counter()
    seconds: list[float] = []
    statuses: dict[str, int] = {}

    async def send() -> None:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        for number in numbers:
            writer.write(_request(where.netloc, where.path, f"{time.time_ns()}-{number}"))
            at = time.perf_counter()
            head = await reader.readuntil(END_OF_HEAD)
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            seconds.append(time.perf_counter() - at)
            status = head.split()[1].decode()
            statuses[status] = statuses.get(status, 0) + 1
        writer.close()

    await asyncio.gather(*(send() for _sender in range(SENDERS)))
    return Answers(sorted(seconds), statuses, count / (time.perf_counter() - started))


if __name__ == "__main__":
    answers = asyncio.run(_post_all(sys.argv[1], int(sys.argv[2])))
    told = {"seconds": answers.seconds, "statuses": answers.statuses, "per_second": answers.per_second}
    sys.stdout.write(json.dumps(told))
