"""Pipelines, stages and custom fields as the settings change them."""

from collections.abc import Iterator
from typing import Any

import pytest

from crm import signals
from crm.actors import Actor
from crm.deals import create_deal, update_deal, win_deal
from crm.models import Change, Company, CustomField, Deal, Pipeline, Stage, User
from crm.signals import sending_requested
from crm.timeline import Sending
from tests.crm.api import ApiClient
from tests.crm.pages import browser_of


@pytest.fixture
def moves() -> Iterator[list[tuple[int, str, bool]]]:
    """What listeners hear: which deal moved, by whom, and whether they are to keep quiet."""
    told: list[tuple[int, str, bool]] = []

    def listen(events: list[signals.DealEvent], actor: Actor, **_rest: Any) -> None:
        told.extend((event.deal.pk, actor.name, actor.quiet) for event in events)

    signals.deal_stage_changed.connect(listen)
    yield told
    signals.deal_stage_changed.disconnect(listen)


def stage_form(**fields: Any) -> dict[str, Any]:
    return {"name": "Trial", "hue": "4", "probability": "30", "may_go_back": "on", **fields}


def test_a_stage_is_made_at_the_end_and_changed(alice: User, pipeline: Pipeline) -> None:
    browser, path = browser_of(alice), f"/settings/pipelines/{pipeline.pk}"
    asked = ["value", "company"]
    form = stage_form(rotting_days="7", required_fields=asked, roles=["manager"])
    assert browser.post(f"{path}/stages/new/", form).headers["Location"] == f"{path}/"
    made = Stage.objects.get(name="Trial")
    assert (made.pipeline, made.position, made.hue, made.probability) == (pipeline, 3, 4, 30)
    assert (made.rotting_days, made.required_fields, made.may_enter) == (7, asked, {"roles": ["manager"]})
    browser.post(f"/settings/pipelines/stages/{made.pk}/", stage_form(name="Test"))
    made.refresh_from_db()
    assert (made.name, made.required_fields, made.may_enter) == ("Test", [], {})


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"name": "NEW"}, "name"), ({"hue": "13"}, "hue"), ({"probability": "101"}, "probability")],
)
def test_what_a_stage_cannot_have_is_said_beside_the_field(
    alice: User, pipeline: Pipeline, wrong: dict[str, str], field: str
) -> None:
    page = browser_of(alice).post(f"/settings/pipelines/{pipeline.pk}/stages/new/", stage_form(**wrong))
    assert (page.status_code, list(page.context["form"].errors)) == (422, [field])
    assert Stage.objects.count() == 3


def test_stages_stand_in_the_order_that_was_sent(alice: User, stages: list[Stage]) -> None:
    path = f"/settings/pipelines/{stages[0].pipeline_id}/order/"
    ids = [stages[2].pk, stages[0].pk, stages[1].pk]
    assert browser_of(alice).post(path, {"id": ids}).status_code == 204
    assert list(stages[0].pipeline.stages.values_list("pk", flat=True)) == ids


def test_a_stage_that_the_order_does_not_name_stays_behind_the_others(
    alice: User, stages: list[Stage]
) -> None:
    other = Stage.objects.create(pipeline=Pipeline.objects.create(name="Other"), name="Far", position=9)
    path = f"/settings/pipelines/{stages[0].pipeline_id}/order/"
    browser_of(alice).post(path, {"id": [stages[1].pk, stages[0].pk, other.pk]})
    expected = [stages[1].pk, stages[0].pk, stages[2].pk]
    assert list(stages[0].pipeline.stages.values_list("pk", flat=True)) == expected
    other.refresh_from_db()
    assert other.position == 9


def test_pipelines_are_made_renamed_archived_and_put_in_order(alice: User, pipeline: Pipeline) -> None:
    browser = browser_of(alice)
    browser.post("/settings/pipelines/new/", {"name": "Partners"})
    made = Pipeline.objects.get(name="Partners")
    assert made.position == 1
    browser.post("/settings/pipelines/order/", {"id": [made.pk, pipeline.pk]})
    assert list(Pipeline.objects.all()) == [made, pipeline]
    browser.post(f"/settings/pipelines/{made.pk}/", {"name": "Channel", "archived": "on"})
    made.refresh_from_db()
    assert (made.name, made.archived) == ("Channel", True)


# ---- The end of a stage ----


def end(alice: User, stage: Stage, **fields: Any) -> Any:
    return browser_of(alice).post(f"/settings/pipelines/stages/{stage.pk}/end/", fields)


def test_the_deals_of_a_stage_that_goes_move_like_any_others(
    alice: User, deal: Deal, stages: list[Stage], actor: Actor, moves: list[tuple[int, str, bool]]
) -> None:
    won = create_deal(actor=actor, stage=stages[0], title="Won before")
    win_deal(deal_id=won.pk, actor=actor)
    answer = end(alice, stages[0], move_to=stages[1].pk, confirmed="1")
    assert answer.headers["Location"] == f"/settings/pipelines/{stages[0].pipeline_id}/"
    assert not Stage.objects.filter(pk=stages[0].pk).exists()
    assert set(Deal.objects.filter(stage=stages[1])) == {deal, won}
    assert sorted(moves) == [(deal.pk, "Alice", False), (won.pk, "Alice", False)]
    assert Change.objects.filter(field="stage", actor_id=alice.pk).count() == 2


def test_nothing_is_sent_for_the_moves_where_that_was_chosen(
    alice: User, deal: Deal, stages: list[Stage], moves: list[tuple[int, str, bool]]
) -> None:
    end(alice, stages[0], move_to=stages[1].pk, quiet="on", confirmed="1")
    assert moves == [(deal.pk, "Alice", True)]
    assert Change.objects.get(field="stage").actor_id == alice.pk


def test_before_a_stage_goes_the_page_says_what_would_be_sent_and_does_nothing(
    alice: User, deal: Deal, stages: list[Stage]
) -> None:
    asked: list[list[int]] = []

    def answer(deal_ids: list[int], **_rest: Any) -> Sending:
        asked.append(deal_ids)
        assert Deal.objects.get(pk=deal.pk).stage == stages[1]  # tried, and taken back
        return Sending(rules=1, requests=1)

    sending_requested.connect(answer)
    try:
        page = end(alice, stages[0], move_to=stages[1].pk)
    finally:
        sending_requested.disconnect(answer)
    assert "1 request will be sent." in page.content.decode()
    assert asked == [[deal.pk]]
    assert (Deal.objects.get().stage, Deal.objects.get().version) == (stages[0], 1)


def test_a_stage_with_deals_does_not_go_before_they_have_a_place(
    alice: User, deal: Deal, stages: list[Stage]
) -> None:
    page = end(alice, stages[0], confirmed="1")
    assert page.status_code == 422
    assert "Choose another stage" in page.content.decode()
    assert Deal.objects.get().stage == stages[0]


def test_a_stage_stays_where_the_next_one_refuses_its_deals(
    alice: User, deal: Deal, stages: list[Stage], moves: list[tuple[int, str, bool]]
) -> None:
    Stage.objects.filter(pk=stages[1].pk).update(required_fields=["contact"])
    page = end(alice, stages[0], move_to=stages[1].pk, confirmed="1")
    assert page.status_code == 422
    assert (Deal.objects.get().stage, moves) == (stages[0], [])


def test_an_empty_stage_goes_at_once(alice: User, stages: list[Stage]) -> None:
    assert end(alice, stages[2], confirmed="1").status_code == 302
    assert not Stage.objects.filter(pk=stages[2].pk).exists()


# ---- Custom fields ----


@pytest.fixture
def plan(db: None) -> CustomField:
    return CustomField.objects.create(entity="deal", key="plan", label="Plan")


def test_a_custom_field_gets_its_key_from_its_name(alice: User) -> None:
    form = {
        "label": "Plano anual (R$)",
        "entity": "deal",
        "type": "choice",
        "options": "Ouro\n\n Prata \nOuro",
    }
    assert browser_of(alice).post("/settings/custom-fields/new/", form).status_code == 302
    made = CustomField.objects.get()
    assert (made.key, made.options, made.required) == ("plano_anual_r", ["Ouro", "Prata"], False)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"type": "choice"}, "options"), ({"key": "Plan B"}, "key"), ({"label": ""}, "label")],
)
def test_what_a_custom_field_cannot_be_is_said_beside_it(
    alice: User, wrong: dict[str, str], field: str
) -> None:
    form = {"label": "Plan", "entity": "deal", "type": "text", "key": "plan", **wrong}
    page = browser_of(alice).post("/settings/custom-fields/new/", form)
    assert (page.status_code, list(page.context["form"].errors)) == (422, [field])
    assert not CustomField.objects.exists()


def test_a_key_is_there_once_for_each_entity(alice: User, plan: CustomField) -> None:
    form = {"label": "Plan", "entity": "deal", "type": "text"}
    assert browser_of(alice).post("/settings/custom-fields/new/", form).status_code == 422
    assert (
        browser_of(alice).post("/settings/custom-fields/new/", {**form, "entity": "company"}).status_code
        == 302
    )


def test_what_values_rest_on_stays_as_it_is(alice: User, plan: CustomField) -> None:
    form = {"label": "Tariff", "entity": "company", "type": "number", "key": "tariff"}
    browser_of(alice).post(f"/settings/custom-fields/{plan.pk}/", form)
    plan.refresh_from_db()
    assert (plan.label, plan.entity, plan.type, plan.key) == ("Tariff", "deal", "text", "plan")


@pytest.mark.parametrize("road", ["page", "api", "admin"])
def test_the_values_of_a_deleted_field_go_with_it(
    alice: User, api: ApiClient, actor: Actor, deal: Deal, stages: list[Stage], plan: CustomField, road: str
) -> None:
    CustomField.objects.create(entity="deal", key="seats", label="Seats")
    update_deal(deal_id=deal.pk, actor=actor, fields={"custom_fields": {"plan": "gold", "seats": "4"}})
    company = Company.objects.create(name="Bakery", custom_fields={"plan": "of another entity"})
    Stage.objects.filter(pk=stages[1].pk).update(required_fields=["custom_fields.plan", "value"])
    browser = browser_of(alice)
    assert "1 value goes with it" in browser.get(f"/settings/custom-fields/{plan.pk}/").content.decode()
    if road == "page":
        browser.post(f"/settings/custom-fields/{plan.pk}/end/")
    elif road == "api":
        api.delete(f"custom_fields/{plan.pk}/")
    else:
        browser.post(f"/admin/crm/customfield/{plan.pk}/delete/", {"post": "yes"})
    assert not CustomField.objects.filter(key="plan").exists()
    assert Deal.objects.get().custom_fields == {"seats": "4"}
    company.refresh_from_db()
    assert company.custom_fields == {"plan": "of another entity"}
    assert Stage.objects.get(pk=stages[1].pk).required_fields == ["value"]
