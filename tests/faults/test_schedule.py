"""A receiver that fails for days, on a frozen clock: a real drain tries it when the schedule says, and not oftener."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from django.db import transaction

from automations.destinations import update_destination
from automations.models import Attempt, Delivery, Destination, Rule
from automations.schedule import DEFAULT_SCHEDULE
from automations.wake import wake
from tests.faults.conftest import Offer
from tests.processes import eventually
from tests.receivers import Receiver

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def frozen() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def after_attempt(number: int) -> Delivery:
    """The delivery once what came of this attempt is on record."""
    eventually(Attempt.objects.filter(number=number, finished_at__isnull=False).exists)
    return Delivery.objects.get()


@pytest.mark.parametrize(("last", "becomes"), [(200, "delivered"), (500, "failed")])
def test_ten_attempts_are_made_over_days_as_the_schedule_says_and_the_last_one_decides(
    frozen: time_machine.Traveller,
    rule: Rule,
    offer: Offer,
    receiver: Receiver,
    sending: Callable[..., None],
    last: int,
    becomes: str,
) -> None:
    receiver.answer(*[500] * 9, last)
    update_destination(destination_id=rule.destination_id, fields={"retry_schedule": list(DEFAULT_SCHEDULE)})
    sending()
    offer(1)
    moments = [NOON]
    for number, step in enumerate(DEFAULT_SCHEDULE[1:], start=1):
        due_at = after_attempt(number).due_at
        assert 0.8 * step <= (due_at - moments[-1]).total_seconds() <= 1.2 * step
        moments.append(due_at)
        frozen.move_to(due_at)
        with transaction.atomic():
            wake()
    delivery = after_attempt(10)
    assert (delivery.state, delivery.attempts_made, delivery.status_code) == (becomes, 10, last)
    requests = receiver.wait_for(10)
    assert [request.at for request in requests] == moments
    assert {(request.headers["webhook-id"], request.body) for request in requests} == {
        (delivery.pk, bytes(delivery.body))
    }
    # From the fourth failure on the destination rested too, but its probes never came before the schedule's attempts.
    assert Destination.objects.get().status == ("active" if last == 200 else "failing")
