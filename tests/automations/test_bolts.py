"""What cards and columns show of requests, and that open boards are told when it changes."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.models import QuerySet
from pytest_django import DjangoAssertNumQueries

from automations.deliveries import cancel_delivery, cancel_many, resend_delivery
from automations.health import HELD_AT_MOST, give_up_held
from automations.manual import run_rule
from automations.models import Delivery, Destination, Rule
from automations.receivers import badges_of_stages
from automations.rules import create_rule
from automations.waiting import release_due
from crm import deals, hub
from crm.actors import Actor
from crm.announcements import BOARD_CHANNEL
from crm.models import Deal, Pipeline, Stage
from crm.timeline import Tone
from tests.loops import run
from tests.processes import eventually
from tests.receivers import Receiver, status

Start = Callable[..., None]
Listen = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def told(transactional_db: None) -> Iterator[Listen]:
    """Gives what boards have been told of bolts so far."""
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    heard: list[dict[str, Any]] = []
    with psycopg.connect(**parameters, autocommit=True) as listener:
        listener.execute(f"LISTEN {BOARD_CHANNEL}")

        def hear() -> list[dict[str, Any]]:
            heard.extend(json.loads(each.payload) for each in listener.notifies(timeout=0.1))
            return [each for each in heard if "bolts" in each]

        yield hear


@pytest.mark.django_db(transaction=True)
def test_boards_are_told_of_the_first_failure_and_of_the_end_and_of_no_retry_between(
    deal: Deal,
    stages: list[Stage],
    actor: Actor,
    rule: Rule,
    receiver: Receiver,
    sending: Start,
    told: Listen,
) -> None:
    Destination.objects.update(retry_schedule=[0, 0, 0])
    receiver.answer(status(503), status(503), status(200))
    sending()
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    eventually(lambda: Delivery.objects.filter(state="delivered").exists())
    eventually(lambda: len(told()) >= 2)
    assert told() == [{"pipelines": [deal.pipeline_id], "bolts": [deal.pk]}] * 2


@pytest.mark.django_db(transaction=True)
def test_boards_are_told_of_what_ends_or_begins_anew_without_an_attempt(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, told: Listen
) -> None:
    manual = create_rule(fields={"name": "By hand", "event": "deal.manual", "destination": rule.destination})
    Rule.objects.filter(pk=rule.pk).update(delay_seconds=60)
    (delivery,) = deliveries_of_moving(deal, stages[1], actor)
    now = delivery.created_at

    def ends_told_once(verb: Callable[[], object], state: str) -> None:
        before = len(told())
        verb()
        eventually(lambda: len(told()) > before)
        assert told()[before:] == [{"pipelines": [deal.pipeline_id], "bolts": [deal.pk]}]
        assert Delivery.objects.get(pk=delivery.pk).state == state

    ends_told_once(lambda: cancel_delivery(delivery_id=delivery.pk), "cancelled")
    ends_told_once(lambda: resend_delivery(delivery_id=delivery.pk), "pending")
    ends_told_once(lambda: cancel_many(deliveries=Delivery.objects.all()), "cancelled")
    Delivery.objects.update(state="pending", awaits_check=True, stage_entered_at=now - timedelta(days=1))
    ends_told_once(lambda: release_due(now=now + timedelta(minutes=2)), "skipped")
    Destination.objects.update(status="paused")
    Delivery.objects.update(state="pending", due_at=now)
    ends_told_once(lambda: give_up_held(now=now + HELD_AT_MOST), "failed")
    ends_told_once(lambda: run_rule(rule_id=manual.pk, deal_id=deal.pk, actor=actor), "failed")


def deliveries_of_moving(deal: Deal, stage: Stage, actor: Actor) -> QuerySet[Delivery]:
    deals.move_deal(deal_id=deal.pk, stage=stage, actor=actor)
    return Delivery.objects.filter(deal=deal)


@pytest.mark.django_db(transaction=True)
def test_nobody_is_told_of_a_deal_that_is_on_no_board(
    deal: Deal, stages: list[Stage], actor: Actor, destination: Destination, sending: Start, told: Listen
) -> None:
    create_rule(fields={"name": "Won", "event": "deal.won", "destination": destination})
    sending()
    deals.win_deal(deal_id=deal.pk, actor=actor)
    eventually(lambda: Delivery.objects.filter(state="delivered").exists())
    assert told() == []


def test_a_column_names_its_rules_and_is_red_where_one_of_them_failed_last(
    pipeline: Pipeline,
    deal: Deal,
    stages: list[Stage],
    actor: Actor,
    rule: Rule,
    destination: Destination,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    other = create_rule(fields={"name": "To the team", "stage": stages[1], "destination": destination})
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)

    def badge() -> tuple[str, Tone]:
        with django_assert_num_queries(1):
            found = badges_of_stages(pipeline)[stages[1].pk]
        return found.text, found.tone

    assert badge() == ("2 automatic actions: To the ERP, To the team", Tone.NEUTRAL)
    Delivery.objects.filter(rule=other).update(attempts_made=1)
    assert badge()[1] == Tone.WARN
    Delivery.objects.filter(rule=rule).update(state="failed")
    assert badge()[1] == Tone.BAD
    Delivery.objects.update(state="delivered")
    assert badge()[1] == Tone.NEUTRAL


def told_of_bolts(count: int, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The deals of each message that a stream gets when that many bolts change at once."""
    monkeypatch.setattr(hub, "BOLTS_EVERY", 0)
    monkeypatch.setattr(hub, "FLOOD", 0)

    async def listen() -> list[list[int]]:
        ours, stream = hub.Hub(), hub.Stream()
        ours._streams.add(stream)
        ours._put_off([{"pipelines": [1], "bolts": list(range(count))}])
        assert ours._telling_bolts
        await ours._telling_bolts
        stream.put_nowait(None)
        return [list(message.by) for message in iter(stream.get_nowait, None)]

    return run(asyncio.wait_for(listen(), 10))


def test_bolts_come_in_small_messages_the_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told_of_bolts(60, monkeypatch) == [list(range(35, 60)), list(range(10, 35)), list(range(10))]


def test_a_flood_of_bolts_is_one_message_to_look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told_of_bolts(hub.BOLTS_WAITING + 1, monkeypatch) == [[]]
