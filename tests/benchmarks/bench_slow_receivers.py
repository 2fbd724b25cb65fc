"""Receivers that take a second: how many requests one worker keeps in flight, and what that makes per second.

Beside it what a bare loop of one request at a time would make: one a second.
"""

from collections.abc import Callable

import pytest

from tests.benchmarks import backlogs
from tests.benchmarks.conftest import Show
from tests.benchmarks.fast_receiver import fast_receiver
from tests.benchmarks.memory import memory_of
from tests.workers import Worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

COUNT = 2_000
DESTINATIONS = 4
EACH = 50  # requests at a time
PAUSE = 1.0  # seconds until a receiver answers


def test_slow_receivers(start_worker: Callable[[], Worker], show: Show) -> None:
    with fast_receiver() as receiver:
        destinations = backlogs.make_destinations([receiver.after(PAUSE)] * DESTINATIONS, max_in_flight=EACH)
        backlogs.make_backlog(destinations, count=COUNT)
        worker = start_worker()
        backlogs.await_end()
        most = receiver.report().most_at_once
    memory, made = memory_of(worker), backlogs.rate(count=COUNT)
    possible = DESTINATIONS * EACH
    rows = [
        ("requests that the receiver held at once", f"{most}", f"{most / possible:.2f}", f"{possible}"),
        ("deliveries per second", f"{made:.0f}", f"{made * PAUSE / possible:.2f}", "≥ 150"),
        ("peak memory of the process that sends", f"{memory.largest} MB", "", "< 150 MB"),
        ("memory of all processes of the worker", f"{memory.group} MB", "", ""),
    ]
    columns = (
        f"{COUNT:,} deliveries to {DESTINATIONS} destinations",
        "measured",
        "of what is possible",
        "target",
    )
    show(f"Receivers that take {PAUSE:.0f} s, {EACH} requests at a time to each", columns, rows)
