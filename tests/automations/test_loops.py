"""Systems that answer each other: the chain of cause and effect, its end, and a deal that moves too often."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from automations import loops
from automations.models import Delivery, Destination, Rule
from automations.rules import create_rule
from crm import deals
from crm.actors import Actor
from crm.models import Change, Deal, Notice, Stage
from webhooks.models import InboundEndpoint

PROGRAM = Actor.inbound(endpoint_id=1, name="Omie")


@pytest.fixture
def four_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moves that a loop is known by, in place of sixty."""
    monkeypatch.setattr(loops, "MOST_CHANGES", 4)


def told() -> list[tuple[str, str]]:
    """State and reason of all deliveries, in the order in which they were made."""
    return list(Delivery.objects.order_by("pk").values_list("state", "reason"))


def move(deal: Deal, stages: list[Stage], actor: Actor, *, times: int) -> None:
    """There and back, beginning with the second stage, which the rule waits for."""
    for turn in range(times):
        deals.move_deal(deal_id=deal.pk, stage=stages[1 - turn % 2], actor=actor)


def test_a_rule_acts_once_on_a_deal_in_a_chain(deal: Deal, stages: list[Stage], rule: Rule) -> None:
    chain = uuid4()
    for depth in (1, 2):
        answer = Actor.inbound(endpoint_id=1, name="Omie", chain=chain, depth=depth)
        move(deal, stages, answer, times=2)
    assert told() == [("pending", ""), ("skipped", "chain_repeated")]


def test_another_rule_another_deal_and_another_chain_may_act(
    deal: Deal, stages: list[Stage], rule: Rule, destination: Destination, actor: Actor
) -> None:
    answer = Actor.inbound(endpoint_id=1, name="Omie", depth=1)
    move(deal, stages, answer, times=2)
    other = deals.create_deal(actor=actor, stage=stages[0], title="Another")
    move(other, stages, answer, times=1)
    create_rule(fields={"name": "To the ERP too", "stage": stages[1], "destination": destination})
    move(deal, stages, answer, times=2)
    move(deal, stages, Actor.inbound(endpoint_id=1, name="Omie", depth=1), times=2)
    assert told() == [
        ("pending", ""),
        ("pending", ""),
        ("skipped", "chain_repeated"),
        ("pending", ""),
        ("pending", ""),
        ("pending", ""),
    ]


def test_a_chain_ends_at_its_tenth_step(deal: Deal, stages: list[Stage], rule: Rule) -> None:
    for depth in (9, 10, 11):
        move(deal, stages, Actor.inbound(endpoint_id=1, name="Omie", depth=depth), times=2)
    assert told() == [("pending", ""), ("skipped", "chain_too_deep"), ("skipped", "chain_too_deep")]


def test_what_comes_back_with_our_chain_is_the_same_run(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule
) -> None:
    endpoint = InboundEndpoint.objects.create(name="Omie", verification={"scheme": "none"})
    move(deal, stages, actor, times=2)
    sent = Delivery.objects.get()
    Client().post(
        f"/in/{endpoint.key}/",
        {"match": {"deal_id": deal.pk}, "deal": {"stage": stages[1].name}},
        content_type="application/json",
        headers={"Stagehook-Chain": f"{sent.chain};{sent.depth}"},
    )
    assert Deal.objects.get().stage_id == stages[1].pk
    assert told() == [("pending", ""), ("skipped", "chain_repeated")]
    assert set(Delivery.objects.values_list("chain", flat=True)) == {sent.chain}


def test_a_person_who_moves_a_card_there_back_and_there_again_sends_each(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule
) -> None:
    move(deal, stages, actor, times=3)
    assert told() == [("pending", ""), ("pending", "")]
    assert list(Delivery.objects.order_by("pk").values_list("sequence", flat=True)) == [2, 4]


def test_more_than_sixty_automated_moves_in_ten_minutes_stop_the_rules_of_that_deal_alone(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule
) -> None:
    move(deal, stages, PROGRAM, times=60)
    assert told() == [("pending", "")] * 30
    move(deal, stages, PROGRAM, times=3)
    assert told()[30:] == [("skipped", "too_many_changes")] * 2
    other = deals.create_deal(actor=actor, stage=stages[0], title="Another")
    move(other, stages, PROGRAM, times=1)
    assert told()[32:] == [("pending", "")]


def test_a_deal_that_has_calmed_down_has_its_rules_back(
    deal: Deal, stages: list[Stage], rule: Rule, four_are_many: None
) -> None:
    move(deal, stages, PROGRAM, times=6)
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        move(deal, stages, PROGRAM, times=1)
    assert told()[-2:] == [("skipped", "too_many_changes"), ("pending", "")]


def test_people_are_told_of_a_loop_once_an_hour(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, four_are_many: None
) -> None:
    move(deal, stages, PROGRAM, times=10)
    (notice,) = Notice.objects.filter(kind="loop")
    assert (notice.user_id, notice.url) == (actor.id, f"/deals/{deal.pk}/")
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        move(deal, stages, PROGRAM, times=10)
    assert Notice.objects.filter(kind="loop").count() == 2


def test_moves_by_people_are_no_loop(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, four_are_many: None
) -> None:
    move(deal, stages, actor, times=10)
    assert told() == [("pending", "")] * 5


def test_counting_moves_asks_the_index_of_the_history(deal: Deal) -> None:
    Change.objects.bulk_create(
        Change(
            entity="deal",
            object_id=deal.pk + 1 + number % 50,
            field="stage",
            actor_kind="user",
            actor_name="Alice",
            chain=uuid4(),
            at=timezone.now(),
        )
        for number in range(5000)
    )
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Change._meta.db_table}")
    since = timezone.now() - timedelta(hours=1)
    plan = Change.objects.filter(
        entity="deal", object_id__in=[deal.pk], at__gt=since, field="stage"
    ).explain()
    assert "change_timeline" in plan


@pytest.mark.parametrize("silent", [True, False])
def test_silent_mode_records_and_sends_nothing(
    silent: bool, deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, settings: Any
) -> None:
    settings.SILENT_MODE = silent
    move(deal, stages, actor, times=1)
    assert told() == ([("skipped", "silent_mode")] if silent else [("pending", "")])
    assert bytes(Delivery.objects.get().body)
