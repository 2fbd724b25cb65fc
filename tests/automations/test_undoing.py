"""Moves that are taken back, and what receivers hear of them."""

from datetime import timedelta
from typing import Any

import time_machine
from django.utils import timezone

from automations.models import Delivery, Destination, Rule
from automations.rules import create_rule
from automations.waiting import release_due
from crm.actors import Actor
from crm.deals import move_deal, undo_move
from crm.models import Deal, Stage


def make_rule(destination: Destination, name: str, **fields: Any) -> Rule:
    return create_rule(fields={"name": name, "destination": destination, **fields})


def told() -> list[tuple[str, str, str]]:
    rows = Delivery.objects.order_by("id").select_related("rule")
    return [(str(row.rule), row.state, row.reason) for row in rows]


def test_a_move_undone_while_its_rule_holds_it_back_sends_nothing(
    destination: Destination, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    make_rule(destination, "entered", stage=stages[1], delay_seconds=10)
    make_rule(destination, "kept", stage=stages[1], delay_seconds=10, if_left=Rule.IfLeft.KEEP)
    make_rule(destination, "back", stage=stages[0], delay_seconds=10)
    make_rule(destination, "any", delay_seconds=10)
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    undo_move(deal_id=deal.pk, actor=actor)
    assert told() == [(name, "skipped", "undone") for name in ("entered", "kept", "any")]
    with time_machine.travel(timezone.now() + timedelta(minutes=1)):
        assert release_due(now=timezone.now()) == 0
    assert {delivery.attempts_made for delivery in Delivery.objects.all()} == {0}


def test_who_has_heard_of_a_move_hears_of_its_undoing(
    destination: Destination, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    make_rule(destination, "at once")
    make_rule(destination, "held back for less than it took", delay_seconds=5)
    start = timezone.now()
    with time_machine.travel(start, tick=False) as clock:
        move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
        clock.shift(timedelta(seconds=8))
        release_due(now=timezone.now())
        undo_move(deal_id=deal.pk, actor=actor)
    names = [name for name, state, _reason in told() if state == "pending"]
    assert sorted(names) == ["at once", "at once", *["held back for less than it took"] * 2]


def test_what_waits_of_an_earlier_move_outlives_an_undone_one(
    destination: Destination, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    make_rule(destination, "entered", stage=stages[1], delay_seconds=60)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
        clock.shift(timedelta(seconds=20))
        move_deal(deal_id=deal.pk, stage=stages[2], actor=actor)
        clock.shift(timedelta(seconds=5))
        undo_move(deal_id=deal.pk, actor=actor)
        clock.shift(timedelta(seconds=40))
        release_due(now=timezone.now())
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.awaits_check, delivery.reason) == ("pending", False, "")


def test_what_waits_for_a_sending_window_is_withdrawn_with_its_move(
    destination: Destination, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    weekday = timezone.localdate().isoweekday() % 7 + 1
    window = {"weekdays": [weekday], "from": "09:00", "to": "10:00"}
    make_rule(destination, "office hours", sending_window=window)
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    with time_machine.travel(timezone.now() + timedelta(seconds=3)):
        undo_move(deal_id=deal.pk, actor=actor)
    assert told() == [("office hours", "skipped", "undone")]
