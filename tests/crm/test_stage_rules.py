"""What a stage asks of whoever moves a deal into it, and moves that are taken back."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from crm.actors import Actor
from crm.deals import (
    EntryNotAllowed,
    MissingFields,
    NothingToUndo,
    NoWayBack,
    StageIsFull,
    bulk_move,
    create_deal,
    move_deal,
    undo_move,
    update_deal,
    win_deal,
)
from crm.models import Change, Deal, Stage, Team, User
from crm.tokens import create_token
from tests.crm.api import ApiClient


def set_stage(stage: Stage, **rules: Any) -> None:
    Stage.objects.filter(pk=stage.pk).update(**rules)


def stage_now(deal: Deal) -> Stage:
    return Deal.objects.select_related("stage").get(pk=deal.pk).stage


def make(stage: Stage, actor: Actor, title: str = "Clinic") -> Deal:
    return create_deal(actor=actor, stage=stage, title=title)


def test_a_full_stage_with_a_hard_limit_takes_no_deal_by_any_way(
    deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    make(stages[1], actor)
    set_stage(stages[1], card_limit=1, limit_is_hard=True)
    with pytest.raises(StageIsFull, match="“Proposal” is full: it takes 1"):
        move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    with pytest.raises(StageIsFull):
        update_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    with pytest.raises(StageIsFull):
        bulk_move(deal_ids=[deal.pk], stage=stages[1], actor=actor)
    with pytest.raises(StageIsFull):
        make(stages[1], actor)
    assert (stage_now(deal), Deal.objects.count()) == (stages[0], 2)


def test_a_bulk_move_into_a_stage_with_too_little_room_moves_none(stages: list[Stage], actor: Actor) -> None:
    made = [make(stages[0], actor, str(number)).pk for number in range(3)]
    set_stage(stages[1], card_limit=2, limit_is_hard=True)
    with pytest.raises(StageIsFull):
        bulk_move(deal_ids=made, stage=stages[1], actor=actor)
    assert Deal.objects.filter(stage=stages[0]).count() == 3


def test_a_soft_limit_and_closed_deals_stop_nobody(deal: Deal, stages: list[Stage], actor: Actor) -> None:
    won = make(stages[1], actor)
    set_stage(stages[1], card_limit=1)
    assert move_deal(deal_id=deal.pk, stage=stages[1], actor=actor).stage == stages[1]
    win_deal(deal_id=won.pk, actor=actor)
    set_stage(stages[1], card_limit=2, limit_is_hard=True)
    assert make(stages[1], actor, "School").stage == stages[1]


def test_deals_do_not_go_back_from_a_stage_that_says_so_but_on_and_elsewhere(
    deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    set_stage(stages[1], may_go_back=False)
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    with pytest.raises(NoWayBack, match="do not go back from the stage “Proposal”"):
        move_deal(deal_id=deal.pk, stage=stages[0], actor=actor)
    assert stage_now(deal) == stages[1]
    assert move_deal(deal_id=deal.pk, stage=stages[2], actor=actor).stage == stages[2]
    assert move_deal(deal_id=deal.pk, stage=stages[0], actor=actor).stage == stages[0]


@pytest.mark.parametrize(
    ("allowed", "bob_may"),
    [
        ({}, True),
        ({"roles": ["rep"]}, True),
        ({"roles": ["manager"]}, False),
        ({"teams": ["own"]}, True),
        ({"roles": ["manager"], "teams": ["own"]}, True),
        ({"teams": []}, False),
    ],
)
def test_a_stage_lets_in_the_roles_and_teams_it_names(
    deal: Deal, stages: list[Stage], bob: User, team: Team, allowed: dict[str, list[Any]], bob_may: bool
) -> None:
    teams = {"teams": [team.pk for _own in allowed["teams"]]} if "teams" in allowed else {}
    set_stage(stages[1], may_enter={**allowed, **teams})
    token, _text = create_token(owner=bob, name="Phone", scopes=["read", "write"])
    for actor in (Actor.user(bob), Actor.token(token)):
        if bob_may:
            assert move_deal(deal_id=deal.pk, stage=stages[1], actor=actor).stage == stages[1]
        else:
            with pytest.raises(EntryNotAllowed):
                move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
            assert stage_now(deal) == stages[0]
        Deal.door.save(stage_back(deal, stages[0]), ["stage"])


def stage_back(deal: Deal, stage: Stage) -> Deal:
    fresh = Deal.objects.get(pk=deal.pk)
    fresh.stage = stage
    return fresh


def test_administrators_and_other_systems_enter_everywhere(
    deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    set_stage(stages[1], may_enter={"roles": ["manager"]})
    set_stage(stages[2], may_enter={"teams": [7]})
    assert move_deal(deal_id=deal.pk, stage=stages[1], actor=actor).stage == stages[1]
    inbound = Actor.inbound(endpoint_id=3, name="Form")
    assert move_deal(deal_id=deal.pk, stage=stages[2], actor=inbound).stage == stages[2]


def test_what_a_stage_asks_for_can_come_with_the_move(deal: Deal, stages: list[Stage], actor: Actor) -> None:
    set_stage(stages[1], required_fields=["value", "tags"])
    with pytest.raises(MissingFields):
        move_deal(deal_id=deal.pk, stage=stages[1], actor=actor, fields={"value": 10})
    assert Deal.objects.get(pk=deal.pk).value == 0
    moved = move_deal(deal_id=deal.pk, stage=stages[1], actor=actor, fields={"value": 10, "tags": ["vip"]})
    assert (moved.stage, str(moved.value), moved.version) == (stages[1], "10", 2)


def test_the_api_sets_a_stage_s_rules_and_names_what_refuses_a_move(
    api: ApiClient, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    make(stages[1], actor)
    sent = {"card_limit": 1, "limit_is_hard": True, "may_go_back": False, "may_enter": {"roles": ["rep"]}}
    answer = api.patch(f"stages/{stages[1].pk}/", **sent).json()
    assert {name: answer[name] for name in sent} == sent
    refused = api.post(f"deals/{deal.pk}/move/", stage=stages[1].pk)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "stage_full")
    for wrong in ({"may_enter": {"roles": ["boss"]}}, {"may_enter": ["rep"]}, {"card_limit": 0}):
        assert api.patch(f"stages/{stages[1].pk}/", **wrong).status_code == 400


def test_an_undone_move_leaves_the_deal_where_and_since_when_it_was(
    deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    before = Deal.objects.get(pk=deal.pk)
    for _turn in range(2):
        move_deal(deal_id=deal.pk, stage=stages[2], actor=actor)
        undo_move(deal_id=deal.pk, actor=actor)
        now = Deal.objects.get(pk=deal.pk)
        assert (now.stage, now.stage_entered_at) == (stages[0], before.stage_entered_at)
    assert Change.objects.filter(field="stage").count() == 4


def test_a_move_is_undone_once_by_whoever_made_it_and_soon(
    deal: Deal, stages: list[Stage], actor: Actor, bob: User
) -> None:
    def refused(by: Actor = actor) -> bool:
        with pytest.raises(NothingToUndo):
            undo_move(deal_id=deal.pk, actor=by)
        return stage_now(deal) == stages[1]

    with pytest.raises(NothingToUndo):
        undo_move(deal_id=deal.pk, actor=actor)
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    assert refused(Actor.user(bob))
    with time_machine.travel(timezone.now() + timedelta(minutes=3)):
        assert refused()
    win_deal(deal_id=deal.pk, actor=actor)
    assert refused()


def test_an_undone_move_is_not_stopped_by_the_rules_of_the_stages(
    deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    set_stage(stages[1], may_go_back=False)
    set_stage(stages[0], card_limit=1, limit_is_hard=True)
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    make(stages[0], actor)
    assert undo_move(deal_id=deal.pk, actor=actor).stage == stages[0]
