"""What has come in loses its body with age, and is then neither shown as empty nor applied again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from crm.models import Activity, User
from tests.crm.api import ApiClient
from tests.crm.conftest import alice
from tests.webhooks.conftest import Sender, states
from webhooks import retention
from webhooks.models import InboundRequest
from webhooks.replays import NotReplayable, replay
from webhooks.retention import cut

__all__ = ["alice"]

THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
MONTH = THEN + timedelta(days=31)
DOCUMENT = {"contact": {"name": "Ana", "emails": ["ana@example.com"]}, "deal": {"title": "An oven"}}


def received(sender: Sender, document: Any = DOCUMENT) -> InboundRequest:
    with time_machine.travel(THEN, tick=False):
        answer = sender.post(document).json()
    return InboundRequest.objects.get(pk=answer["id"])


@pytest.fixture
def rejected(sender: Sender) -> InboundRequest:
    return received(sender, {"match": {"deal_id": 0}, "activity": {"body": "paid"}})


def test_body_and_headers_go_after_a_month_and_what_came_of_it_stays(sender: Sender) -> None:
    request = received(sender)
    assert cut(now=THEN + timedelta(days=29)) == 0
    assert [cut(now=MONTH), cut(now=MONTH)] == [1, 0]
    left = InboundRequest.objects.get()
    assert (bytes(left.body), left.headers, left.is_emptied) == (b"", {}, True)
    assert (left.state, left.deal_id, left.changes) == ("applied", request.deal_id, request.changes)


def test_what_waits_to_be_applied_keeps_its_body(sender: Sender) -> None:
    request = received(sender)
    InboundRequest.objects.update(state="received", next_try_at=THEN)
    assert cut(now=MONTH) == 0
    assert bytes(InboundRequest.objects.get().body) == bytes(request.body)


def test_the_setting_says_after_how_many_days(sender: Sender, settings: Settings) -> None:
    received(sender)
    settings.KEEP_BODIES_DAYS = 3
    assert cut(now=THEN + timedelta(days=2)) == 0
    assert cut(now=THEN + timedelta(days=4)) == 1


def test_bodies_are_removed_in_batches_until_none_is_left(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        received(sender, {**DOCUMENT, "event_id": str(number)})
    monkeypatch.setattr(retention, "BATCH", 2)
    assert cut(now=MONTH) == 5
    assert all(request.is_emptied for request in InboundRequest.objects.all())


def test_a_sweep_ends_after_so_many_batches_and_the_next_goes_on(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        received(sender, {**DOCUMENT, "event_id": str(number)})
    monkeypatch.setattr(retention, "BATCH", 1)
    monkeypatch.setattr(retention, "_BATCHES", 2)
    assert [cut(now=MONTH), cut(now=MONTH), cut(now=MONTH)] == [2, 1, 0]


def test_a_request_without_its_body_is_not_applied_again(rejected: InboundRequest) -> None:
    cut(now=MONTH)
    with pytest.raises(NotReplayable, match="removed after 30 days"):
        replay(request_id=rejected.pk, now=MONTH)
    assert states() == [("rejected", "invalid")]
    assert Activity.objects.count() == 0


def test_the_api_refuses_to_replay_it_and_says_why(rejected: InboundRequest, alice: User) -> None:
    cut(now=MONTH)
    answer = ApiClient(alice).post(f"inbound_requests/{rejected.pk}/replay/")
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["code"], "removed after 30 days" in error["detail"]) == ("not_replayable", True)


def test_its_page_says_that_the_body_was_removed_and_offers_no_replay(
    rejected: InboundRequest, alice: User, client: Client
) -> None:
    client.force_login(alice)
    page, replay_url = f"/webhooks/requests/{rejected.pk}/", f"/webhooks/requests/{rejected.pk}/replay/"
    before = client.get(page).content.decode()
    assert replay_url in before
    cut(now=MONTH)
    html = client.get(page).content.decode()
    assert "The body was removed after 30 days." in html
    assert replay_url not in html
    told = client.post(replay_url, follow=True).content.decode()
    assert "removed after 30 days, so there is nothing left to apply" in told
