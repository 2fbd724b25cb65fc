"""What a drain had in hand when it died: due again at once, as often as that is no fault of the delivery's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.db.models import F

from automations.leases import FREE_INTERRUPTIONS, HOLDER_LOCKS, free_dead_leases
from automations.models import Attempt, Delivery, Destination, Rule
from crm.actors import Actor
from crm.deals import move_deal
from crm.models import Deal, Stage

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOBODY = 12345  # a holder that holds no lock: it is dead


@pytest.fixture
def delivery(rule: Rule, deal: Deal, stages: list[Stage], actor: Actor) -> Delivery:
    """One that is due at noon; its destination is tried three times, the last two a second after the one before."""
    with time_machine.travel(NOON, tick=False):
        move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    return Delivery.objects.get()


def take(delivery: Delivery, *, now: datetime) -> None:
    """What a claim does."""
    due = Delivery.objects.filter(pk=delivery.pk, state="pending", leased_by=None, due_at__lte=now)
    made, run = F("attempts_made") + 1, F("run_attempts") + 1
    lease = {"leased_by": NOBODY, "leased_until": now + timedelta(seconds=25)}
    assert due.update(attempts_made=made, run_attempts=run, **lease) == 1
    delivery.refresh_from_db()
    delivery.attempts.create(
        number=delivery.attempts_made, trigger="initial", url=delivery.destination.url, started_at=now
    )


def die_in_mid_attempt(delivery: Delivery, *, now: datetime) -> Delivery:
    """A drain takes the delivery and dies, and somebody notices."""
    take(delivery, now=now)
    assert free_dead_leases(now=now) == 1
    delivery.refresh_from_db()
    return delivery


@contextmanager
def holding(holder: int) -> Iterator[None]:
    """The lock that says that a holder is alive."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [HOLDER_LOCKS, holder])
        yield
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [HOLDER_LOCKS, holder])


def test_an_interrupted_attempt_takes_no_step_of_the_schedule_and_is_repeated_at_once(
    delivery: Delivery,
) -> None:
    die_in_mid_attempt(delivery, now=NOON)
    assert (delivery.state, delivery.attempts_made, delivery.run_attempts) == ("pending", 1, 0)
    assert (delivery.due_at, delivery.leased_by, delivery.leased_until) == (NOON, None, None)
    attempt = Attempt.objects.get()
    assert (attempt.error_code, attempt.finished_at) == ("interrupted", NOON)


def test_an_attempt_that_failed_before_keeps_its_step(delivery: Delivery) -> None:
    Delivery.objects.update(attempts_made=1, run_attempts=1)
    die_in_mid_attempt(delivery, now=NOON)
    assert (delivery.attempts_made, delivery.run_attempts) == (2, 1)


def test_a_delivery_that_is_interrupted_again_and_again_goes_on_by_its_schedule_and_is_given_up(
    delivery: Delivery, destination: Destination
) -> None:
    for _ in range(FREE_INTERRUPTIONS):
        die_in_mid_attempt(delivery, now=NOON)
    assert (delivery.run_attempts, delivery.due_at) == (0, NOON)
    now = NOON
    for step in (1, 2):
        die_in_mid_attempt(delivery, now=now)
        now += timedelta(seconds=1)
        assert (delivery.state, delivery.run_attempts, delivery.due_at) == ("pending", step, now)
    die_in_mid_attempt(delivery, now=now)
    assert (delivery.state, delivery.error_code, delivery.due_at) == ("failed", "interrupted", now)
    destination.refresh_from_db()
    assert (destination.status, destination.given_up_untold) == ("active", 1)
    assert Attempt.objects.filter(error_code="interrupted").count() == FREE_INTERRUPTIONS + 3


def test_interruptions_are_counted_in_a_row(delivery: Delivery) -> None:
    for _ in range(FREE_INTERRUPTIONS):
        die_in_mid_attempt(delivery, now=NOON)
    Attempt.objects.filter(number=2).update(error_code="connect_failed")
    die_in_mid_attempt(delivery, now=NOON)
    assert (delivery.run_attempts, delivery.due_at) == (0, NOON)


def test_what_living_holders_have_in_hand_is_left_until_its_time_is_over(delivery: Delivery) -> None:
    ends_at = NOON + timedelta(seconds=25)
    take(delivery, now=NOON)
    with holding(NOBODY):
        assert free_dead_leases(now=ends_at) == 0
        assert free_dead_leases(now=ends_at + timedelta(seconds=1)) == 1
    delivery.refresh_from_db()
    assert (delivery.attempts_made, delivery.run_attempts) == (1, 0)
