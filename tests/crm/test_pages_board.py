"""The board's pages and the answers its scripts get."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from crm.actors import Actor
from crm.deals import create_deal, move_deal, update_deal, win_deal
from crm.models import Activity, Change, Company, Deal, Pipeline, Stage, Team, User
from crm.signals import card_badges_requested, stage_badges_requested
from crm.timeline import CardBadge, StageBadge, Tone
from tests.crm.pages import browser_of, texts


@pytest.fixture
def as_alice(alice: User) -> Client:
    return browser_of(alice)


def move(client: Client, deal: Deal, stage: Stage, **fields: Any) -> Any:
    return client.post(f"/deals/{deal.pk}/move/", {"stage": stage.pk, "version": deal.version, **fields})


def test_a_column_shows_its_cards_their_number_and_their_sum(
    as_alice: Client, stages: list[Stage], actor: Actor
) -> None:
    for title, value in (("Bakery", "1500.00"), ("Clinic", "250.50")):
        create_deal(actor=actor, stage=stages[0], title=title, fields={"value": Decimal(value)})
    html = as_alice.get("/").content.decode()
    assert texts(html, "card-title") == ["Clinic", "Bakery"]
    assert "<span data-count>2</span>" in html
    assert "<b data-sums>R$1,750.50</b>" in html


def test_sums_of_several_currencies_stand_side_by_side(as_alice: Client, deal: Deal, actor: Actor) -> None:
    update_deal(deal_id=deal.pk, actor=actor, fields={"value": Decimal(900)})
    create_deal(
        actor=actor, stage=deal.stage, title="Export", fields={"value": Decimal(20), "currency": "USD"}
    )
    Stage.objects.update(probability=50)
    html = as_alice.get("/").content.decode()
    assert "<b data-sums>R$900 + $20</b>" in html
    assert "<span data-weighted>R$450 + $10</span>" in html


def test_a_column_leads_administrators_to_its_stages(as_alice: Client, bob: User, deal: Deal) -> None:
    link = f'href="/settings/pipelines/{deal.pipeline_id}/"'
    assert link in as_alice.get("/").content.decode()
    assert link not in browser_of(bob).get("/").content.decode()


def test_a_card_says_what_matters(as_alice: Client, deal: Deal, actor: Actor, alice: User) -> None:
    fields = {"company": Company.objects.create(name="Good Bread"), "tags": ["vip"], "owner": alice}
    update_deal(deal_id=deal.pk, actor=actor, fields=fields)
    Activity.objects.create(deal=deal, subject="Call", due_at=timezone.now())
    html = as_alice.get("/").content.decode()
    assert 'data-of="GB">Good Bread</p>' in html
    assert texts(html, "tag") == ["vip"]
    assert texts(html, "due late") == ["today"]
    assert 'title="Alice">A</span>' in html


def test_closed_deals_are_not_on_the_board(as_alice: Client, deal: Deal, actor: Actor) -> None:
    win_deal(deal_id=deal.pk, actor=actor)
    assert texts(as_alice.get("/").content.decode(), "card-title") == []


def test_a_rep_sees_the_deals_of_the_team_and_no_others(
    stages: list[Stage], actor: Actor, bob: User, charlie: User, team: Team
) -> None:
    mate = User.objects.create_user("dora@example.com", name="Dora", team=team)
    for owner in (bob, mate, charlie, None):
        create_deal(actor=actor, stage=stages[0], title=f"Of {owner}", fields={"owner": owner, "value": 10})
    html = browser_of(bob).get("/").content.decode()
    assert texts(html, "card-title") == ["Of Dora", "Of Bob"]
    assert "<b data-sums>R$20</b>" in html


def test_a_board_takes_as_many_queries_for_many_deals_as_for_one(
    as_alice: Client, stages: list[Stage], actor: Actor, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(40):
        create_deal(
            actor=actor, stage=stages[number % 3], title=f"Deal {number}", fields={"tags": ["a", "b"]}
        )
    with django_assert_max_num_queries(15):
        as_alice.get("/")


def test_a_column_is_read_on_below_the_last_card_shown(
    as_alice: Client, stages: list[Stage], actor: Actor
) -> None:
    for number in range(60):
        create_deal(actor=actor, stage=stages[0], title=f"Deal {number}")
    shown = texts(as_alice.get("/").content.decode(), "card-title")
    last = Deal.objects.get(title=shown[-1])
    below = as_alice.get(f"/stages/{stages[0].pk}/cards/", {"after": last.rank}).content.decode()
    rest = Deal.objects.get(title=texts(below, "card-title")[-1])
    end = as_alice.get(f"/stages/{stages[0].pk}/cards/", {"after": rest.rank}).content.decode()
    shown += texts(below, "card-title") + texts(end, "card-title")
    assert shown == [f"Deal {number}" for number in reversed(range(60))]
    assert ('class="more"' in below, 'class="more"' in end) == (True, False)


def test_what_other_parts_know_stands_on_card_and_column(as_alice: Client, deal: Deal) -> None:
    def on_card(deal_ids: list[int], **_rest: Any) -> dict[int, CardBadge]:
        return {deal_id: CardBadge(tone=Tone.BAD, text="503", url="/d/1/") for deal_id in deal_ids}

    def on_stage(pipeline: Pipeline, **_rest: Any) -> dict[int, StageBadge]:
        return {deal.stage_id: StageBadge(count=2, text="Two rules", url=f"/r/{pipeline.pk}/")}

    card_badges_requested.connect(on_card)
    stage_badges_requested.connect(on_stage)
    try:
        html = as_alice.get("/").content.decode()
    finally:
        card_badges_requested.disconnect(on_card)
        stage_badges_requested.disconnect(on_stage)
    assert '<a class="bolt bad" href="/d/1/"' in " ".join(html.split())
    assert texts(html, "rules neutral") == ["2"]


def test_a_move_is_saved_and_answered_with_the_card_and_the_columns(
    as_alice: Client, deal: Deal, stages: list[Stage], alice: User
) -> None:
    answer = move(as_alice, deal, stages[1]).json()
    deal.refresh_from_db()
    assert (deal.stage, deal.version) == (stages[1], 2)
    assert [(card["id"], card["stage"], card["version"]) for card in answer["cards"]] == [
        (deal.pk, stages[1].pk, 2)
    ]
    assert [column["count"] for column in answer["columns"]] == [0, 1, 0]
    assert Change.objects.get(field="stage").actor_id == alice.pk


def test_a_card_lands_between_its_new_neighbours(as_alice: Client, stages: list[Stage], actor: Actor) -> None:
    first, second, moved = (create_deal(actor=actor, stage=stages[0], title=title) for title in "abc")
    move(as_alice, moved, stages[0], before=first.pk, after=second.pk)
    assert texts(as_alice.get("/").content.decode(), "card-title") == ["b", "c", "a"]


def test_a_stale_move_is_409_with_who_was_faster_and_the_card_as_it_is(
    as_alice: Client, deal: Deal, stages: list[Stage], bob: User
) -> None:
    move_deal(deal_id=deal.pk, stage=stages[2], actor=Actor.user(bob))
    response = move(as_alice, deal, stages[1])
    assert response.status_code == 409
    assert response.json()["message"] == "Bob moved this deal to “Closing” now."
    assert response.json()["cards"][0]["stage"] == stages[2].pk
    assert Deal.objects.get(pk=deal.pk).stage == stages[2]


def test_a_stage_that_asks_for_more_refuses_and_names_it(
    as_alice: Client, deal: Deal, stages: list[Stage]
) -> None:
    Stage.objects.filter(pk=stages[1].pk).update(required_fields=["company"])
    response = move(as_alice, deal, stages[1])
    assert response.status_code == 422
    assert response.json()["message"] == "The stage “Proposal” needs a value in company."
    assert response.json()["cards"][0]["stage"] == stages[0].pk


def test_a_card_one_does_not_see_cannot_be_moved(deal: Deal, stages: list[Stage], charlie: User) -> None:
    assert move(browser_of(charlie), deal, stages[1]).status_code == 404
    assert Deal.objects.get(pk=deal.pk).version == 1


def test_touched_deals_come_back_as_cards_or_as_gone(
    as_alice: Client, deal: Deal, stages: list[Stage], actor: Actor, pipeline: Pipeline
) -> None:
    won = create_deal(actor=actor, stage=stages[0], title="Won")
    win_deal(deal_id=won.pk, actor=actor)
    answer = as_alice.get(f"/pipelines/{pipeline.pk}/touched/", {"deal": [deal.pk, won.pk, 999_999]}).json()
    assert [card["id"] for card in answer["cards"]] == [deal.pk]
    assert answer["gone"] == [won.pk, 999_999]
    assert answer["summary"] == {"open": "1", "total": "R$0", "weighted": "R$0", "stale": "0"}


def test_a_board_that_was_away_gets_as_many_cards_as_it_showed(
    as_alice: Client, stages: list[Stage], actor: Actor, pipeline: Pipeline
) -> None:
    for number in range(60):
        create_deal(actor=actor, stage=stages[0], title=f"Deal {number}")
    loaded = {"loaded": [f"{stages[0].pk}:50"]}
    answer = as_alice.get(f"/pipelines/{pipeline.pk}/columns/", loaded).json()
    assert len(texts(answer["cards"][str(stages[0].pk)], "card-title")) == 50


def test_a_quick_deal_belongs_to_its_maker_and_to_a_company_by_name(stages: list[Stage], bob: User) -> None:
    known = Company.objects.create(name="Good Bread")
    form = {"title": "Oven", "company": "good bread", "value": "1,200.50"}
    response = browser_of(bob).post(f"/stages/{stages[1].pk}/new/", form)
    made = Deal.objects.get()
    assert (made.title, made.stage, made.owner, made.company) == ("Oven", stages[1], bob, known)
    assert made.value == Decimal("1200.50")
    assert f'"id": {made.pk}' in response.headers["HX-Trigger"]


def test_an_amount_is_read_in_the_language_of_the_reader(stages: list[Stage], alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(language="pt-br")
    client = browser_of(alice)
    refused = client.post(f"/stages/{stages[0].pk}/new/", {"title": "Forno", "value": "1500.50"})
    assert refused.status_code == 422
    assert "1.500,50" in texts(refused.content.decode(), "error")[0]
    client.post(f"/stages/{stages[0].pk}/new/", {"title": "Forno", "value": "R$ 1.500,50"})
    assert Deal.objects.get().value == Decimal("1500.50")


def test_companies_are_offered_by_what_was_typed(as_alice: Client) -> None:
    for name in ("Good Bread", "Breadworks", "Clinic"):
        Company.objects.create(name=name)
    html = as_alice.get("/companies/names/", {"company": "bread"}).content.decode()
    assert 'value="Breadworks"' in html
    assert 'value="Good Bread"' in html
    assert "Clinic" not in html


def test_folded_columns_are_drawn_folded(as_alice: Client, stages: list[Stage]) -> None:
    as_alice.cookies["folded"] = str(stages[1].pk)
    assert as_alice.get("/").content.decode().count("folded") == 1


def test_without_a_pipeline_the_board_says_how_to_get_one(alice: User, bob: User) -> None:
    assert "/admin/crm/pipeline/add/" in browser_of(alice).get("/").content.decode()
    assert "An administrator has to make one" in browser_of(bob).get("/").content.decode()


def test_a_pipeline_that_does_not_exist_is_404(as_alice: Client, pipeline: Pipeline) -> None:
    assert as_alice.get(f"/pipelines/{pipeline.pk + 1}/").status_code == 404
