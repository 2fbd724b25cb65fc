"""Rules that are run by a button, and calls that are recorded."""

import json
from typing import Any

import pytest
from django.test import Client

from automations.models import Delivery, Destination, Event, Rule
from automations.rules import create_rule
from crm.actors import Actor
from crm.deals import create_deal, move_deal
from crm.models import Call, Deal, Stage, User
from tests.crm.api import ApiClient, errors
from tests.crm.conftest import api, bob, charlie, team
from tests.crm.pages import browser_of
from webhooks.models import InboundEndpoint

__all__ = ["api", "bob", "charlie", "team"]

RECORDING = "https://pbx.example/1.mp3"


@pytest.fixture
def button(destination: Destination, stages: list[Stage]) -> Rule:
    """A button on deals in the first stage."""
    rule = create_rule(
        fields={"name": "Draw up the contract", "stage": stages[0], "destination": destination}
    )
    Rule.objects.update(event=Event.DEAL_MANUAL)
    rule.refresh_from_db()
    return rule


@pytest.fixture
def bobs(stages: list[Stage], actor: Actor, bob: User) -> Deal:
    return create_deal(actor=actor, stage=stages[0], title="Bob's own", fields={"owner": bob})


@pytest.fixture
def recorded(rule: Rule) -> Rule:
    Rule.objects.update(event=Event.CALL_RECORDED, stage=None)
    return rule


def data() -> list[dict[str, Any]]:
    """What all deliveries say, in the order in which they were made."""
    return [json.loads(bytes(delivery.body))["data"] for delivery in Delivery.objects.order_by("pk")]


# ---- Buttons ----


def test_a_rule_is_run_through_the_api_by_whoever_sees_the_deal(bobs: Deal, bob: User, button: Rule) -> None:
    answer = ApiClient(bob).post(f"rules/{button.pk}/run/", deal=bobs.pk)
    delivery = Delivery.objects.get()
    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["state"]) == (delivery.pk, "pending")
    assert (delivery.event, delivery.deal_id, delivery.rule_id) == ("deal.manual", bobs.pk, button.pk)
    (said,) = data()
    assert (said["changed_by"]["kind"], said["previous"], said["sequence"]) == ("token", {}, 2)


def test_a_rule_is_not_run_for_a_deal_that_one_may_not_see(bobs: Deal, charlie: User, button: Rule) -> None:
    answer = ApiClient(charlie).post(f"rules/{button.pk}/run/", deal=bobs.pk)
    assert (answer.status_code, errors(answer)) == (400, [("does_not_exist", "deal")])
    assert (
        browser_of(charlie).post(f"/automations/rules/{button.pk}/run/", {"deal": bobs.pk}).status_code == 404
    )
    assert Delivery.objects.count() == 0


def test_a_token_that_only_reads_runs_nothing(bobs: Deal, bob: User, button: Rule) -> None:
    answer = ApiClient(bob, "read").post(f"rules/{button.pk}/run/", deal=bobs.pk)
    assert (answer.status_code, Delivery.objects.count()) == (403, 0)


@pytest.mark.parametrize("why", ["another event", "disabled", "deleted"])
def test_what_is_no_button_is_not_found(why: str, api: ApiClient, deal: Deal, button: Rule) -> None:
    columns: dict[str, dict[str, Any]] = {
        "another event": {"event": "deal.won"},
        "disabled": {"enabled": False},
        "deleted": {"deleted_at": "2026-01-01T00:00Z"},
    }
    Rule.objects.update(**columns[why])
    assert api.post(f"rules/{button.pk}/run/", deal=deal.pk).status_code == 404
    assert Delivery.objects.count() == 0


def test_a_rule_of_another_stage_is_refused_and_numbers_no_event(
    api: ApiClient, deal: Deal, button: Rule, stages: list[Stage], actor: Actor
) -> None:
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    before = Deal.objects.values("last_sequence", "version").get()
    answer = api.post(f"rules/{button.pk}/run/", deal=deal.pk)
    assert (answer.status_code, errors(answer)) == (422, [("not_for_this_deal", None)])
    assert Deal.objects.values("last_sequence", "version").get() == before
    assert Delivery.objects.count() == 0


def test_a_deals_page_has_a_button_for_each_rule_that_concerns_it(
    deal: Deal, button: Rule, alice: User, stages: list[Stage], actor: Actor
) -> None:
    browser, run = browser_of(alice), f"/automations/rules/{button.pk}/run/"
    page = browser.get(f"/deals/{deal.pk}/").content.decode()
    assert f'action="{run}"' in page
    assert "Draw up the contract" in page
    answer = browser.post(run, {"deal": deal.pk}, follow=True)
    assert answer.redirect_chain == [(f"/deals/{deal.pk}/", 302)]
    assert "“Draw up the contract”: Waiting" in answer.content.decode()
    assert Delivery.objects.get().event == "deal.manual"
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    assert run not in browser.get(f"/deals/{deal.pk}/").content.decode()
    refused = browser.post(run, {"deal": deal.pk}, follow=True)
    assert "“Draw up the contract” does not apply to this deal." in refused.content.decode()
    assert Delivery.objects.count() == 1


def test_the_menu_of_a_card_offers_the_same_rules_and_says_what_came_of_one(
    deal: Deal, button: Rule, alice: User, stages: list[Stage], actor: Actor
) -> None:
    browser, run = browser_of(alice), f"/automations/rules/{button.pk}/run/"
    menu = browser.get(f"/deals/{deal.pk}/actions/").content.decode()
    assert (menu.count(f'hx-post="{run}"'), "Draw up the contract" in menu) == (1, True)
    answer = browser.post(run, {"deal": deal.pk}, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert json.loads(answer.headers["HX-Trigger"]) == {
        "toast": {"text": "“Draw up the contract”: Waiting", "tone": ""}
    }
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    assert browser.get(f"/deals/{deal.pk}/actions/").content.strip() == b""
    refused = browser.post(run, {"deal": deal.pk}, headers={"HX-Request": "true"})
    assert json.loads(refused.headers["HX-Trigger"])["toast"]["tone"] == "bad"
    assert Delivery.objects.count() == 1


def test_the_menu_of_a_card_that_one_may_not_see_is_404(bobs: Deal, charlie: User, button: Rule) -> None:
    assert browser_of(charlie).get(f"/deals/{bobs.pk}/actions/").status_code == 404


def test_a_press_without_a_deal_is_404(alice: User, button: Rule) -> None:
    assert browser_of(alice).post(f"/automations/rules/{button.pk}/run/").status_code == 404


# ---- Calls ----


def test_a_call_with_a_recording_is_told_of_once(api: ApiClient, deal: Deal, recorded: Rule) -> None:
    call = api.post(
        "calls/", deal=deal.pk, direction="in", recording_url=RECORDING, duration_seconds=61
    ).json()
    api.patch(f"calls/{call['id']}/", status="answered")
    api.patch(f"calls/{call['id']}/", recording_url="")
    api.patch(f"calls/{call['id']}/", recording_url=RECORDING)
    (said,) = data()
    assert said["call"] == {
        "id": call["id"],
        "direction": "in",
        "from_number": "",
        "to_number": "",
        "started_at": None,
        "duration_seconds": 61,
        "status": "",
        "recording_url": RECORDING,
        "external_id": "",
        "agent": None,
    }
    assert (said["deal"]["id"], said["sequence"]) == (deal.pk, 2)


def test_a_call_that_gets_its_recording_later_is_told_of_then(
    api: ApiClient, deal: Deal, recorded: Rule
) -> None:
    call = api.post("calls/", deal=deal.pk, direction="out", started_at="2026-11-24T12:00:00Z").json()
    assert data() == []
    api.patch(f"calls/{call['id']}/", recording_url=RECORDING)
    assert [said["call"]["started_at"] for said in data()] == ["2026-11-24T12:00:00.000Z"]


def test_a_recording_is_told_of_when_its_deal_is_known(api: ApiClient, deal: Deal, recorded: Rule) -> None:
    call = api.post("calls/", direction="in", recording_url=RECORDING).json()
    assert data() == []
    api.patch(f"calls/{call['id']}/", deal=deal.pk)
    assert [said["deal"]["id"] for said in data()] == [deal.pk]


def test_reports_of_a_call_from_outside_are_one_call_and_one_event(deal: Deal, recorded: Rule) -> None:
    endpoint = InboundEndpoint.objects.create(name="PBX", verification={"scheme": "none"})

    def report(**call: Any) -> None:
        document = {"match": {"deal_id": deal.pk}, "call": {"external_id": "c-1", "direction": "in", **call}}
        answer = Client().post(f"/in/{endpoint.key}/", document, content_type="application/json")
        assert answer.json()["status"] == "applied"

    report(status="ringing")
    assert data() == []
    report(recording_url=RECORDING, status="answered")
    report(recording_url=RECORDING, duration_seconds=61)
    (said,) = data()
    assert (said["call"]["recording_url"], said["call"]["external_id"]) == (RECORDING, "c-1")
    assert said["changed_by"] == {"kind": "inbound", "id": endpoint.pk, "name": "PBX"}
    assert Call.objects.get().duration_seconds == 61
