"""The claim: who gets how many places, and when."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from automations import tallies
from automations.claims import Claimed, Wish, claim, give_back, next_due
from automations.destinations import create_destination
from automations.http import Exchange
from automations.leases import free_dead_leases
from automations.models import Attempt, Delivery, Destination, Event, Tally
from automations.verdicts import Outcome

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
    assert ids(claim(Wish(places=100, sick_places=100), holder=HOLDER, now=now)) == ids([*busy[:2], *calm])
    assert claim(Wish(places=100, sick_places=100), holder=HOLDER, now=now) == []


def test_an_attempt_is_on_record_for_each_claim() -> None:
    now = timezone.now()
    (delivery,) = waiting(destination(), now=now)
    claim(Wish(places=1, sick_places=1), holder=HOLDER, now=now)
    assert list(Attempt.objects.values_list("delivery", "number", "finished_at")) == [(delivery.id, 1, None)]


def test_the_events_of_a_deal_are_claimed_one_after_the_other() -> None:
    now = timezone.now()
    first, second = waiting(destination(), now=now, count=2, deal=1)
    assert ids(claim(Wish(places=10, sick_places=10), holder=HOLDER, now=now)) == [first.id]
    Delivery.objects.filter(pk=first.pk).update(state="delivered", leased_until=None, leased_by=None)
    assert ids(claim(Wish(places=10, sick_places=10), holder=HOLDER, now=now)) == [second.id]


def test_a_limit_per_second_spaces_the_claims() -> None:
    now = timezone.now()
    waiting(destination(rate_limit_per_second=2, max_in_flight=10), now=now, count=5)
    assert len(claim(Wish(places=10, sick_places=10), holder=HOLDER, now=now)) == 1
    assert claim(Wish(places=10, sick_places=10), holder=HOLDER, now=now + timedelta(milliseconds=499)) == []
    assert next_due(after=now) == now + timedelta(milliseconds=500)
    assert (
        len(claim(Wish(places=10, sick_places=10), holder=HOLDER, now=now + timedelta(milliseconds=500))) == 1
    )


@pytest.mark.parametrize("limit", [1, 7, 25, 50, 59])
def test_no_more_than_the_limit_leave_within_a_second(limit: int) -> None:
    now = timezone.now()
    waiting(destination(rate_limit_per_second=limit, max_in_flight=64), now=now, count=80)
    taken = 0
    for step in range(200):
        rows = claim(
            Wish(places=64, sick_places=64), holder=HOLDER, now=now + timedelta(milliseconds=5 * step)
        )
        Delivery.objects.filter(pk__in=ids(rows)).update(state="delivered", leased_until=None, leased_by=None)
        taken += len(rows)
    assert limit * 0.85 - 1 <= taken <= limit


def test_sick_destinations_get_no_more_than_their_share() -> None:
    now = timezone.now()
    sick = destination("sick", max_in_flight=10)
    Destination.objects.filter(pk=sick.pk).update(failures_in_row=1)
    waiting(sick, now=now, count=10)
    well = waiting(destination("well", max_in_flight=10), now=now, count=4)
    rows = claim(Wish(places=8, sick_places=3), holder=HOLDER, now=now)
    assert len(rows) == 7
    assert {row.id for row in rows if not row.sick} == {delivery.id for delivery in well}


def test_a_failing_destination_gets_one_probe_when_its_pause_is_over() -> None:
    now = timezone.now()
    failing = destination()
    Destination.objects.filter(pk=failing.pk).update(
        status="failing", failures_in_row=4, probe_at=now + timedelta(minutes=1)
    )
    waiting(failing, now=now, count=3)
    assert claim(Wish(places=10, sick_places=10), holder=HOLDER, now=now) == []
    later = now + timedelta(minutes=1)
    assert [row.probe for row in claim(Wish(places=10, sick_places=10), holder=HOLDER, now=later)] == [True]
    assert claim(Wish(places=10, sick_places=10), holder=HOLDER, now=later) == []


def stock_of(to: Destination, number: int) -> Wish:
    return Wish(places=100, sick_places=50, stocks={to.pk: number})


def test_a_destination_that_answers_gives_a_stock_beyond_its_places() -> None:
    now = timezone.now()
    to = destination(max_in_flight=2)
    rows = waiting(to, now=now, count=9)
    assert ids(claim(stock_of(to, 3), holder=HOLDER, now=now)) == ids(rows[:5])
    assert ids(claim(stock_of(to, -1), holder=HOLDER, now=now)) == ids(rows[5:6])
    assert claim(stock_of(to, -2), holder=HOLDER, now=now) == []


def test_nothing_is_claimed_ahead_where_somebody_else_has_a_part_of_it_in_hand() -> None:
    now = timezone.now()
    to = destination(max_in_flight=2)
    rows = waiting(to, now=now, count=9)
    claim(Wish(places=1, sick_places=1), holder=HOLDER + 1, now=now)
    assert ids(claim(stock_of(to, 5), holder=HOLDER, now=now)) == ids(rows[1:2])


def test_nothing_is_claimed_ahead_of_a_limit_per_second() -> None:
    now = timezone.now()
    to = destination(max_in_flight=2, rate_limit_per_second=1000)
    waiting(to, now=now, count=9)
    assert len(claim(stock_of(to, 5), holder=HOLDER, now=now)) == 2


def test_a_destination_that_has_not_answered_lately_gets_few_places() -> None:
    now = timezone.now()
    waiting(destination(max_in_flight=64), now=now, count=20)
    assert len(claim(Wish(places=100, sick_places=50), holder=HOLDER, now=now)) == 16


def test_a_suspect_shares_the_places_of_the_sick() -> None:
    now = timezone.now()
    hanging = destination(max_in_flight=10)
    waiting(hanging, now=now, count=10)
    rows = claim(Wish(places=100, sick_places=3, suspects=[hanging.pk]), holder=HOLDER, now=now)
    assert [row.sick for row in rows] == [True, True, True]


def test_a_claim_that_is_given_back_leaves_no_trace() -> None:
    now = timezone.now()
    first, second = waiting(destination(), now=now, count=2)
    kept, undone = claim(Wish(places=2, sick_places=2), holder=HOLDER, now=now)
    give_back([undone], holder=HOLDER)
    assert [kept.id, undone.id] == [first.pk, second.pk]
    assert list(Attempt.objects.values_list("delivery", flat=True)) == [first.pk]
    second.refresh_from_db()
    assert (second.attempts_made, second.run_attempts, second.leased_by, second.leased_until) == (
        0,
        0,
        None,
        None,
    )
    assert ids(claim(Wish(places=2, sick_places=2), holder=HOLDER, now=now)) == [second.pk]


def test_what_somebody_else_has_claimed_meanwhile_is_not_given_back() -> None:
    now = timezone.now()
    (delivery,) = waiting(destination(), now=now)
    (lost,) = claim(Wish(places=1, sick_places=1), holder=HOLDER, now=now)
    Delivery.objects.update(leased_by=HOLDER + 1, attempts_made=2, run_attempts=2)
    give_back([lost], holder=HOLDER)
    delivery.refresh_from_db()
    assert (delivery.attempts_made, delivery.leased_by) == (2, HOLDER + 1)


def test_the_time_to_the_first_attempt_is_counted_from_when_a_delivery_came_due() -> None:
    now = timezone.now()
    waiting(destination(), now=now)
    Delivery.objects.update(created_at=now - timedelta(hours=3), due_at=now - timedelta(seconds=2))
    (claimed,) = claim(Wish(places=1, sick_places=1), holder=HOLDER, now=now)
    exchange = Exchange(status_code=200, duration_ms=100)
    finished_at = now + timedelta(milliseconds=100)
    tallies.count([Outcome(claimed, exchange, [], finished_at, Delivery.State.DELIVERED, None)])
    assert Tally.objects.get(name=tallies.FIRST_ATTEMPT_SUM).value == pytest.approx(2.0)


def test_what_was_interrupted_at_its_first_attempt_goes_out_as_a_retry() -> None:
    now = timezone.now()
    waiting(destination(), now=now)
    sent_as = []
    for _ in range(2):
        sent_as += [row.trigger for row in claim(Wish(places=1, sick_places=1), holder=HOLDER, now=now)]
        free_dead_leases(now=now)
    Delivery.objects.update(trigger="manual")
    sent_as += [row.trigger for row in claim(Wish(places=1, sick_places=1), holder=HOLDER, now=now)]
    assert sent_as == ["initial", "retry", "manual"]
