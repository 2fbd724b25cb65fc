"""Worker processes killed in the midst of work: each event arrives, and each time as the same bytes."""

import contextlib
import random
import time
from collections.abc import Callable

import psutil
import pytest

from tests.faults.conftest import Offer, are_delivered, assert_nothing_lost, in_flight
from tests.processes import eventually
from tests.receivers import Receiver, slow
from tests.workers import Worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def test_all_workers_are_killed_with_their_hands_full_and_started_again(
    start_worker: Callable[[], Worker], offer: Offer, receiver: Receiver
) -> None:
    receiver.answer(slow(0.5))
    workers = [start_worker(), start_worker()]
    offer(12)
    eventually(in_flight)
    for worker in workers:
        worker.kill_group()
    receiver.answer(200)
    offer(4)
    start_worker()
    eventually(are_delivered(16), seconds=90)
    assert_nothing_lost(receiver)


@pytest.mark.parametrize("seed", [1, 2])
def test_any_process_is_killed_at_any_moment_while_events_are_offered(
    seed: int, start_worker: Callable[[], Worker], offer: Offer, receiver: Receiver
) -> None:
    chance = random.Random(seed)  # the same moments in each run
    receiver.answer(slow(0.05))
    worker = start_worker()
    for _ in range(5):
        offer(5)
        time.sleep(chance.uniform(0, 1))  # the point is a moment that nobody chose
        if members := worker.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                chance.choice(members).kill()
    eventually(are_delivered(25), seconds=120)
    assert_nothing_lost(receiver)
