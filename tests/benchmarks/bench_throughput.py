"""A backlog of 10,000 deliveries to ten destinations, worked off by one drain.

Beside it, in the same run: the same bodies to the same receiver through the bare HTTP door, and the same claims and
records with the call left out.
"""

import select
import sys
import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Self

import pytest

from automations import drain
from automations.http import Exchange, HttpDoor, Request
from automations.models import Attempt, Delivery
from automations.oauth import open_door
from tests.benchmarks.backlogs import BODY, make_backlog, make_destinations, work_off
from tests.benchmarks.fast_receiver import fast_receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

COUNT = 10_000
IN_FLIGHT = 40  # what ten destinations take at a time
DONE = Exchange(
    status_code=200,
    error_code="",
    response_headers=(("Content-Length", "2"),),
    response_body=b"ok",
    truncated=False,
    duration_ms=0,
    timings={},
    resolved_ip="127.0.0.1",
    detail="",
)


class NoDoor:
    """In place of the HTTP door: every request is answered at once, and nothing leaves."""

    def __init__(self, **_options: object) -> None:
        self._ended: list[tuple[Hashable, Exchange]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """There is nothing to close."""

    def start(self, key: Hashable, _request: Request) -> None:
        self._ended.append((key, DONE))

    def step(
        self, timeout_seconds: float, also: Sequence[int] = ()
    ) -> tuple[list[tuple[Hashable, Exchange]], set[int]]:
        ready, _writable, _broken = select.select(also, [], [], 0 if self._ended else timeout_seconds)
        ended, self._ended = self._ended, []
        return ended, set(ready)


def bare_loop(door: HttpDoor, url: str) -> None:
    request = Request(url=url, method="POST", headers=(), body=BODY, timeout_seconds=10)
    started = ended = 0
    while ended < COUNT:
        while started < COUNT and door.in_flight < IN_FLIGHT:
            door.start(started, request)
            started += 1
        exchanges, _ready = door.step(1)
        ended += len(exchanges)


def peak_memory_mb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def test_throughput(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    def timed(work: Callable[[], object]) -> float:
        started = time.monotonic()
        work()
        return COUNT / (time.monotonic() - started)

    with fast_receiver() as url:
        destinations = make_destinations(url)
        make_backlog(destinations, count=COUNT)
        ours = timed(work_off)
        assert Delivery.objects.filter(state=Delivery.State.DELIVERED).count() == COUNT
        assert Attempt.objects.filter(status_code=200).count() == COUNT
        with open_door(max_in_flight=IN_FLIGHT) as door:
            bare = timed(lambda: bare_loop(door, url))
    make_backlog(destinations, count=COUNT)
    monkeypatch.setattr(drain, "open_door", NoDoor)
    silent = timed(work_off)
    assert Delivery.objects.filter(state=Delivery.State.DELIVERED).count() == COUNT
    rows = [f"{COUNT} deliveries to ten destinations      per second   ratio"]
    for name, rate in (
        ("Stagehook, one drain", ours),
        ("the bare HTTP door", bare),
        ("claim and record, no call", silent),
    ):
        rows.append(f"  {name:<40}{rate:9.0f} {ours / rate:7.2f}")
    rows.append(f"  peak memory of this process, the test runner's included: {peak_memory_mb()} MB")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(rows) + "\n")
