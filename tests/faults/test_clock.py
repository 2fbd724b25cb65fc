"""A clock that steps under a running worker: what is due goes out, and nothing waits for an hour that never was."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from automations.destinations import pause_destination, resume_destination, update_destination
from automations.heartbeats import last_heartbeat
from automations.models import Attempt, Delivery, Destination, Rule
from tests.clock import Clock
from tests.faults.conftest import Offer, are_delivered, assert_nothing_lost, in_flight
from tests.processes import eventually
from tests.receivers import Receiver, slow
from tests.workers import Worker, environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

HOUR = timedelta(hours=1)


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Clock]:
    with Clock(tmp_path / "clock") as clock:
        yield clock


@pytest.fixture
def worker(clock: Clock, transactional_db: None) -> Iterator[Worker]:
    """Has the time of day of the test's clock."""
    settings = {"DJANGO_SETTINGS_MODULE": "tests.clock_settings", "CLOCK": str(clock.path)}
    worker = Worker({**environment(), **settings})
    try:
        worker.wait_until_ready()
        yield worker
    finally:
        worker.kill_group()


def heart_beats() -> bool:
    """Whether a heartbeat of the last seconds is on record, by the clock as it is now."""
    beat_at = last_heartbeat(now=timezone.now())
    return beat_at is not None and abs(timezone.now() - beat_at) < timedelta(seconds=5)


def test_what_happens_after_each_step_goes_out_and_the_worker_works_on(
    clock: Clock, worker: Worker, offer: Offer, receiver: Receiver
) -> None:
    processes = worker.members()
    for number, hours in enumerate((-1, 1, 1, -1, 240, -240), start=1):
        clock.step(hours * HOUR)
        offer(2)
        eventually(are_delivered(2 * number), seconds=60)
        eventually(heart_beats)
    assert worker.members() == processes
    assert_nothing_lost(receiver)


def test_a_retry_reckoned_while_the_clock_was_ahead_goes_out_once_it_is_right(
    clock: Clock, worker: Worker, offer: Offer, rule: Rule, receiver: Receiver
) -> None:
    update_destination(destination_id=rule.destination_id, fields={"retry_schedule": [0, 5, 5]})
    receiver.answer(500, 200)
    clock.step(HOUR)
    offer(1)
    eventually(Attempt.objects.filter(status_code=500).exists)
    assert Delivery.objects.get().due_at - timezone.now() < timedelta(seconds=6)
    clock.step(-HOUR)
    eventually(are_delivered(1), seconds=60)
    assert_nothing_lost(receiver)


def test_what_was_offered_while_the_clock_was_ahead_and_nobody_sent_goes_out_once_it_is_right(
    clock: Clock, worker: Worker, offer: Offer, rule: Rule, receiver: Receiver
) -> None:
    pause_destination(destination_id=rule.destination_id)
    clock.step(HOUR)
    offer(3)
    clock.step(-HOUR)
    resume_destination(destination_id=rule.destination_id)
    eventually(are_delivered(3), seconds=60)
    assert_nothing_lost(receiver)


def test_a_limit_per_second_reckoned_while_the_clock_was_ahead_holds_nothing_up(
    clock: Clock, worker: Worker, offer: Offer, rule: Rule, receiver: Receiver
) -> None:
    update_destination(destination_id=rule.destination_id, fields={"rate_limit_per_second": 5})
    clock.step(HOUR)
    offer(3)
    eventually(are_delivered(3))
    clock.step(-HOUR)
    offer(3)
    eventually(are_delivered(6), seconds=60)
    assert_nothing_lost(receiver)


def test_what_is_in_flight_when_the_clock_steps_is_delivered(
    clock: Clock, worker: Worker, offer: Offer, receiver: Receiver
) -> None:
    receiver.answer(slow(3))
    for number, step in enumerate((HOUR, -2 * HOUR), start=1):
        offer(1)
        eventually(in_flight)
        clock.step(step)
        eventually(are_delivered(number), seconds=60)
    assert_nothing_lost(receiver)


def test_a_destination_that_failed_while_the_clock_was_ahead_is_probed_once_it_is_right(
    clock: Clock, worker: Worker, offer: Offer, receiver: Receiver
) -> None:
    receiver.answer(500)
    clock.step(HOUR)
    offer(4)
    eventually(Destination.objects.filter(status="failing").exists)
    clock.step(-HOUR)
    receiver.answer(200)
    eventually(are_delivered(4), seconds=60)
    assert_nothing_lost(receiver)
