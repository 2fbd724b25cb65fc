"""One verb for many cards: what it says before, what it does, and what it leaves as it is."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from automations.models import Delivery, Destination
from automations.rules import create_rule
from crm.actors import Actor
from crm.deals import close_many, create_deal, move_many, update_many, win_deal
from crm.models import Change, CustomField, Deal, LostReason, Stage, User
from crm.models.deals import open_door
from crm.refusals import InvalidFields
from tests.crm.pages import browser_of


@pytest.fixture
def as_alice(alice: User) -> Client:
    return browser_of(alice)


@pytest.fixture
def three(stages: list[Stage], actor: Actor) -> list[Deal]:
    return [create_deal(actor=actor, stage=stages[0], title=title) for title in "abc"]


def ids(deals: list[Deal]) -> list[int]:
    return [deal.pk for deal in deals]


def post(client: Client, deals: list[Deal], verb: str, step: str, **fields: Any) -> Any:
    return client.post(f"/deals/bulk/{verb}/", {"deal": ids(deals), "step": step, **fields})


def words(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_what_is_refused_stays_as_it_is_and_the_others_are_done(
    stages: list[Stage], three: list[Deal], actor: Actor
) -> None:
    Stage.objects.filter(pk=stages[1].pk).update(card_limit=2, limit_is_hard=True)
    outcome = move_many(deal_ids=ids(three), stage=stages[1], actor=actor)
    assert ids(outcome.changed) == ids(three[:2])
    assert [(deal.title, type(error).__name__) for deal, error in outcome.refused] == [("c", "StageIsFull")]
    assert Deal.objects.filter(stage=stages[0]).get() == three[2]
    assert Change.objects.filter(field="stage").count() == 2


def test_moved_deals_keep_their_order_on_top_of_the_stage(
    stages: list[Stage], three: list[Deal], actor: Actor
) -> None:
    create_deal(actor=actor, stage=stages[1], title="there")
    Stage.objects.filter(pk=stages[1].pk).update(required_fields=["value"])
    update_many(deal_ids=ids(three[::2]), actor=actor, fields={"value": 5})
    outcome = move_many(deal_ids=ids(three), stage=stages[1], actor=actor)
    assert [deal.title for deal, _error in outcome.refused] == ["b"]
    titles = Deal.objects.filter(stage=stages[1]).in_column_order().values_list("title", flat=True)
    assert list(titles) == ["a", "c", "there"]


def test_a_tag_is_added_to_those_that_are_there(three: list[Deal], actor: Actor) -> None:
    update_many(deal_ids=ids(three[:1]), actor=actor, fields={}, add_tags=["old"])
    update_many(deal_ids=ids(three), actor=actor, fields={}, add_tags=["new"])
    tags = [sorted(deal.tags.values_list("name", flat=True)) for deal in three]
    assert tags == [["new", "old"], ["new"], ["new"]]


def test_deals_are_won_on_an_earlier_day_and_never_on_a_later_one(three: list[Deal], actor: Actor) -> None:
    today = timezone.localdate()
    win_deal(deal_id=three[0].pk, actor=actor, value=Decimal(70), closed_on=today - timedelta(days=2))
    won = Deal.objects.get(pk=three[0].pk)
    assert (won.value, timezone.localdate(won.closed_at)) == (Decimal(70), today - timedelta(days=2))
    with pytest.raises(InvalidFields):
        close_many(
            deal_ids=ids(three),
            actor=actor,
            status=Deal.Status.WON,
            fields={},
            closed_on=today + timedelta(days=1),
        )
    assert Deal.objects.open().count() == 2


def test_before_it_happens_the_board_says_what_will_be_sent_and_sends_nothing(
    as_alice: Client, stages: list[Stage], three: list[Deal]
) -> None:
    destination = Destination.objects.create(name="ERP", url="http://127.0.0.1:9/")
    for name in ("to the ERP", "to the chat"):
        create_rule(fields={"name": name, "stage": stages[1], "destination": destination})
    rich = {"match": "all", "rows": [{"field": "deal.value", "op": "gte", "value": "1000"}]}
    create_rule(fields={"name": "rich", "destination": destination, "conditions": rich})
    said = words(post(as_alice, three, "move", "rehearse", stage=stages[1].pk))
    assert "3 deals, 2 rules: 6 requests will be sent" in said
    assert (Deal.objects.filter(stage=stages[0]).count(), Delivery.objects.count()) == (3, 0)
    assert "3 deals: nothing will be sent" in words(
        post(as_alice, three, "move", "rehearse", stage=stages[2].pk)
    )
    assert words(post(as_alice, three, "move", "rehearse", stage="")) == ""


def test_it_says_before_and_after_which_deals_will_not_go(
    as_alice: Client, stages: list[Stage], three: list[Deal]
) -> None:
    Stage.objects.filter(pk=stages[1].pk).update(card_limit=1, limit_is_hard=True)
    for step in ("rehearse", "do"):
        said = words(post(as_alice, three, "move", step, stage=stages[1].pk))
        assert "The stage “Proposal” is full: it takes 1 deals. <small>b, c</small>" in said
    assert Deal.objects.filter(stage=stages[1]).get().title == "a"


def test_what_was_done_is_told_to_the_board(
    as_alice: Client, stages: list[Stage], three: list[Deal], bob: User
) -> None:
    answer = post(as_alice, three, "owner", "do", owner=bob.pk)
    assert '"message": "3 deals changed", "undo": false, "refused": 0' in answer.headers["HX-Trigger"]
    assert set(Deal.objects.values_list("owner", flat=True)) == {bob.pk}
    answer = post(as_alice, three, "move", "do", stage=stages[2].pk)
    assert '"undo": true' in answer.headers["HX-Trigger"]


def test_deals_are_lost_for_a_reason(as_alice: Client, three: list[Deal]) -> None:
    price = LostReason.objects.create(name="Price")
    assert post(as_alice, three, "lose", "do").status_code == 422
    assert Deal.objects.open().count() == 3
    post(as_alice, three, "lose", "do", lost_reason=price.pk)
    assert Deal.objects.filter(status="lost", lost_reason=price).count() == 3


def test_a_single_deal_is_won_for_a_value_on_a_day(as_alice: Client, three: list[Deal]) -> None:
    form = words(post(as_alice, three[:1], "win", "ask"))
    assert 'name="value"' in form
    assert 'name="value"' not in words(post(as_alice, three, "win", "ask"))
    today = timezone.localdate()
    refused = post(as_alice, three[:1], "win", "do", value="1,200.50", closed_on=today + timedelta(days=1))
    assert (refused.status_code, Deal.objects.open().count()) == (422, 3)
    post(as_alice, three[:1], "win", "do", value="1,200.50", closed_on=today)
    assert str(Deal.objects.get(status="won").value) == "1200.50"


def test_cards_of_others_cannot_be_chosen(
    stages: list[Stage], three: list[Deal], bob: User, actor: Actor
) -> None:
    own = create_deal(actor=actor, stage=stages[0], title="own", fields={"owner": bob})
    post(browser_of(bob), [*three, own], "move", "do", stage=stages[1].pk)
    assert Deal.objects.filter(stage=stages[1]).get() == own
    chosen = browser_of(bob).get(f"/stages/{stages[1].pk}/deals/").json()
    assert chosen == {"deals": [own.pk]}


def test_a_move_of_many_is_taken_back(as_alice: Client, stages: list[Stage], three: list[Deal]) -> None:
    post(as_alice, three, "move", "do", stage=stages[2].pk)
    undo = f"/pipelines/{three[0].pipeline_id}/undo/"
    answer = as_alice.post(undo, {"deal": ids(three)})
    assert (answer.status_code, Deal.objects.filter(stage=stages[0]).count()) == (200, 3)
    again = as_alice.post(undo, {"deal": ids(three[:1])})
    assert again.status_code == 409
    assert again.json()["message"] == "This move of “a” can no longer be undone."
    assert again.json()["cards"][0]["stage"] == stages[0].pk


def test_all_that_fit_a_list_are_chosen_and_their_move_is_taken_back(
    as_alice: Client, stages: list[Stage], three: list[Deal], charlie: User, actor: Actor
) -> None:
    update_many(deal_ids=ids(three[1:]), actor=actor, fields={"value": Decimal(9)})
    answer = as_alice.get("/deals/ids/?value_min=9&sort=title")
    assert answer.json() == {"deals": ids(three[1:])}
    assert browser_of(charlie).get("/deals/ids/").json() == {"deals": []}
    post(as_alice, three[1:], "move", "do", stage=stages[2].pk)
    assert Deal.objects.filter(stage=stages[2]).count() == 2
    assert as_alice.post("/deals/undo/", {"deal": ids(three[1:])}).json() == {"message": ""}
    assert not Deal.objects.filter(stage=stages[2]).exists()
    assert as_alice.post("/deals/undo/", {"deal": ids(three[1:])}).status_code == 409


def test_what_a_stage_asks_for_is_asked_and_the_move_completed(
    as_alice: Client, stages: list[Stage], deal: Deal
) -> None:
    CustomField.objects.create(entity="deal", key="plan", label="Plan", type="text")
    needed = ["title", "value", "company", "custom_fields.plan"]
    Stage.objects.filter(pk=stages[1].pk).update(required_fields=needed)
    path = f"/deals/{deal.pk}/enter/{stages[1].pk}/"
    form = words(as_alice.get(path))
    assert ('name="title-value"' in form, 'name="value-value"' in form, "Plan" in form) == (False, True, True)
    filled = {"value-value": "150", "company-value": "Good Bread"}
    assert as_alice.post(path, filled).status_code == 422
    assert Deal.objects.get(pk=deal.pk).stage == stages[0]
    answer = as_alice.post(path, {**filled, "custom_fields-plan-value": "Gold"})
    moved = Deal.objects.select_related("company").get(pk=deal.pk)
    assert (moved.stage, str(moved.value), str(moved.company)) == (stages[1], "150.00", "Good Bread")
    assert moved.custom_fields == {"plan": "Gold"}
    assert "board-done" in answer.headers["HX-Trigger"]


def test_a_refused_move_names_what_is_missing(as_alice: Client, stages: list[Stage], deal: Deal) -> None:
    Stage.objects.filter(pk=stages[1].pk).update(required_fields=["company", "title"])
    answer = as_alice.post(f"/deals/{deal.pk}/move/", {"stage": stages[1].pk, "version": 1})
    assert (answer.status_code, answer.json()["missing"]) == (422, ["company"])


def test_a_column_says_how_many_are_stale_and_the_board_shows_them_alone(
    as_alice: Client, stages: list[Stage], three: list[Deal]
) -> None:
    Stage.objects.filter(pk=stages[0].pk).update(rotting_days=4)
    for deal, days in zip(three, (3, 5, 7), strict=True):
        _entered(deal, timezone.now() - timedelta(days=days))
    html = as_alice.get("/").content.decode()
    assert ('data-rot="1"' in html, html.count('data-rot="2"')) == (True, 1)
    alone = as_alice.get("/?stale=1").content.decode()
    assert (alone.count('class="card"'), 'data-summary="stale">2</span>' in alone) == (2, True)


def _entered(deal: Deal, at: datetime) -> None:
    with open_door():
        Deal.objects.filter(pk=deal.pk).update(stage_entered_at=at)
