"""Recovering what was given up since a time, where it had been held for long before."""

from collections.abc import Callable

import time_machine

from automations.destinations import resume_destination
from automations.health import HELD_AT_MOST, give_up_held
from automations.jobs import recover
from automations.models import Delivery, Destination
from crm.models import Deal
from tests.automations.test_health import HOUR, MINUTE, NOON, frozen, move, send_due
from tests.receivers import Receiver

__all__ = ["frozen", "move"]


def test_what_was_given_up_after_it_was_held_is_found_by_when_that_was(
    destination: Destination, move: Callable[[str], Deal], frozen: time_machine.Traveller
) -> None:
    move("Held")
    Destination.objects.update(status="disabled")
    given_up_at = NOON + HELD_AT_MOST + HOUR
    assert give_up_held(now=given_up_at) == 1
    resume_destination(destination_id=destination.pk)
    frozen.move_to(given_up_at + HOUR)
    assert recover(destination_id=destination.pk, since=given_up_at + MINUTE, by=None).total == 0
    job = recover(destination_id=destination.pk, since=given_up_at - MINUTE, by=None)
    assert (job.total, job.resent, Delivery.objects.get().state) == (1, 1, "pending")


def test_what_is_refused_after_it_was_held_is_found_by_when_that_was(
    receiver: Receiver, destination: Destination, move: Callable[[str], Deal], frozen: time_machine.Traveller
) -> None:
    receiver.answer(404)
    Destination.objects.update(stop_on_4xx=True, status="paused")
    move("Held")
    frozen.move_to(NOON + 72 * HOUR)
    resume_destination(destination_id=destination.pk)
    assert send_due(NOON + 72 * HOUR) == [404]
    assert recover(destination_id=destination.pk, since=NOON + 71 * HOUR, by=None).total == 1
