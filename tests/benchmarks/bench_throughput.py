"""A backlog of 10,000 deliveries to ten destinations, worked off by one drain and by a whole worker.

Beside it, in turn and to the same receiver: one django-q2 task per delivery (of a smaller backlog, which is to its
advantage), the same claims and records with the call left out, and the same bodies through the bare HTTP door. Of each
the fastest turn counts, which what else the machine does disturbs least.
"""

import select
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Self

import pytest

from automations import drain
from automations.http import Exchange, HttpDoor, Request
from automations.models import Destination
from automations.oauth import open_door
from tests.benchmarks import backlogs, one_task_each
from tests.benchmarks.conftest import Show
from tests.benchmarks.fast_receiver import fast_receiver
from tests.benchmarks.memory import Memory, memory_of
from tests.workers import Worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

COUNT = 10_000
TASKS = 1_000
TURNS = 2
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


def rate_of_drain(destinations: Sequence[Destination]) -> float:
    backlogs.forget_deliveries()
    backlogs.make_backlog(destinations, count=COUNT)
    backlogs.work_off()
    return backlogs.rate(count=COUNT)


def rate_of_worker(destinations: Sequence[Destination], start: Callable[[], Worker]) -> tuple[float, Memory]:
    backlogs.forget_deliveries()
    backlogs.make_backlog(destinations, count=COUNT)
    worker = start()
    backlogs.await_end()
    memory = memory_of(worker)
    worker.kill_group()
    return backlogs.rate(count=COUNT), memory


def rate_of_tasks(destinations: Sequence[Destination]) -> float:
    backlogs.forget_deliveries()
    backlogs.make_backlog(destinations, count=TASKS)
    one_task_each.queue_all()
    with one_task_each.cluster():
        backlogs.await_end()
    return backlogs.rate(count=TASKS)


def rate_of_door(url: str) -> float:
    request = Request(url=url, method="POST", headers=(), body=backlogs.BODY, timeout_seconds=10)
    started = ended = 0
    begun_at = time.monotonic()
    with open_door(max_in_flight=IN_FLIGHT) as door:
        while ended < COUNT:
            started += _fill(door, request, started)
            exchanges, _ready = door.step(1)
            ended += len(exchanges)
    return COUNT / (time.monotonic() - begun_at)


def _fill(door: HttpDoor, request: Request, started: int) -> int:
    places = min(IN_FLIGHT - door.in_flight, COUNT - started)
    for number in range(places):
        door.start(started + number, request)
    return places


def test_throughput(start_worker: Callable[[], Worker], show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    one_each, ours, silent, bare = list[float](), list[float](), list[float](), list[float]()
    with fast_receiver() as receiver:
        destinations = backlogs.make_destinations([receiver.url] * 10)
        worker, memory = rate_of_worker(destinations, start_worker)
        for _turn in range(TURNS):
            one_each.append(rate_of_tasks(destinations))
            ours.append(rate_of_drain(destinations))
            bare.append(rate_of_door(receiver.url))
            with monkeypatch.context() as patch:
                patch.setattr(drain, "open_door", NoDoor)
                silent.append(rate_of_drain(destinations))
    best = max(ours)
    rows = [
        (name, f"{value:,.0f}", f"{best / value:.2f}", target)
        for name, value, target in (
            ("Stagehook, one drain", best, ""),
            ("Stagehook, a worker of seven processes", worker, ""),
            ("one django-q2 task per delivery, with requests", max(one_each), "≥ 25"),
            ("claims and records alone, no call", max(silent), "≥ 0.60"),
            ("bare HTTP door, no database", max(bare), ""),
        )
    ]
    columns = (
        f"{COUNT:,} deliveries to ten destinations",
        "per second",
        "Stagehook's is times that",
        "target",
    )
    show("A backlog", columns, rows)
    memories = [
        ("the process that sends, at its peak", f"{memory.largest} MB", "< 150 MB"),
        ("all processes of the worker together", f"{memory.group} MB", ""),
    ]
    show("Memory of a worker that worked off a backlog", ("", "memory", "target"), memories)
