"""From an event to deliveries: which rules act, in which order, and what they freeze."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from automations.models import Delivery, Destination, Event, Rule
from automations.rules import create_rule
from crm import deals
from crm.actors import Actor
from crm.models import Deal, Pipeline, Stage
from crm.models.deals import open_door
from tests.crm.deals import many_deals
from webhooks.models import InboundEndpoint

MakeRule = Callable[..., Rule]


@pytest.fixture
def make(destination: Destination) -> MakeRule:
    """Makes a rule that sends to the ERP, with any columns."""

    def make(name: str = "A rule", **columns: Any) -> Rule:
        rule = create_rule(fields={"name": name, "destination": destination})
        Rule.objects.filter(pk=rule.pk).update(**columns)
        rule.refresh_from_db()
        return rule

    return make


def ran() -> list[str]:
    """The names of the rules that made a delivery, in the order in which they are sent."""
    return list(Delivery.objects.order_by("sequence", "pk").values_list("rule__name", flat=True))


def test_rules_act_in_the_order_of_their_position(
    deal: Deal, stages: list[Stage], actor: Actor, make: MakeRule
) -> None:
    for name, position in (("third", 7), ("first", 1), ("second", 3)):
        make(name, position=position)
    for stage in (stages[1], stages[2]):
        deals.move_deal(deal_id=deal.pk, stage=stage, actor=actor)
    assert ran() == ["first", "second", "third"] * 2
    assert sorted(Delivery.objects.values_list("pk", flat=True)) == [
        delivery.pk for delivery in Delivery.objects.order_by("sequence", "rule__position")
    ]


def test_a_rule_may_be_narrowed_to_a_pipeline_a_stage_and_a_stage_left(
    deal: Deal, pipeline: Pipeline, stages: list[Stage], actor: Actor, make: MakeRule
) -> None:
    other = Pipeline.objects.create(name="After sales")
    make("anywhere")
    make("here", pipeline=pipeline)
    make("elsewhere", pipeline=other)
    make("entered", stage=stages[2])
    make("left", from_stage=stages[0])
    make("from and to", from_stage=stages[1], stage=stages[2])
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    deals.move_deal(deal_id=deal.pk, stage=stages[2], actor=actor)
    assert ran() == ["anywhere", "here", "left", "anywhere", "here", "entered", "from and to"]


@pytest.mark.parametrize(
    ("fields", "acts"),
    [
        ([], True),
        (["value"], True),
        (["title", "value"], True),
        (["title"], False),
        (["custom_fields"], False),
        (["external_ids"], True),
        (["external_ids.omie"], True),
        (["external_ids.other"], False),
    ],
)
def test_a_rule_for_changed_fields_acts_when_a_named_one_changes(
    fields: list[str], acts: bool, deal: Deal, actor: Actor, make: MakeRule
) -> None:
    make(event=Event.DEAL_UPDATED, fields=fields)
    deals.update_deal(deal_id=deal.pk, actor=actor, fields={"value": "10.00", "external_ids": {"omie": "7"}})
    assert Delivery.objects.exists() is acts


def test_a_rule_whose_conditions_are_not_met_makes_no_delivery(
    deal: Deal, stages: list[Stage], actor: Actor, make: MakeRule
) -> None:
    row = {"field": "deal.value", "op": "gte", "value": "1000.00"}
    make(conditions={"match": "all", "rows": [row]})
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    assert Delivery.objects.count() == 0
    deals.update_deal(deal_id=deal.pk, actor=actor, fields={"value": "1000.00"})
    deals.move_deal(deal_id=deal.pk, stage=stages[2], actor=actor)
    assert Delivery.objects.count() == 1


def test_a_custom_payload_is_frozen_with_the_event(
    deal: Deal, stages: list[Stage], actor: Actor, make: MakeRule
) -> None:
    make(payload={"mode": "custom", "expression": "{title: data.deal.title, seq: data.sequence}"})
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    deals.update_deal(deal_id=deal.pk, actor=actor, fields={"title": "Something else"})
    assert json.loads(bytes(Delivery.objects.get().body)) == {"title": "ERP for a bakery", "seq": 2}


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({}, "payload_too_large"),
        ({"mode": "custom", "expression": "abs(data.deal.title)"}, "payload_failed"),
    ],
)
def test_a_payload_that_cannot_be_sent_is_a_failed_delivery_and_keeps_no_bytes(
    payload: dict[str, str], problem: str, deal: Deal, stages: list[Stage], actor: Actor, make: MakeRule
) -> None:
    with open_door():
        Deal.objects.update(custom_fields={"notes": "x" * 2**18})
    make(payload=payload, delay_seconds=60)
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error_code) == ("failed", problem)
    assert (bytes(delivery.body), delivery.awaits_check, delivery.attempts_made) == (b"", False, 0)
    deal.refresh_from_db()
    assert deal.stage_id == stages[1].pk


def test_what_an_inbound_endpoint_reports_is_not_sent_back_to_its_system(
    deal: Deal, stages: list[Stage], rule: Rule
) -> None:
    endpoint = InboundEndpoint.objects.create(name="ERP", verification={"scheme": "none"})
    Destination.objects.update(paired_endpoint=endpoint)
    deals.move_deal(
        deal_id=deal.pk, stage=stages[1], actor=Actor.inbound(endpoint_id=endpoint.pk, name="ERP")
    )
    assert Delivery.objects.count() == 0


def test_a_thousand_deals_moved_at_once_cost_few_queries(
    stages: list[Stage], actor: Actor, make: MakeRule
) -> None:
    make(stage=stages[1])
    made = many_deals(1000, stage=stages[0], actor=actor)
    with CaptureQueriesContext(connection) as queries:
        moved = deals.bulk_move(deal_ids=[deal.pk for deal in made], stage=stages[1], actor=actor)
    assert moved == 1000
    assert len(queries) < 40
    assert Delivery.objects.filter(state="pending").count() == 1000
