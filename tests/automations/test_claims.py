"""The claim: who gets how many places, and when."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from automations.claims import Claimed, claim, next_place
from automations.destinations import create_destination
from automations.models import Attempt, Delivery, Destination, Event

pytestmark = pytest.mark.django_db

HOLDER = 7


def destination(name: str = "ERP", **fields: object) -> Destination:
    return create_destination(fields={"name": name, "url": "http://127.0.0.1:8009/hook", **fields})


def waiting(to: Destination, *, now: datetime, count: int = 1, deal: int | None = None) -> list[Delivery]:
    """Deliveries due one after the other, the last one now; each of a deal of its own unless one is given."""
    return [
        Delivery.objects.create(
            event=Event.DEAL_STAGE_CHANGED,
            destination=to,
            deal_id=deal or number + 1,
            sequence=number,
            body=b"{}",
            chain=uuid4(),
            due_at=now - timedelta(seconds=count - 1 - number),
        )
        for number in range(count)
    ]


def ids(rows: list[Claimed] | list[Delivery]) -> list[str]:
    return sorted(row.id for row in rows)


def test_each_destination_gets_its_free_places_oldest_first() -> None:
    now = timezone.now()
    busy = waiting(destination("busy", max_in_flight=2), now=now, count=5)
    calm = waiting(destination("calm"), now=now, count=1)
    assert ids(claim(places=100, holder=HOLDER, now=now)) == ids([*busy[:2], *calm])
    assert claim(places=100, holder=HOLDER, now=now) == []


def test_an_attempt_is_on_record_for_each_claim() -> None:
    now = timezone.now()
    (delivery,) = waiting(destination(), now=now)
    claim(places=1, holder=HOLDER, now=now)
    assert list(Attempt.objects.values_list("delivery", "number", "finished_at")) == [(delivery.id, 1, None)]


def test_the_events_of_a_deal_are_claimed_one_after_the_other() -> None:
    now = timezone.now()
    first, second = waiting(destination(), now=now, count=2, deal=1)
    assert ids(claim(places=10, holder=HOLDER, now=now)) == [first.id]
    Delivery.objects.filter(pk=first.pk).update(state="delivered", leased_until=None, leased_by=None)
    assert ids(claim(places=10, holder=HOLDER, now=now)) == [second.id]


def test_a_limit_per_second_spaces_the_claims() -> None:
    now = timezone.now()
    waiting(destination(rate_limit_per_second=2, max_in_flight=10), now=now, count=5)
    assert len(claim(places=10, holder=HOLDER, now=now)) == 1
    assert claim(places=10, holder=HOLDER, now=now + timedelta(milliseconds=499)) == []
    assert next_place(now=now) == now + timedelta(milliseconds=500)
    assert len(claim(places=10, holder=HOLDER, now=now + timedelta(milliseconds=500))) == 1


@pytest.mark.parametrize("limit", [1, 7, 25, 50, 59])
def test_no_more_than_the_limit_leave_within_a_second(limit: int) -> None:
    now = timezone.now()
    waiting(destination(rate_limit_per_second=limit, max_in_flight=64), now=now, count=80)
    taken = 0
    for step in range(200):
        rows = claim(places=64, holder=HOLDER, now=now + timedelta(milliseconds=5 * step))
        Delivery.objects.filter(pk__in=ids(rows)).update(state="delivered", leased_until=None, leased_by=None)
        taken += len(rows)
    assert limit * 0.85 - 1 <= taken <= limit


def test_sick_destinations_get_no_more_than_their_share() -> None:
    now = timezone.now()
    sick = destination("sick", max_in_flight=10)
    Destination.objects.filter(pk=sick.pk).update(failures_in_row=1)
    waiting(sick, now=now, count=10)
    well = waiting(destination("well", max_in_flight=10), now=now, count=4)
    rows = claim(places=8, sick_places=3, holder=HOLDER, now=now)
    assert len(rows) == 7
    assert {row.id for row in rows if not row.sick} == {delivery.id for delivery in well}


def test_a_failing_destination_gets_one_probe_when_its_pause_is_over() -> None:
    now = timezone.now()
    failing = destination()
    Destination.objects.filter(pk=failing.pk).update(
        status="failing", failures_in_row=4, probe_at=now + timedelta(minutes=1)
    )
    waiting(failing, now=now, count=3)
    assert claim(places=10, holder=HOLDER, now=now) == []
    later = now + timedelta(minutes=1)
    assert [row.probe for row in claim(places=10, holder=HOLDER, now=later)] == [True]
    assert claim(places=10, holder=HOLDER, now=later) == []
