"""A sick destination: paused from the fourth failure in a row, probed, disabled in the end, well after one success."""

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from automations.claims import Claimed, Wish, claim
from automations.destinations import create_destination, pause_destination, resume_destination
from automations.health import (
    HELD_AT_MOST,
    give_up_held,
    mend_clock,
    next_probe_at,
    note_given_up,
    note_unsendable,
    pause_after,
    probe_now,
    record_health,
)
from automations.http import Exchange, Request, send
from automations.models import Attempt, Delivery, Destination, Event, Rule
from automations.outcomes import record
from automations.trials import send_test
from automations.verdicts import Outcome, judge
from crm import deals
from crm.actors import Actor
from crm.models import Deal, Stage
from tests.processes import eventually
from tests.receivers import Receiver, status

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def claimed(destination: Destination, *, probe: bool = False, number: int = 1) -> Claimed:
    return Claimed(
        id="msg_test",
        destination_id=destination.pk,
        event=Event.DEAL_WON,
        chain=uuid.uuid4(),
        depth=0,
        body=b"{}",
        number=number,
        run_attempts=number,
        trigger=Delivery.Trigger.INITIAL,
        due_at=NOON,
        probe=probe,
    )


def outcome(
    destination: Destination, code: int = 500, *, probe: bool = False, says: str = "", number: int = 1
) -> Outcome:
    headers = (("Webhook-Delivery", says),) if says else ()
    exchange = Exchange(status_code=code, response_headers=headers)
    taken = claimed(destination, probe=probe, number=number)
    return judge(taken, exchange, destination=destination, request_headers=(), now=NOON)


def after(destination: Destination, *outcomes: Outcome, now: datetime = NOON) -> Destination:
    """The destination once each of the outcomes was recorded for itself."""
    for one in outcomes:
        record_health([one], now=now)
    destination.refresh_from_db()
    return destination


def fail(destination: Destination, times: int, *, now: datetime = NOON) -> Destination:
    return after(destination, *[outcome(destination)] * times, now=now)


# ---- The arithmetic ----


@pytest.mark.parametrize(
    ("failures", "pause"),
    [
        (4, MINUTE),
        (5, 2 * MINUTE),
        (6, 4 * MINUTE),
        (13, 512 * MINUTE),
        (14, 1024 * MINUTE),
        (15, 24 * HOUR),
        (16, 24 * HOUR),
        (10**9, 24 * HOUR),
    ],
)
def test_a_pause_begins_at_a_minute_and_doubles_up_to_a_day(failures: int, pause: timedelta) -> None:
    assert pause_after(failures) == pause


def test_a_pause_that_would_outlast_the_120_hours_ends_with_them() -> None:
    assert next_probe_at(15, since=NOON, now=NOON + 90 * HOUR) == NOON + 114 * HOUR
    assert next_probe_at(15, since=NOON, now=NOON + 100 * HOUR) == NOON + 120 * HOUR
    assert next_probe_at(15, since=NOON, now=NOON + 120 * HOUR) == NOON + 144 * HOUR


# ---- What outcomes make of a destination ----


def test_three_failures_pause_nothing_and_a_success_ends_the_row(destination: Destination) -> None:
    fail(destination, 3)
    assert (destination.status, destination.failures_in_row, destination.failing_since) == ("active", 3, NOON)
    after(destination, outcome(destination, 200))
    assert (destination.status, destination.failures_in_row, destination.failing_since) == ("active", 0, None)
    fail(destination, 3)
    assert destination.status == "active"


def test_the_fourth_failure_in_a_row_pauses_for_a_minute(destination: Destination) -> None:
    fail(destination, 4)
    assert (destination.status, destination.failures_in_row) == ("failing", 4)
    assert (destination.probe_at, destination.failing_since) == (NOON + MINUTE, NOON)
    assert (destination.last_failure_status, destination.last_failure_error) == (500, "")


def test_outcomes_that_end_together_count_in_their_order(destination: Destination) -> None:
    bad, good = outcome(destination), outcome(destination, 200)
    record_health([bad, bad, bad, good, bad, bad], now=NOON)
    destination.refresh_from_db()
    assert (destination.status, destination.failures_in_row) == ("active", 2)
    record_health([bad, bad], now=NOON)
    destination.refresh_from_db()
    assert destination.status == "failing"


def test_answers_to_what_was_under_way_when_the_pause_began_do_not_prolong_it(
    destination: Destination,
) -> None:
    record_health([outcome(destination)] * 60, now=NOON)
    fail(destination, 4, now=NOON + 30 * timedelta(seconds=1))
    assert (destination.failures_in_row, destination.probe_at) == (4, NOON + MINUTE)


def test_each_probe_that_fails_doubles_the_pause(destination: Destination) -> None:
    fail(destination, 4)
    pauses, now = [], NOON
    for _ in range(12):
        assert destination.probe_at is not None
        now = destination.probe_at
        after(destination, outcome(destination, probe=True), now=now)
        pauses.append((destination.probe_at - now) // MINUTE)
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440]


def test_one_success_makes_a_destination_well(destination: Destination) -> None:
    fail(destination, 4)
    after(destination, outcome(destination, 204, probe=True), now=NOON + MINUTE)
    assert (destination.status, destination.status_reason, destination.probe_at) == ("active", "", None)
    assert (destination.failures_in_row, destination.failing_since) == (0, None)
    assert (destination.recovered_from, destination.last_failure_status) == (NOON, None)


def test_a_late_success_ends_the_pause_too(destination: Destination) -> None:
    fail(destination, 4)
    after(destination, outcome(destination, 200), now=NOON + timedelta(seconds=10))
    assert destination.status == "active"


def test_a_destination_is_disabled_by_the_probe_that_fails_after_120_hours(destination: Destination) -> None:
    fail(destination, 4)
    while destination.status == "failing":
        assert destination.probe_at is not None
        now = destination.probe_at
        after(destination, outcome(destination, probe=True), now=now)
    assert now == NOON + 120 * HOUR
    assert (destination.status, destination.status_reason) == ("disabled", "failing")
    assert (destination.failing_since, destination.probe_at) == (NOON, None)


def test_a_destination_without_a_probe_is_not_disabled_however_long_nobody_looked(
    destination: Destination,
) -> None:
    fail(destination, 1)
    fail(destination, 3, now=NOON + 500 * HOUR)
    assert (destination.status, destination.probe_at) == ("failing", NOON + 500 * HOUR + MINUTE)


@pytest.mark.parametrize(
    ("code", "says", "reason"),
    [(410, "", "gone"), (500, "disable", "asked"), (200, "Disable", "asked"), (410, "abort-message", "gone")],
)
def test_a_receiver_that_is_gone_or_asks_for_it_is_disabled_at_once(
    destination: Destination, code: int, says: str, reason: str
) -> None:
    after(destination, outcome(destination, code, says=says))
    assert (destination.status, destination.status_reason) == ("disabled", reason)


def test_what_arrives_after_a_destination_was_disabled_does_not_switch_it_on(
    destination: Destination,
) -> None:
    after(destination, outcome(destination, 410), outcome(destination, 200), outcome(destination))
    assert (destination.status, destination.status_reason) == ("disabled", "gone")


def test_a_message_turned_down_by_name_is_given_up_and_says_that_its_receiver_is_well(
    destination: Destination,
) -> None:
    fail(destination, 3)
    aborted = outcome(destination, 422, says="abort-message")
    assert (aborted.state, aborted.due_at, aborted.reason) == ("failed", NOON, "aborted_by_receiver")
    after(destination, aborted)
    assert (destination.status, destination.failures_in_row) == ("active", 0)
    assert destination.given_up_untold == 1


def test_a_message_that_was_taken_is_delivered_whatever_else_the_answer_says(
    destination: Destination,
) -> None:
    assert outcome(destination, 200, says="abort-message").state == "delivered"
    assert outcome(destination, 200, says="disable").state == "delivered"
    assert outcome(destination, 500, says="other").state == "pending"


def test_refusals_in_a_row_pause_a_destination_although_each_gives_its_delivery_up(
    destination: Destination,
) -> None:
    destination.stop_on_4xx = True
    refused = outcome(destination, 404)
    assert refused.state == "failed"
    after(destination, *[refused] * 4)
    assert (destination.status, destination.given_up_untold) == ("failing", 4)


def test_a_destination_paused_by_hand_stays_so_whatever_arrives(destination: Destination) -> None:
    pause_destination(destination_id=destination.pk)
    after(destination, *[outcome(destination)] * 5, outcome(destination, 200))
    assert (destination.status, destination.failures_in_row) == ("paused", 0)


def test_well_destinations_cost_one_query_and_no_write(
    destination: Destination, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        record_health([outcome(destination, 200)] * 50, now=NOON)


@pytest.mark.django_db(transaction=True)
def test_many_that_record_at_once_neither_lose_a_failure_nor_wait_in_a_circle(
    destination: Destination,
) -> None:
    other = create_destination(fields={"name": "BI", "url": destination.url})
    both = [outcome(destination), outcome(other)]

    def work(outcomes: list[Outcome]) -> None:
        try:
            for _ in range(20):
                record([*outcomes])
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(group,)) for group in (both, both[::-1]) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(Destination.objects.values_list("status", "failures_in_row")) == [("failing", 4)] * 2


# ---- The clock ----


def test_a_clock_that_ran_ahead_does_not_hold_a_destination_for_ever(destination: Destination) -> None:
    fail(destination, 4, now=NOON + 1000 * HOUR)
    assert mend_clock(now=NOON) == 1
    destination.refresh_from_db()
    assert (destination.probe_at, destination.failing_since) == (NOON, NOON)
    assert mend_clock(now=NOON) == 0


def test_a_clock_that_steps_back_between_failures_only_lengthens_the_way(destination: Destination) -> None:
    fail(destination, 2)
    fail(destination, 2, now=NOON - HOUR)
    assert (destination.status, destination.failing_since) == ("failing", NOON)
    assert destination.probe_at == NOON - HOUR + MINUTE


# ---- What is held ----


@pytest.fixture
def frozen() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def move(stages: list[Stage], actor: Actor, rule: Rule) -> Callable[[str], Deal]:
    """Makes a deal and moves it where the rule sends from."""

    def move(title: str) -> Deal:
        deal = deals.create_deal(actor=actor, stage=stages[0], title=title)
        return deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)

    return move


def send_due(now: datetime) -> list[int | None]:
    """What a drain does in one look, one after the other: the statuses that came back."""
    came_back = []
    for one in claim(Wish(places=50, sick_places=50), holder=1, now=now):
        destination = Destination.objects.get(pk=one.destination_id)
        request = Request(
            url=destination.url, method="POST", headers=(), body=bytes(one.body), timeout_seconds=5
        )
        exchange = send(request, allowed_networks=settings.ALLOWED_PRIVATE_NETWORKS)
        record([judge(one, exchange, destination=destination, request_headers=(), now=now)])
        came_back.append(exchange.status_code)
    return came_back


def test_500_for_days_holds_what_happens_and_the_first_success_sends_it_in_order(
    receiver: Receiver, destination: Destination, move: Callable[[str], Deal], frozen: time_machine.Traveller
) -> None:
    receiver.answer(500)
    Destination.objects.update(retry_schedule=[0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400])
    titles = [f"Deal {number}" for number in range(6)]
    for seconds, title in enumerate(titles):
        frozen.move_to(NOON - timedelta(seconds=60 - seconds))
        move(title)
    now, looks = NOON, 0
    while now < NOON + 100 * HOUR:
        frozen.move_to(now)
        send_due(now)
        now += timedelta(minutes=1) if now < NOON + HOUR else timedelta(minutes=30)
        looks += 1
    destination.refresh_from_db()
    assert (destination.status, destination.failing_since) == ("failing", NOON)
    assert Delivery.objects.filter(state="pending").count() == 6
    sent = len(receiver.requests)
    assert 14 <= sent <= 20, f"{sent} requests in {looks} looks"
    receiver.answer(200)
    receiver.clear()
    assert destination.probe_at is not None
    frozen.move_to(destination.probe_at)
    assert send_due(destination.probe_at) == [200]
    destination.refresh_from_db()
    assert destination.status == "active"
    while send_due(datetime.now(UTC)):
        pass
    order = [request.json()["data"]["deal"]["title"] for request in receiver.requests]
    probed = order.pop(0)
    assert order == [title for title in titles if title != probed]
    assert Delivery.objects.filter(state="delivered").count() == 6


def test_500_for_120_hours_disables_and_loses_nothing(
    receiver: Receiver, destination: Destination, move: Callable[[str], Deal], frozen: time_machine.Traveller
) -> None:
    receiver.answer(500)
    Destination.objects.update(retry_schedule=[0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400])
    for number in range(10):
        move(f"Deal {number}")
    now = NOON
    while now <= NOON + 130 * HOUR:
        frozen.move_to(now)
        send_due(now)
        now += timedelta(minutes=1) if now < NOON + HOUR else timedelta(minutes=15)
    destination.refresh_from_db()
    assert (destination.status, destination.status_reason) == ("disabled", "failing")
    last = Attempt.objects.order_by("-started_at").values_list("started_at", flat=True)[0]
    assert NOON + 120 * HOUR <= last <= NOON + 120 * HOUR + timedelta(minutes=15)
    assert Delivery.objects.filter(state="pending").count() == 10
    move("Deal 10")
    assert send_due(now) == []
    receiver.answer(200)
    resume_destination(destination_id=destination.pk)
    while send_due(now):
        pass
    assert Delivery.objects.filter(state="delivered").count() == 11


def test_while_failing_one_delivery_at_a_time_is_sent_and_none_before_the_pause_ends(
    receiver: Receiver, destination: Destination, move: Callable[[str], Deal], frozen: time_machine.Traveller
) -> None:
    receiver.answer(500)
    for number in range(8):
        move(f"Deal {number}")
    assert len(send_due(NOON)) == 4
    assert send_due(NOON) == []
    assert send_due(NOON + 59 * timedelta(seconds=1)) == []
    assert send_due(NOON + MINUTE) == [500]
    assert send_due(NOON + MINUTE) == []
    assert sorted(Delivery.objects.values_list("attempts_made", flat=True)) == [0, 0, 0, 1, 1, 1, 1, 1]


@pytest.mark.django_db(transaction=True)
def test_a_drain_backs_off_and_takes_up_again_by_itself(
    receiver: Receiver, destination: Destination, move: Callable[[str], Deal], sending: Callable[..., None]
) -> None:
    receiver.answer(500)
    sending("one")
    sending("two")
    for number in range(30):
        move(f"Deal {number}")
    eventually(lambda: Destination.objects.filter(status="failing").exists())
    eventually(lambda: not Delivery.objects.filter(leased_until__isnull=False).exists())
    sent = len(receiver.requests)
    assert sent <= 12
    assert probe_now(destination_id=destination.pk, now=timezone.now())
    eventually(lambda: Destination.objects.filter(failures_in_row=5).exists())
    receiver.wait_for(sent + 1)
    receiver.answer(200)
    assert probe_now(destination_id=destination.pk, now=timezone.now())
    eventually(lambda: Delivery.objects.filter(state="delivered").count() == 30)
    destination.refresh_from_db()
    assert (destination.status, destination.failures_in_row) == ("active", 0)


def test_a_tests_failure_counts_for_nothing(
    receiver: Receiver, destination: Destination, deal: Deal, actor: Actor
) -> None:
    receiver.answer(status(500, headers={"Webhook-Delivery": "disable"}))
    for _ in range(5):
        send_test(destination_id=destination.pk, event=Event.DEAL_WON, deal=deal, actor=actor)
    destination.refresh_from_db()
    assert (destination.status, destination.failures_in_row, destination.given_up_untold) == ("active", 0, 0)


def test_what_the_receiver_asks_for_in_its_answer_is_done_and_kept_in_words(
    receiver: Receiver, destination: Destination, move: Callable[[str], Deal], frozen: time_machine.Traveller
) -> None:
    receiver.answer(status(400, headers={"webhook-delivery": "abort-message"}))
    move("Oven")
    assert send_due(NOON) == [400]
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason, delivery.status_code) == ("failed", "aborted_by_receiver", 400)


@pytest.mark.parametrize("how", ["paused", "failing", "disabled"])
def test_what_was_held_for_14_days_is_given_up_visibly(
    destination: Destination, move: Callable[[str], Deal], frozen: time_machine.Traveller, how: str
) -> None:
    move("Old")
    frozen.move_to(NOON + 3 * HOUR)
    move("New")
    Destination.objects.update(status=how)
    assert give_up_held(now=NOON + HELD_AT_MOST - MINUTE) == 0
    assert give_up_held(now=NOON + HELD_AT_MOST) == 1
    states = Delivery.objects.values_list("deal_title", "state", "reason").order_by("pk")
    assert list(states) == [("Old", "failed", "held_too_long"), ("New", "pending", "")]
    destination.refresh_from_db()
    assert destination.given_up_untold == 1


@pytest.mark.parametrize(
    "kept",
    [
        {"awaits_check": True},
        {"due_at": NOON + timedelta(days=10)},
        {"leased_until": NOON, "leased_by": 1},
        {"state": "cancelled"},
    ],
)
def test_what_is_not_held_is_not_given_up(
    destination: Destination,
    move: Callable[[str], Deal],
    frozen: time_machine.Traveller,
    kept: dict[str, Any],
) -> None:
    move("Oven")
    Delivery.objects.update(**kept)
    assert give_up_held(now=NOON + HELD_AT_MOST) == 0
    Destination.objects.update(status="disabled")
    assert give_up_held(now=NOON + HELD_AT_MOST) == 0


def test_held_deliveries_are_given_up_in_batches_until_none_is_left(
    destination: Destination, rule: Rule, frozen: time_machine.Traveller
) -> None:
    rows = [
        Delivery(event="deal.won", rule=rule, destination=destination, body=b"{}", chain=uuid.uuid4())
        for _ in range(1200)
    ]
    Delivery.objects.bulk_create(rows)
    Destination.objects.update(status="disabled")
    assert give_up_held(now=NOON + HELD_AT_MOST) == 1200
    destination.refresh_from_db()
    assert destination.given_up_untold == 1200


@pytest.mark.django_db(transaction=True)
def test_what_was_given_up_for_its_payload_is_noted_once_it_is_committed(destination: Destination) -> None:
    rows = [
        Delivery(destination=destination, state=state) for state in ("failed", "pending", "skipped", "failed")
    ]
    with transaction.atomic():
        note_unsendable(rows)
        assert Destination.objects.get().given_up_untold == 0
    assert Destination.objects.get().given_up_untold == 2


# ---- By hand ----


def test_resuming_starts_with_a_clean_record(destination: Destination) -> None:
    fail(destination, 4)
    note_given_up(destination_id=destination.pk)
    Destination.objects.update(status="disabled", status_reason="failing", told_percent=100)
    destination = resume_destination(destination_id=destination.pk)
    destination.refresh_from_db()
    assert (destination.status, destination.status_reason, destination.probe_at) == ("active", "", None)
    assert (destination.failures_in_row, destination.failing_since, destination.told_percent) == (0, None, 0)
    assert destination.given_up_untold == 1


def test_a_pause_can_be_ended_by_a_probe_now(destination: Destination) -> None:
    assert not probe_now(destination_id=destination.pk, now=NOON)
    fail(destination, 4)
    assert probe_now(destination_id=destination.pk, now=NOON)
    destination.refresh_from_db()
    assert (destination.status, destination.probe_at, destination.failures_in_row) == ("failing", NOON, 4)
