"""A stage that ends while rules are about it, and moves of which nobody else is to hear."""

from dataclasses import replace

import pytest

from automations.models import Delivery, Rule
from automations.rules import create_rule
from crm.actors import Actor
from crm.deals import move_deal
from crm.models import Deal, Stage
from crm.stages import StageInUse, delete_stage, sending_of_deletion


@pytest.mark.parametrize(("quiet", "deliveries"), [(False, 1), (True, 0)])
def test_the_moves_out_of_a_stage_that_ends_are_told_unless_they_are_quiet(
    rule: Rule, deal: Deal, stages: list[Stage], actor: Actor, quiet: bool, deliveries: int
) -> None:
    actor = replace(actor, quiet=quiet)
    told = sending_of_deletion(stage=stages[0], move_to=stages[1], actor=actor)
    assert (told.requests, Delivery.objects.count()) == (deliveries, 0)
    assert delete_stage(stage=stages[0], move_to=stages[1], actor=actor) == 1
    deal.refresh_from_db()
    assert (deal.stage, Delivery.objects.count()) == (stages[1], deliveries)


def test_a_stage_whose_rule_has_sent_something_stays_and_its_deals_with_it(
    rule: Rule, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    create_rule(fields={"name": "Back", "stage": stages[0], "destination": rule.destination})
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    with pytest.raises(StageInUse):
        delete_stage(stage=stages[1], move_to=stages[0], actor=actor)
    deal.refresh_from_db()
    assert (deal.stage, Delivery.objects.count(), Rule.objects.count()) == (stages[1], 1, 2)
