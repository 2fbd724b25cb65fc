"""A stage that ends while rules are about it: what becomes of them, and of moves of which nobody else is to hear."""

from dataclasses import replace

import pytest
from django.db import IntegrityError
from django.db.models import ProtectedError
from django.test import Client

from automations.models import Delivery, Destination, Rule
from automations.rules import create_rule
from crm.actors import Actor
from crm.deals import delete_deal, move_deal
from crm.models import Deal, Pipeline, Stage, User
from crm.stages import delete_stage, ending_of, rehearse_deletion
from crm.timeline import Ending
from tests.crm.api import ApiClient, errors
from tests.crm.pages import browser_of


@pytest.fixture
def as_alice(alice: User) -> Client:
    return browser_of(alice)


@pytest.mark.parametrize(("quiet", "deliveries"), [(False, 1), (True, 0)])
def test_the_moves_out_of_a_stage_that_ends_are_told_unless_they_are_quiet(
    rule: Rule, deal: Deal, stages: list[Stage], actor: Actor, quiet: bool, deliveries: int
) -> None:
    actor = replace(actor, quiet=quiet)
    told = rehearse_deletion(stage=stages[0], move_to=stages[1], actor=actor)
    assert (told.sending.requests, Delivery.objects.count()) == (deliveries, 0)
    assert delete_stage(stage=stages[0], move_to=stages[1], actor=actor).moved == 1
    deal.refresh_from_db()
    assert (deal.stage, Delivery.objects.count()) == (stages[1], deliveries)


def test_the_rules_of_a_stage_end_with_it_and_the_log_keeps_what_they_sent(
    rule: Rule, deal: Deal, stages: list[Stage], actor: Actor, as_alice: Client
) -> None:
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    move_deal(deal_id=deal.pk, stage=stages[0], actor=actor)
    Delivery.objects.update(state="delivered")
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    assert ending_of(stages[1]) == Ending(deleted=1, called_off=1)
    told = rehearse_deletion(stage=stages[1], move_to=stages[2], actor=actor)
    assert told.ending == Ending(deleted=1, called_off=1)
    assert Rule.objects.present().get().stage == stages[1]  # tried, and taken back
    name = stages[1].name
    delete_stage(stage=stages[1], move_to=stages[2], actor=actor)
    assert not Rule.objects.present().exists()
    states = Delivery.objects.order_by("id").values_list("rule__name", "state", "reason")
    assert list(states) == [("To the ERP", "delivered", ""), ("To the ERP", "cancelled", "rule_deleted")]
    assert "To the ERP" in as_alice.get("/automations/deliveries/").content.decode()
    assert name in as_alice.get(f"/deals/{deal.pk}/").content.decode()


def test_rules_may_act_on_the_stage_that_the_deals_go_to(
    rule: Rule, deal: Deal, stages: list[Stage], actor: Actor, destination: Destination
) -> None:
    elsewhere = Stage.objects.create(pipeline=Pipeline.objects.create(name="Renewals"), name="Due")
    left = create_rule(fields={"name": "Left", "from_stage": stages[1], "destination": destination})
    circle = {"name": "Circle", "stage": elsewhere, "from_stage": stages[1], "destination": destination}
    create_rule(fields=circle)
    Rule.objects.filter(pk=rule.pk).update(pipeline=stages[1].pipeline)
    deletion = delete_stage(stage=stages[1], move_to=elsewhere, actor=actor, rules_follow=True)
    assert deletion.ending == Ending(moved=2, deleted=1)
    rule.refresh_from_db()
    left.refresh_from_db()
    assert (rule.stage, rule.pipeline, left.from_stage) == (elsewhere, elsewhere.pipeline, elsewhere)
    move_deal(deal_id=deal.pk, stage=elsewhere, actor=actor)
    assert Delivery.objects.get().rule == rule


def test_a_stage_that_does_not_go_keeps_its_rules(
    rule: Rule, stages: list[Stage], actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Stage) -> None:
        raise IntegrityError

    monkeypatch.setattr(Stage, "delete", fail)
    with pytest.raises(IntegrityError):
        delete_stage(stage=stages[1], move_to=None, actor=actor)
    assert Rule.objects.present().get().stage == stages[1]


def test_the_page_says_in_numbers_what_becomes_of_the_rules(
    rule: Rule, deal: Deal, stages: list[Stage], actor: Actor, as_alice: Client
) -> None:
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    url = f"/settings/pipelines/stages/{stages[1].pk}/end/"
    page = as_alice.get(url).content.decode()
    assert "1 rule is about this stage." in page
    assert "1 request of theirs is waiting to be sent." in page
    page = as_alice.post(url, {"move_to": stages[2].pk}).content.decode()
    assert "1 rule will be deleted; the log keeps what it sent." in page
    assert "1 waiting request will be called off." in page
    page = as_alice.post(url, {"move_to": stages[2].pk, "rules_follow": "on"}).content.decode()
    assert "1 rule will act on “Closing”." in page
    assert "called off" not in page
    assert Stage.objects.filter(pk=stages[1].pk).exists()
    as_alice.post(url, {"move_to": stages[2].pk, "rules_follow": "on", "confirmed": "1"})
    assert Rule.objects.get().stage == stages[2]


def test_the_api_deletes_a_stage_without_deals_and_ends_its_rules(
    rule: Rule, deal: Deal, stages: list[Stage], alice: User
) -> None:
    api = ApiClient(alice)
    refused = api.delete(f"stages/{stages[0].pk}/")
    assert (refused.status_code, errors(refused)) == (409, [("in_use", None)])
    assert api.delete(f"stages/{stages[1].pk}/").status_code == 204
    assert Rule.objects.get().deleted_at


def test_a_pipeline_ends_with_its_rules_and_never_behind_their_back(
    rule: Rule, deal: Deal, stages: list[Stage], destination: Destination, actor: Actor, alice: User
) -> None:
    api, pipeline = ApiClient(alice), stages[0].pipeline
    create_rule(
        fields={"name": "All of it", "pipeline": pipeline, "event": "deal.won", "destination": destination}
    )
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    with pytest.raises(ProtectedError):
        pipeline.delete()
    refused = api.delete(f"pipelines/{pipeline.pk}/")
    assert (refused.status_code, errors(refused)) == (409, [("in_use", None)])
    assert Rule.objects.present().count() == 2
    delete_deal(deal_id=deal.pk, actor=actor)
    assert api.delete(f"pipelines/{pipeline.pk}/").status_code == 204
    assert not Rule.objects.present().exists()
    assert (Delivery.objects.get().state, Stage.objects.count()) == ("cancelled", 0)
