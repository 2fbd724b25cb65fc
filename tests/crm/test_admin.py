from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client

from crm import signals
from crm.actors import Actor
from crm.deals import update_deal
from crm.models import Call, Change, Deal, Stage, Team, User


@pytest.fixture
def as_alice(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def form_of(deal: Deal, **changes: Any) -> dict[str, Any]:
    """The admin's form for a deal, filled in as it is shown, with some fields changed."""
    shown = {
        "title": deal.title,
        "stage": deal.stage_id,
        "status": deal.status,
        "value": deal.value,
        "currency": deal.currency,
        "custom_fields": "{}",
    }
    return {**shown, **changes}


def test_a_stage_changed_in_the_admin_is_a_move_by_the_administrator(
    as_alice: Client, deal: Deal, stages: list[Stage]
) -> None:
    told: list[tuple[int, Any, Actor]] = []

    def listen(events: list[signals.DealEvent], actor: Actor, **_rest: Any) -> None:
        told.extend((event.deal.pk, event.before["stage"]["name"], actor) for event in events)

    signals.deal_stage_changed.connect(listen)
    try:
        answer = as_alice.post(f"/admin/crm/deal/{deal.pk}/change/", form_of(deal, stage=stages[2].pk))
    finally:
        signals.deal_stage_changed.disconnect(listen)
    assert answer.status_code == 302
    assert Deal.objects.get().stage == stages[2]
    ((deal_id, former, actor),) = told
    assert (deal_id, former, actor.kind, actor.name) == (deal.pk, "New", "user", "Alice")
    assert Change.objects.get(field="stage").actor_name == "Alice"


def test_a_refusal_is_a_message_and_changes_nothing(
    as_alice: Client, deal: Deal, stages: list[Stage]
) -> None:
    Stage.objects.filter(pk=stages[1].pk).update(required_fields=["contact"])
    answer = as_alice.post(
        f"/admin/crm/deal/{deal.pk}/change/", form_of(deal, stage=stages[1].pk), follow=True
    )
    assert answer.status_code == 200
    assert "needs a value in contact" in answer.content.decode()
    assert (Deal.objects.get().stage, Deal.objects.get().version) == (stages[0], 1)


def test_deals_deleted_in_bulk_leave_their_history(as_alice: Client, deal: Deal) -> None:
    chosen = {"action": "delete_selected", "_selected_action": [deal.pk], "post": "yes"}
    assert as_alice.post("/admin/crm/deal/", chosen).status_code == 302
    assert not Deal.objects.exists()
    assert Change.objects.get(verb="deleted").actor_name == "Alice"


def test_every_page_of_the_admin_opens(as_alice: Client, deal: Deal, actor: Actor) -> None:
    update_deal(deal_id=deal.pk, actor=actor, fields={"tags": ["vip"], "value": "1"})
    for model in apps.get_app_config("crm").get_models():
        if not admin.site.is_registered(model):
            continue
        address = f"/admin/crm/{model._meta.model_name}/"
        assert as_alice.get(address, {"q": "a"}).status_code == 200
        assert as_alice.get(f"{address}add/").status_code in (200, 403)
    assert as_alice.get(f"/admin/crm/deal/{deal.pk}/change/").status_code == 200


def test_the_admin_is_closed_to_reps(bob: User) -> None:
    client = Client()
    client.force_login(bob)
    assert client.get("/admin/crm/deal/").status_code == 302


def test_who_may_enter_a_stage_is_chosen_from_roles_and_teams(
    as_alice: Client, stages: list[Stage], team: Team
) -> None:
    path = f"/admin/crm/pipeline/{stages[0].pipeline_id}/change/"
    page = as_alice.get(path)
    formset = page.context["inline_admin_formsets"][0].formset
    forms = [formset.management_form, *formset.initial_forms, page.context["adminform"].form]
    values = {bound.html_name: bound.value() for form in forms for bound in form}
    sent = {name: value for name, value in values.items() if value is not None}
    chosen = {"stages-1-roles": ["manager"], "stages-1-teams": [team.pk]}
    answer = as_alice.post(path, {**sent, **chosen})
    assert answer.status_code == 302, answer.context["errors"]
    entrances = [stage.may_enter for stage in Stage.objects.filter(pipeline=stages[0].pipeline_id)]
    assert entrances == [{}, {"roles": ["manager"], "teams": [team.pk]}, {}]


def test_pipelines_and_stages_end_elsewhere(as_alice: Client, stages: list[Stage]) -> None:
    path = f"/admin/crm/pipeline/{stages[0].pipeline_id}"
    assert as_alice.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
    assert "stages-0-DELETE" not in as_alice.get(f"{path}/change/").content.decode()
    assert Stage.objects.count() == 3


def test_a_call_changed_in_the_admin_goes_through_the_door(as_alice: Client, deal: Deal) -> None:
    form = {
        "deal": deal.pk,
        "contact": "",
        "direction": "in",
        "from_number": "+5511987654321",
        "to_number": "",
    }
    form |= {"started_at_0": "", "started_at_1": "", "duration_seconds": "61", "status": "answered"}
    form |= {"recording_url": "", "external_id": "", "agent": ""}
    added = as_alice.post("/admin/crm/call/add/", form)
    assert added.status_code == 302
    call = Call.objects.get()
    assert (call.deal, call.duration_seconds, call.recording_state) == (deal, 61, "")
    address = "https://calls.example/1.mp3"
    changed = as_alice.post(f"/admin/crm/call/{call.pk}/change/", {**form, "recording_url": address})
    assert changed.status_code == 302
    call.refresh_from_db()
    assert (call.recording_url, call.recording_state) == (address, "waiting")
    assert call.recording_told_at is not None
