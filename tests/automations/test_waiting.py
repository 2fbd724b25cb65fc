"""A rule's delay and its sending window: when what waits leaves, and when it does not."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from automations import drain, waiting
from automations.deliveries import resend_delivery
from automations.models import Delivery, Event, Rule
from automations.waiting import next_opening, release_due, window_problems
from crm import deals
from crm.actors import Actor
from crm.models import Deal, Stage
from tests.receivers import Receiver

NEW_YORK = ZoneInfo("America/New_York")
OFFICE = {"weekdays": [1, 2, 3, 4, 5], "from": "09:00", "to": "18:00"}
NIGHT = {"weekdays": [5], "from": "22:00", "to": "06:00"}
MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def late(rule: Rule) -> Rule:
    """Sends a day after the deal has entered the second stage."""
    return set_rule(rule, delay_seconds=86400)


def set_rule(rule: Rule, **columns: Any) -> Rule:
    Rule.objects.filter(pk=rule.pk).update(**columns)
    rule.refresh_from_db()
    return rule


def seen(delivery_id: str | None = None) -> tuple[str, str, bool]:
    delivery = Delivery.objects.get(**({"pk": delivery_id} if delivery_id else {}))
    return delivery.state, delivery.reason, delivery.awaits_check


# ---- Windows ----


@pytest.mark.parametrize(
    ("window", "at", "opens"),
    [
        ({}, "2026-11-28T03:00", "2026-11-28T03:00"),
        (OFFICE, "2026-11-27T08:59", "2026-11-27T09:00"),
        (OFFICE, "2026-11-27T09:00", "2026-11-27T09:00"),
        (OFFICE, "2026-11-27T17:59", "2026-11-27T17:59"),
        (OFFICE, "2026-11-27T18:00", "2026-11-30T09:00"),  # a Friday's evening
        (OFFICE, "2026-11-29T23:59", "2026-11-30T09:00"),
        (NIGHT, "2026-11-27T21:00", "2026-11-27T22:00"),
        (NIGHT, "2026-11-28T05:59", "2026-11-28T05:59"),  # still Friday's turn
        (NIGHT, "2026-11-28T06:00", "2026-12-04T22:00"),
        ({"weekdays": [6], "from": "00:00", "to": "00:00"}, "2026-11-28T23:59", "2026-11-28T23:59"),
        ({"weekdays": [6], "from": "00:00", "to": "00:00"}, "2026-11-29T00:00", "2026-12-05T00:00"),
    ],
)
def test_a_window_opens_at_its_hours_of_its_days(window: dict[str, Any], at: str, opens: str) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=NEW_YORK)
    assert next_opening(window, moment, NEW_YORK) == datetime.fromisoformat(opens).replace(tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("hours", "at", "opens"),
    [
        # Clocks go from 2:00 to 3:00 on 8 March 2026: nine o'clock is an hour sooner than it was.
        (("09:00", "18:00"), "2026-03-07T18:00-05:00", "2026-03-08T09:00-04:00"),
        # Half past two does not exist in that night; the turn is as far from midnight as in any other.
        (("02:15", "02:45"), "2026-03-08T00:00-05:00", "2026-03-08T03:15-04:00"),
        # The hour from one to two comes twice on 1 November 2026, and the window is open in both.
        (("01:00", "02:00"), "2026-11-01T01:30-05:00", "2026-11-01T01:30-05:00"),
        (("02:00", "03:00"), "2026-11-01T01:30-04:00", "2026-11-01T02:00-05:00"),
    ],
)
def test_a_window_keeps_its_hours_when_clocks_change(hours: tuple[str, str], at: str, opens: str) -> None:
    window = {"weekdays": [1, 2, 3, 4, 5, 6, 7], "from": hours[0], "to": hours[1]}
    assert next_opening(window, datetime.fromisoformat(at), NEW_YORK) == datetime.fromisoformat(opens)


@pytest.mark.parametrize(
    ("window", "problems"),
    [
        ({}, 0),
        (OFFICE, 0),
        ({"weekdays": [1]}, 1),
        ([], 1),
        ({**OFFICE, "weekdays": []}, 1),
        ({**OFFICE, "weekdays": [0]}, 1),
        ({**OFFICE, "weekdays": [8], "to": "24:00"}, 2),
        ({**OFFICE, "from": 9}, 1),
    ],
)
def test_a_window_that_makes_no_sense_is_told(window: Any, problems: int) -> None:
    assert len(window_problems(window)) == problems


# ---- Waiting ----


def test_a_delayed_delivery_is_out_of_sight_until_it_is_due(
    deal: Deal, stages: list[Stage], actor: Actor, late: Rule
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    delivery = Delivery.objects.get()
    due_at = delivery.created_at + timedelta(days=1)
    assert (delivery.due_at, delivery.awaits_check) == (due_at, True)
    assert release_due(now=due_at - timedelta(seconds=1)) == 0
    assert release_due(now=due_at) == 1
    assert seen() == ("pending", "", False)
    assert release_due(now=due_at) == 0


def test_a_delivery_that_need_not_wait_is_never_checked(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, settings: Settings
) -> None:
    settings.TIME_ZONE = "America/New_York"
    set_rule(rule, sending_window=OFFICE)
    with time_machine.travel(MONDAY.replace(hour=15), tick=False):
        deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    delivery = Delivery.objects.get()
    assert (delivery.awaits_check, delivery.due_at) == (False, delivery.created_at)


@pytest.mark.parametrize("if_left", Rule.IfLeft)
def test_a_deal_that_has_left_the_stage_is_skipped_or_sent_as_the_rule_says(
    if_left: str, deal: Deal, stages: list[Stage], actor: Actor, late: Rule
) -> None:
    set_rule(late, if_left=if_left)
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    deals.move_deal(deal_id=deal.pk, stage=stages[2], actor=actor)
    release_due(now=timezone.now() + timedelta(days=2))
    kept = if_left == Rule.IfLeft.KEEP
    assert seen() == (("pending", "", False) if kept else ("skipped", "left_stage", False))


def test_a_deal_that_left_and_came_back_has_left(
    deal: Deal, stages: list[Stage], actor: Actor, late: Rule
) -> None:
    for stage in (stages[1], stages[2], stages[1]):
        deals.move_deal(deal_id=deal.pk, stage=stage, actor=actor)
    first, second = Delivery.objects.order_by("pk")
    assert release_due(now=timezone.now() + timedelta(days=2)) == 2
    assert seen(first.pk) == ("skipped", "left_stage", False)
    assert seen(second.pk) == ("pending", "", False)


@pytest.mark.parametrize("ending", ["win", "delete"])
def test_a_deal_that_is_closed_or_deleted_has_left_its_stage(
    ending: str, deal: Deal, stages: list[Stage], actor: Actor, late: Rule
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    getattr(deals, f"{ending}_deal")(deal_id=deal.pk, actor=actor)
    release_due(now=timezone.now() + timedelta(days=2))
    assert seen() == ("skipped", "left_stage", False)


@pytest.mark.parametrize(("event", "verb"), [("deal.won", "win"), ("deal.deleted", "delete")])
def test_what_is_told_of_the_end_of_a_deal_is_sent_after_it(
    event: str, verb: str, deal: Deal, stages: list[Stage], actor: Actor, late: Rule
) -> None:
    set_rule(late, event=event, stage=stages[0])
    getattr(deals, f"{verb}_deal")(deal_id=deal.pk, actor=actor)
    release_due(now=timezone.now() + timedelta(days=2))
    assert seen() == ("pending", "", False)


def test_a_delay_that_ends_outside_the_window_waits_for_its_opening(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, settings: Settings
) -> None:
    settings.TIME_ZONE = "America/New_York"
    set_rule(rule, sending_window=OFFICE, delay_seconds=6 * 3600)
    with time_machine.travel(MONDAY.replace(hour=19), tick=False):  # 14:00 there, so 20:00 with the delay
        deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    assert Delivery.objects.get().due_at == datetime(2026, 11, 24, 14, tzinfo=UTC)


def test_a_window_that_was_moved_meanwhile_puts_a_delivery_off_once_more(
    deal: Deal, stages: list[Stage], actor: Actor, late: Rule, settings: Settings
) -> None:
    settings.TIME_ZONE = "America/New_York"
    with time_machine.travel(MONDAY, tick=False):
        deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    set_rule(late, sending_window=OFFICE)
    tuesday = MONDAY + timedelta(days=1)  # 7:00 there
    assert release_due(now=tuesday) == 1
    assert seen() == ("pending", "", True)
    assert Delivery.objects.get().due_at == tuesday + 2 * HOUR
    release_due(now=tuesday + 2 * HOUR)
    assert seen() == ("pending", "", False)


def test_a_disabled_rule_leaves_what_waits_and_a_deleted_one_cancels_it(
    deal: Deal, stages: list[Stage], actor: Actor, late: Rule
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    set_rule(late, enabled=False)
    release_due(now=timezone.now() + timedelta(days=2))
    assert seen() == ("pending", "", False)


def test_a_waiting_delivery_that_a_person_sends_now_waits_no_longer(
    deal: Deal, stages: list[Stage], actor: Actor, late: Rule
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    resent = resend_delivery(delivery_id=Delivery.objects.get().pk)
    assert (resent.state, resent.awaits_check) == ("pending", False)
    assert resent.due_at <= timezone.now()


@pytest.mark.django_db(transaction=True)
def test_two_that_look_at_once_share_what_is_due(
    deal: Deal, stages: list[Stage], actor: Actor, late: Rule
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    later = timezone.now() + timedelta(days=2)
    counts: list[int] = []

    def look() -> None:
        counts.append(release_due(now=later))
        connection.close()

    with transaction.atomic():
        assert release_due(now=later) == 1
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert counts == [0]
    assert seen() == ("pending", "", False)


@pytest.mark.django_db(transaction=True)
def test_one_that_ends_half_way_has_changed_nothing(
    deal: Deal, stages: list[Stage], actor: Actor, late: Rule
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    later = timezone.now() + timedelta(days=2)

    @transaction.atomic
    def end_half_way() -> None:
        release_due(now=later)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        end_half_way()
    assert seen() == ("pending", "", True)
    assert release_due(now=later) == 1


def test_many_are_looked_at_in_parts_oldest_first(
    deal: Deal, stages: list[Stage], actor: Actor, late: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "AT_A_TIME", 2)
    for stage in (stages[1], stages[2]) * 3:
        deals.move_deal(deal_id=deal.pk, stage=stage, actor=actor)
    later = timezone.now() + timedelta(days=2)
    assert [release_due(now=later) for _turn in range(3)] == [2, 1, 0]


@pytest.mark.django_db(transaction=True)
def test_a_drain_finds_what_came_due_while_none_was_at_work(
    deal: Deal,
    stages: list[Stage],
    actor: Actor,
    late: Rule,
    receiver: Receiver,
    sending: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "AT_A_TIME", 1)
    monkeypatch.setattr(drain, "AT_A_TIME", 1)
    for title in ("first", "second", "third"):
        new = deals.create_deal(actor=actor, stage=stages[0], title=title)
        deals.move_deal(deal_id=new.pk, stage=stages[1], actor=actor)
    Delivery.objects.update(due_at=timezone.now() - HOUR)
    sending()
    receiver.wait_for(3, within=1.5)  # sooner than the next round


@pytest.mark.django_db(transaction=True)
def test_a_drain_sends_what_has_waited(
    deal: Deal,
    stages: list[Stage],
    actor: Actor,
    rule: Rule,
    receiver: Receiver,
    sending: Callable[..., None],
) -> None:
    set_rule(rule, delay_seconds=1)
    sending()
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    moved_at = timezone.now()
    (request,) = receiver.wait_for(1)
    assert timedelta(seconds=0.9) < request.at - moved_at < timedelta(seconds=4)
    assert request.json()["type"] == Event.DEAL_STAGE_CHANGED
