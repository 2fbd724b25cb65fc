from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.dispatch import Signal

from crm import deals, signals
from crm.actors import Actor, acting_as
from crm.models import Activity, Change, CustomField, Deal, DealsGoThroughTheDoor, LostReason, Stage, User
from crm.signals import DealEvent


@contextmanager
def heard(*watched: Signal) -> Iterator[list[tuple[Signal, list[DealEvent], Actor]]]:
    """Everything that the signals told while the block ran, in order."""
    told: list[tuple[Signal, list[DealEvent], Actor]] = []

    def listen(signal: Signal, events: list[DealEvent], actor: Actor, **_rest: Any) -> None:
        told.append((signal, events, actor))

    for signal in watched:
        signal.connect(listen)
    try:
        yield told
    finally:
        for signal in watched:
            signal.disconnect(listen)


FACTS = (
    signals.deal_created,
    signals.deal_updated,
    signals.deal_stage_changed,
    signals.deal_won,
    signals.deal_lost,
    signals.deal_reopened,
    signals.deal_deleted,
)


def history(deal: Deal) -> list[tuple[str, Any, Any]]:
    rows = Change.objects.filter(entity="deal", object_id=deal.pk, verb="changed").order_by("id")
    return [(row.field, row.before, row.after) for row in rows]


def test_a_move_writes_the_stage_the_history_and_one_event(
    deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    with heard(*FACTS) as told:
        moved = deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor, version=deal.version)
    assert (moved.stage, moved.version) == (stages[1], 2)
    assert moved.stage_entered_at > deal.stage_entered_at
    new, proposal = ({"id": stage.pk, "name": stage.name} for stage in stages[:2])
    assert history(deal) == [("stage", new, proposal)]
    ((signal, (event,), by),) = told
    assert signal is signals.deal_stage_changed
    assert (event.deal, event.before, event.sequence, by) == (moved, {"stage": new}, 2, actor)


def test_a_move_made_from_a_stale_version_is_refused_and_shows_the_deal_as_it_is(
    deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    with heard(*FACTS) as told, pytest.raises(deals.StaleVersion) as refusal:
        deals.move_deal(deal_id=deal.pk, stage=stages[2], actor=actor, version=1)
    assert refusal.value.deal.stage == stages[1]
    assert Deal.objects.get().stage == stages[1]
    assert told == []


def test_a_move_to_the_same_place_is_refused(deal: Deal, stages: list[Stage], actor: Actor) -> None:
    with heard(*FACTS) as told, pytest.raises(deals.NotAMove):
        deals.move_deal(deal_id=deal.pk, stage=stages[0], actor=actor)
    assert told == []
    assert history(deal) == []


def test_a_deal_keeps_the_place_it_was_put_in(stages: list[Stage], actor: Actor) -> None:
    first, second, third = (
        deals.create_deal(actor=actor, stage=stages[0], title=title) for title in ("first", "second", "third")
    )
    deals.move_deal(deal_id=third.pk, stage=stages[0], actor=actor, after=second.pk, before=first.pk)
    order = Deal.objects.filter(stage=stages[0]).in_column_order().values_list("title", flat=True)
    assert list(order) == ["second", "third", "first"]
    assert history(third) == []


def test_a_column_is_spread_anew_before_its_ranks_grow_too_long(stages: list[Stage], actor: Actor) -> None:
    one, two, three = (deals.create_deal(actor=actor, stage=stages[0], title=title) for title in "cba")
    for _ in range(350):
        one, two = two, one
        deals.move_deal(deal_id=one.pk, stage=stages[0], actor=actor, after=three.pk)
    order = list(Deal.objects.in_column_order().values_list("pk", flat=True))
    assert order == [three.pk, one.pk, two.pk]
    assert max(len(rank) for rank in Deal.objects.values_list("rank", flat=True)) <= 100


def test_a_stage_that_asks_for_fields_names_those_that_are_missing(
    deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    stages[1].required_fields = ["value", "expected_close_on", "title"]
    stages[1].save()
    with heard(*FACTS) as told, pytest.raises(deals.MissingFields) as refusal:
        deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    assert refusal.value.fields == ["value", "expected_close_on"]
    assert told == []
    fields = {"value": "10", "expected_close_on": "2027-01-31"}
    moved = deals.update_deal(deal_id=deal.pk, actor=actor, fields=fields, stage=stages[1])
    assert (moved.stage, moved.expected_close_on) == (stages[1], date(2027, 1, 31))


def test_one_call_makes_at_most_one_event_of_each_kind(deal: Deal, stages: list[Stage], actor: Actor) -> None:
    with heard(*FACTS) as told:
        changed = deals.update_deal(
            deal_id=deal.pk,
            actor=actor,
            fields={"value": "1500", "tags": ["vip", "ERP"], "external_ids": {"omie": "123"}},
            stage=stages[2],
            status=Deal.Status.WON,
        )
    assert [signal for signal, _events, _by in told] == [
        signals.deal_updated,
        signals.deal_stage_changed,
        signals.deal_won,
    ]
    assert [events[0].sequence for _signal, events, _by in told] == [2, 3, 4]
    assert told[0][1][0].before == {"value": "0.00", "tags": [], "external_ids.omie": None}
    assert (changed.value, changed.status, changed.version) == (Decimal("1500.00"), "won", 2)
    assert changed.closed_at is not None


def test_values_a_deal_has_already_change_nothing(deal: Deal, actor: Actor) -> None:
    with heard(*FACTS) as told:
        same = deals.update_deal(deal_id=deal.pk, actor=actor, fields={"title": deal.title, "value": "0"})
    assert (same.version, told, history(deal)) == (1, [], [])


@pytest.mark.parametrize(
    "fields",
    [
        {"value": "-1"},
        {"value": "ten"},
        {"value": "NaN"},
        {"value": "9" * 30},
        {"currency": "reais"},
        {"title": ""},
        {"tags": [""]},
        {"custom_fields": {"unknown": 1}},
        {"rank": "V"},
    ],
)
def test_bad_values_are_refused_with_the_field_named(
    deal: Deal, actor: Actor, fields: dict[str, Any]
) -> None:
    with heard(*FACTS) as told, pytest.raises(deals.InvalidFields) as refusal:
        deals.update_deal(deal_id=deal.pk, actor=actor, fields=fields)
    assert list(refusal.value.errors) == list(fields)
    assert (told, history(deal), Deal.objects.get().version) == ([], [], 1)


def test_custom_fields_are_merged_and_kept_in_their_own_form(deal: Deal, actor: Actor) -> None:
    CustomField.objects.create(entity="deal", key="plan", label="Plan")
    CustomField.objects.create(entity="deal", key="phone", label="Phone", type="phone")
    for values in ({"plan": "Gold"}, {"phone": "(11) 91234-5678"}, {"plan": None}):
        changed = deals.update_deal(deal_id=deal.pk, actor=actor, fields={"custom_fields": values})
    assert changed.custom_fields == {"phone": "+5511912345678"}
    assert history(deal)[-1] == ("custom_fields.plan", "Gold", None)


def test_a_lost_deal_keeps_its_reason_and_note_and_can_be_reopened(deal: Deal, actor: Actor) -> None:
    reason = LostReason.objects.create(name="Price")
    with heard(*FACTS) as told:
        deals.lose_deal(deal_id=deal.pk, lost_reason=reason, note="Too dear for them", actor=actor)
        reopened = deals.reopen_deal(deal_id=deal.pk, actor=actor)
    assert [signal for signal, _events, _by in told] == [signals.deal_lost, signals.deal_reopened]
    assert (reopened.status, reopened.closed_at, reopened.lost_reason) == ("open", None, None)
    assert Activity.objects.get().body == "Too dear for them"
    with pytest.raises(deals.NotAChange):
        deals.reopen_deal(deal_id=deal.pk, actor=actor)


def test_a_bulk_move_is_one_signal_and_leaves_out_those_already_there(
    stages: list[Stage], actor: Actor
) -> None:
    made = [deals.create_deal(actor=actor, stage=stages[0], title=f"deal {n}") for n in range(5)]
    there = deals.create_deal(actor=actor, stage=stages[1], title="there already")
    with heard(*FACTS) as told:
        moved = deals.bulk_move(deal_ids=[deal.pk for deal in [*made, there]], stage=stages[1], actor=actor)
    ((signal, events, _by),) = told
    assert (moved, signal, len(events)) == (5, signals.deal_stage_changed, 5)
    order = Deal.objects.filter(stage=stages[1]).in_column_order().values_list("pk", flat=True)
    assert list(order) == [*(deal.pk for deal in made), there.pk]
    assert Change.objects.filter(field="stage").count() == 5


def test_a_bulk_move_with_one_unknown_deal_moves_none(deal: Deal, stages: list[Stage], actor: Actor) -> None:
    with heard(*FACTS) as told, pytest.raises(deals.UnknownDeals):
        deals.bulk_move(deal_ids=[deal.pk, 999_999], stage=stages[1], actor=actor)
    assert (Deal.objects.get().stage, told) == (stages[0], [])


def test_saving_the_model_goes_through_the_door(deal: Deal, stages: list[Stage], alice: User) -> None:
    deal.stage, deal.value = stages[2], Decimal(99)
    with heard(*FACTS) as told, acting_as(Actor.user(alice)):
        deal.save()
    assert [signal for signal, _events, _by in told] == [signals.deal_updated, signals.deal_stage_changed]
    assert told[1][2].name == "Alice"
    assert [row[0] for row in history(deal)] == ["value", "stage"]
    assert (deal.version, Deal.objects.get().stage) == (2, stages[2])


def test_a_new_model_saved_is_a_deal_created(stages: list[Stage]) -> None:
    with heard(*FACTS) as told:
        Deal(title="Straight from the model", stage=stages[0]).save()
        Deal.objects.create(title="Through the manager", stage=stages[0])
    assert [(signal, by.kind) for signal, _events, by in told] == [(signals.deal_created, "system")] * 2


def test_saving_a_stale_model_is_refused(deal: Deal, stages: list[Stage], actor: Actor) -> None:
    deals.update_deal(deal_id=deal.pk, actor=actor, fields={"title": "A new name"})
    deal.stage = stages[1]
    with pytest.raises(deals.StaleVersion):
        deal.save()
    assert Deal.objects.get().title == "A new name"


@pytest.mark.parametrize("call", ["update", "bulk_update", "bulk_create"])
def test_a_write_around_the_door_is_refused_and_names_the_right_call(
    deal: Deal, stages: list[Stage], call: str
) -> None:
    elsewhere = Deal(pk=deal.pk, title="x", stage=stages[1])
    attempts: dict[str, Callable[[], object]] = {
        "update": lambda: Deal.objects.filter(pk=deal.pk).update(stage=stages[1]),
        "bulk_update": lambda: Deal.objects.bulk_update([elsewhere], ["stage"]),
        "bulk_create": lambda: Deal.objects.bulk_create([elsewhere]),
    }
    with pytest.raises(DealsGoThroughTheDoor, match=r"crm\.deals\."):
        attempts[call]()
    assert Deal.objects.get().stage == stages[0]


def test_deleting_a_queryset_tells_of_each_deal_and_keeps_the_history(deal: Deal) -> None:
    with heard(*FACTS) as told:
        Deal.objects.filter(pk=deal.pk).delete()
    assert [signal for signal, _events, _by in told] == [signals.deal_deleted]
    assert list(Change.objects.values_list("object_id", "verb").order_by("id")) == [
        (deal.pk, "created"),
        (deal.pk, "deleted"),
    ]
    assert not Deal.objects.exists()


def test_a_listener_that_fails_undoes_the_move(deal: Deal, stages: list[Stage], actor: Actor) -> None:
    def fail(**_event: Any) -> None:
        raise RuntimeError("no")

    signals.deal_stage_changed.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    finally:
        signals.deal_stage_changed.disconnect(fail)
    assert (Deal.objects.get().stage, history(deal)) == (stages[0], [])


@pytest.mark.django_db(transaction=True)
def test_twenty_people_moving_cards_to_one_place_lose_none(stages: list[Stage], actor: Actor) -> None:
    made = [deals.create_deal(actor=actor, stage=stages[0], title=f"deal {n}") for n in range(20)]

    def move(deal: Deal) -> None:
        try:
            deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor, version=1)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=20) as people:
        list(people.map(move, made))
    ranks = list(Deal.objects.filter(stage=stages[1]).values_list("rank", flat=True))
    assert len(set(ranks)) == 20


@pytest.mark.django_db(transaction=True)
def test_of_two_moves_from_the_same_version_one_is_refused(
    deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    def move(stage: Stage) -> str:
        try:
            deals.move_deal(deal_id=deal.pk, stage=stage, actor=actor, version=1)
        except deals.StaleVersion:
            return "stale"
        finally:
            connection.close()
        return "moved"

    with ThreadPoolExecutor(max_workers=2) as people:
        outcomes = sorted(people.map(move, stages[1:]))
    assert outcomes == ["moved", "stale"]
    assert Change.objects.filter(field="stage").count() == 1
