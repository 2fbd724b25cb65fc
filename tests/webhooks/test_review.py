"""What is left to people: which of several deals is meant, and when what was rejected is to be tried once more."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.actors import Actor
from crm.contacts import create_contact
from crm.deals import create_deal, win_deal
from crm.models import Deal, Notice, Pipeline, User
from crm.refusals import InvalidFields
from tests.webhooks.conftest import Sender, states
from tests.webhooks.test_api import client_of
from webhooks.models import InboundRequest, ReplayJob
from webhooks.replays import cancel_replay, start_replay, work_replays
from webhooks.requests import apply_due
from webhooks.review import NothingToDecide, decide, question_of, set_aside
from webhooks.tasks import apply_due as sweep

SYSTEM = Actor.system()
DOCUMENT = {"match": {"email": "ana@example.com"}, "deal": {"value": "5.00"}}


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_user("boss@example.com", "secret word", name="Boss", role=User.Role.ADMIN)


@pytest.fixture
def admin(boss: User) -> Client:
    client = Client()
    client.force_login(boss)
    return client


@pytest.fixture
def twins(sender: Sender, pipeline: Pipeline) -> list[Deal]:
    """Two open deals of one person, and an endpoint that asks which one is meant."""
    sender.endpoint.matching = {"when_several": "review"}
    sender.endpoint.save()
    ana = create_contact(actor=SYSTEM, fields={"name": "Ana", "emails": ["ana@example.com"]})
    stage = pipeline.stages.get(name="New")
    return [
        create_deal(actor=SYSTEM, stage=stage, title=title, fields={"contact": ana})
        for title in ("old", "new")
    ]


def test_a_request_that_matches_several_deals_waits_for_a_person(
    sender: Sender, twins: list[Deal], boss: User
) -> None:
    answer = sender.post(DOCUMENT)
    assert (answer.status_code, answer.json()["status"]) == (202, "received")
    assert states() == [("received", "review")]
    assert {deal.version for deal in Deal.objects.all()} == {1}
    assert sender.post(DOCUMENT).json()["status"] == "duplicate"
    assert apply_due(now=timezone.now() + timedelta(days=2)) == 0
    request = InboundRequest.objects.to_review().get()
    question = question_of(request)
    assert question is not None
    assert question.deals == twins[::-1]
    told = Notice.objects.get()
    assert (told.user, told.kind) == (boss, "inbound_review")


def test_the_deal_that_is_chosen_gets_what_was_sent(sender: Sender, twins: list[Deal]) -> None:
    request_id = sender.post(DOCUMENT).json()["id"]
    decided = decide(request_id=request_id, number=0, deal_id=twins[0].pk, now=timezone.now())
    assert (decided.state, decided.reason, decided.deal) == ("applied", "", twins[0])
    assert f"{Deal.objects.get(title='old').value}" == "5.00"
    with pytest.raises(NothingToDecide):
        decide(request_id=request_id, number=0, deal_id=twins[1].pk, now=timezone.now())


def test_a_new_deal_may_be_chosen_too(sender: Sender, twins: list[Deal]) -> None:
    request_id = sender.post({**DOCUMENT, "if_missing": "reject"}).json()["id"]
    decide(request_id=request_id, number=0, deal_id=None, now=timezone.now())
    assert (Deal.objects.count(), f"{Deal.objects.latest('pk').value}") == (3, "5.00")


def test_a_request_may_be_set_aside(sender: Sender, twins: list[Deal], boss: User) -> None:
    request_id = sender.post(DOCUMENT).json()["id"]
    set_aside(request_id=request_id, by=boss, now=timezone.now())
    request = InboundRequest.objects.get()
    assert (request.state, request.reason, request.detail) == ("ignored", "not_wanted", "Set aside by Boss.")


def test_a_single_open_deal_is_meant_whatever_was_closed_before(sender: Sender, twins: list[Deal]) -> None:
    win_deal(deal_id=twins[1].pk, actor=SYSTEM)
    assert sender.post(DOCUMENT).json()["deal"] == twins[0].pk


def test_each_record_of_a_request_is_decided_by_itself_and_all_are_applied_together(
    sender: Sender, twins: list[Deal]
) -> None:
    fields = {"match.email": "email", "deal.value": "value"}
    sender.endpoint.mapping = {"each": "orders", "fields": fields}
    sender.endpoint.save()
    order = {"email": "ana@example.com", "value": "7.00"}
    request_id = sender.post({"orders": [order, {**order, "value": "8.00"}]}).json()["id"]
    first = decide(request_id=request_id, number=0, deal_id=twins[0].pk, now=timezone.now())
    assert (first.state, first.reason) == ("received", "review")
    question = question_of(first)
    assert question is not None
    assert question.number == 1
    assert {deal.version for deal in Deal.objects.all()} == {1}
    second = decide(request_id=request_id, number=1, deal_id=twins[1].pk, now=timezone.now())
    assert second.state == "applied"
    assert [f"{deal.value}" for deal in Deal.objects.order_by("pk")] == ["7.00", "8.00"]


def test_a_person_works_off_the_queue_on_its_pages(sender: Sender, twins: list[Deal], admin: Client) -> None:
    request_id = sender.post(DOCUMENT).json()["id"]
    assert request_id in admin.get("/webhooks/review/").content.decode()
    shown = admin.get(f"/webhooks/requests/{request_id}/").content.decode()
    assert all(f'value="{deal.pk}"' in shown for deal in twins)
    url = f"/webhooks/requests/{request_id}/decide/"
    admin.post(url, {"number": "0"})
    assert states() == [("received", "review")]
    admin.post(url, {"number": "0", "deal": twins[0].pk})
    assert states() == [("applied", "")]
    assert request_id not in admin.get("/webhooks/review/").content.decode()


def test_nobody_but_an_administrator_decides(sender: Sender, twins: list[Deal]) -> None:
    request_id = sender.post(DOCUMENT).json()["id"]
    rep = Client()
    rep.force_login(User.objects.create_user("rep@example.com", "secret word", name="Rita"))
    assert rep.get("/webhooks/review/").status_code == 403
    assert rep.post(f"/webhooks/requests/{request_id}/decide/", {"deal": twins[0].pk}).status_code == 403
    assert states() == [("received", "review")]


def test_a_program_decides_through_the_api(sender: Sender, twins: list[Deal]) -> None:
    request_id = sender.post(DOCUMENT).json()["id"]
    admin = client_of(User.Role.ADMIN)
    url = f"/api/v1/inbound_requests/{request_id}/decide/"
    assert admin.post(url, {"deal": twins[0].pk}).json()["state"] == "applied"
    assert admin.post(url, {"deal": twins[0].pk}).json()["errors"][0]["code"] == "nothing_to_decide"


# ---- All that were rejected since a time ----


def _reject(sender: Sender, count: int) -> None:
    for number in range(count):
        sender.post({"event_id": f"e{number}", "deal": {"title": f"x{number}", "stage": "Paid"}})


def test_all_that_were_rejected_apply_once_the_cause_is_mended(
    sender: Sender, pipeline: Pipeline, boss: User
) -> None:
    _reject(sender, 3)
    sender.post(b"{")
    sender.post({"event_id": "e9", "deal": {"title": "x9", "stage": "Nowhere"}})
    pipeline.stages.filter(name="Won").update(name="Paid")
    job = start_replay(endpoint_id=sender.endpoint.pk, since=timezone.now() - timedelta(days=1), by=boss)
    assert (job.total, job.looked_at, Deal.objects.count()) == (4, 0, 0)
    work_replays()
    job.refresh_from_db()
    assert (job.state, job.looked_at, job.applied) == ("done", 4, 3)
    assert Deal.objects.count() == 3
    assert states() == [("applied", "")] * 3 + [("rejected", "malformed"), ("rejected", "invalid")]


def test_a_sweep_goes_on_with_a_job_whose_task_was_lost(sender: Sender, pipeline: Pipeline) -> None:
    _reject(sender, 2)
    pipeline.stages.filter(name="Won").update(name="Paid")
    start_replay(endpoint_id=sender.endpoint.pk, since=timezone.now() - timedelta(days=1), by=None)
    sweep()
    assert (ReplayJob.objects.get().state, Deal.objects.count()) == ("done", 2)


def test_a_job_that_is_stopped_goes_no_further(sender: Sender, pipeline: Pipeline) -> None:
    _reject(sender, 2)
    pipeline.stages.filter(name="Won").update(name="Paid")
    job = start_replay(endpoint_id=sender.endpoint.pk, since=timezone.now() - timedelta(days=1), by=None)
    cancel_replay(job_id=job.pk)
    work_replays()
    assert (ReplayJob.objects.get().state, Deal.objects.count()) == ("cancelled", 0)


def test_only_one_job_of_an_endpoint_runs_at_a_time_and_only_over_what_is_kept(sender: Sender) -> None:
    _reject(sender, 1)
    since = timezone.now() - timedelta(days=1)
    start_replay(endpoint_id=sender.endpoint.pk, since=since, by=None)
    for wrong in (since, timezone.now() - timedelta(days=400), timezone.now() + timedelta(hours=1)):
        with pytest.raises(InvalidFields):
            start_replay(endpoint_id=sender.endpoint.pk, since=wrong, by=None)
    assert ReplayJob.objects.count() == 1


def test_a_person_starts_and_sees_a_job_on_the_endpoints_page(
    sender: Sender, pipeline: Pipeline, admin: Client
) -> None:
    _reject(sender, 1)
    pipeline.stages.filter(name="Won").update(name="Paid")
    url = f"/webhooks/endpoints/{sender.endpoint.pk}/"
    assert "replay-many" in admin.get(url).content.decode()
    admin.post(f"{url}replay/", {"days": "7"})
    job = ReplayJob.objects.get()
    assert f"/webhooks/replays/{job.pk}/" in admin.get(url).content.decode()
    work_replays()
    assert "every 1s" not in admin.get(f"/webhooks/replays/{job.pk}/").content.decode()
    admin.post(f"/webhooks/replays/{job.pk}/stop/")
    assert ReplayJob.objects.get().state == "done"


def test_a_program_starts_a_job_through_the_api(sender: Sender) -> None:
    _reject(sender, 2)
    admin = client_of(User.Role.ADMIN)
    url = f"/api/v1/inbound_endpoints/{sender.endpoint.pk}/replays/"
    since = (timezone.now() - timedelta(days=1)).isoformat()
    started: Any = admin.post(url, {"since": since})
    assert (started.status_code, started.json()["total"]) == (202, 2)
    work_replays()
    (shown,) = admin.get(url).json()
    assert (shown["state"], shown["looked_at"], shown["applied"]) == ("done", 2, 0)


def test_administrators_are_told_once_of_requests_that_were_given_up(
    sender: Sender, deal: Deal, boss: User
) -> None:
    for number in range(2):
        sender.endpoint.response_mode = "accept"
        sender.endpoint.save()
        sender.post({"event_id": f"e{number}", "deal": {"title": "x"}})
    InboundRequest.objects.update(tries=6)
    apply_due(now=timezone.now() + timedelta(seconds=10))
    assert states() == [("failed", "error")] * 2
    told = Notice.objects.get()
    assert (told.user, told.kind) == (boss, "inbound_failed")
    assert "Omie" in told.subject
