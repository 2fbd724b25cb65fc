from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from automations.models import Attempt, Delivery, Destination, Rule
from automations.requests import MASK
from crm.models import Deal, User
from tests.receivers import Receiver, status
from webhooks.models import InboundEndpoint

URL = "/api/v1/destinations/"


@pytest.fixture
def api(alice: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(alice)
    return client


def test_a_destination_is_made_with_a_secret_of_its_own(api: APIClient, receiver: Receiver) -> None:
    answer = api.post(URL, {"name": "ERP", "url": receiver.url})
    assert answer.status_code == 201
    assert answer.json()["status"] == "active"
    assert answer.json()["retry_schedule"][:3] == [0, 5, 300]
    assert "secret" not in answer.json()
    secret = api.get(f"{URL}{answer.json()['id']}/secret/").json()["secret"]
    assert secret == Destination.objects.get().secret
    assert secret.startswith("whsec_")


def test_values_of_headers_and_credentials_are_never_shown_again(api: APIClient, receiver: Receiver) -> None:
    fields = {"name": "ERP", "url": receiver.url, "headers": {"X-Key": "hush"}, "auth": "bearer"}
    made = api.post(URL, {**fields, "credentials": {"token": "psst"}})
    shown = api.get(f"{URL}{made.json()['id']}/")
    for answer in (made, shown, api.get(URL)):
        assert b"hush" not in answer.content
        assert b"psst" not in answer.content
    assert shown.json()["headers"] == {"X-Key": MASK}
    assert "credentials" not in shown.json()


def test_a_masked_header_that_is_written_back_keeps_its_value(
    api: APIClient, destination: Destination
) -> None:
    url = f"{URL}{destination.pk}/"
    api.patch(url, {"headers": {"X-Key": "hush", "X-Old": "1"}})
    answer = api.patch(url, {"headers": {"X-Key": MASK, "X-New": "2"}})
    assert answer.status_code == 200
    destination.refresh_from_db()
    assert destination.headers == {"X-Key": "hush", "X-New": "2"}


@pytest.mark.parametrize(
    ("fields", "attr"),
    [
        ({"url": "http://169.254.169.254/latest/"}, "url"),
        ({"url": "ftp://example.com/"}, "url"),
        ({"headers": {"Host": "elsewhere"}}, "headers"),
        ({"headers": {"webhook-id": "mine"}}, "headers"),
        ({"headers": {"X-Long": "x" * 4097}}, "headers"),
        ({"auth": "bearer"}, "credentials"),
        ({"auth": "oauth2"}, "credentials"),
        ({"body_format": "xml"}, "body_format"),
        ({"url": "https://erp.example.com/{key}"}, "url"),
        ({"url": "https://{key}.example.com/", "variables": {"key": "a"}}, "url"),
        ({"variables": {"a b": "c"}}, "variables"),
        ({"variables": {"a": ""}}, "variables"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "headers"),
        ({"headers": {"Stagehook-Event": "mine"}}, "headers"),
        ({"headers": {"Content-Length": "1"}}, "headers"),
        ({"ca_bundle": "no certificate"}, "ca_bundle"),
        ({"client_certificate": "no certificate"}, "client_certificate"),
        ({"method": "GET"}, "method"),
        ({"retry_schedule": []}, "retry_schedule"),
        ({"timeout_seconds": 31}, "timeout_seconds"),
        ({"status": "disabled"}, "status"),
        ({"colour": "red"}, "colour"),
        ({"rate_limit_per_second": 0}, "rate_limit_per_second"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    api: APIClient, destination: Destination, fields: dict[str, object], attr: str
) -> None:
    before = Destination.objects.values().get()
    answer = api.patch(f"{URL}{destination.pk}/", fields)
    assert answer.status_code == 400
    assert answer.json()["type"] == "validation_error"
    assert {error["attr"].partition(".")[0] for error in answer.json()["errors"]} == {attr}
    assert Destination.objects.values().get() == before


def test_a_deleted_endpoint_cannot_be_paired(api: APIClient, destination: Destination) -> None:
    endpoint = InboundEndpoint.objects.create(name="ERP", deleted_at=destination.created_at)
    answer = api.patch(f"{URL}{destination.pk}/", {"paired_endpoint": endpoint.pk})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == "paired_endpoint"


def test_a_rotated_secret_replaces_the_former_one_after_the_overlap(
    api: APIClient, destination: Destination
) -> None:
    answer = api.post(f"{URL}{destination.pk}/rotate_secret/", {"overlap_seconds": 60})
    former = destination.secret
    destination.refresh_from_db()
    assert answer.json() == {"secret": destination.secret}
    assert destination.previous_secret == former != destination.secret
    assert api.post(f"{URL}{destination.pk}/rotate_secret/", {"overlap_seconds": -1}).status_code == 400


def test_a_destination_is_paused_and_resumed(api: APIClient, destination: Destination) -> None:
    assert api.post(f"{URL}{destination.pk}/pause/").json()["status"] == "paused"
    assert api.post(f"{URL}{destination.pk}/resume/").json()["status"] == "active"


def test_a_deleted_destination_is_gone_and_its_log_stays(
    api: APIClient, destination: Destination, deal: Deal
) -> None:
    api.post(f"{URL}{destination.pk}/test/", {"event": "deal.won", "deal": deal.pk})
    assert api.delete(f"{URL}{destination.pk}/").status_code == 204
    assert api.get(f"{URL}{destination.pk}/").status_code == 404
    assert Delivery.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_test_sends_at_once_and_answers_with_the_attempt(
    api: APIClient, destination: Destination, deal: Deal, receiver: Receiver
) -> None:
    receiver.answer(status(503, b"not now", {"X-Why": "tired"}))
    answer = api.post(f"{URL}{destination.pk}/test/", {"event": "deal.won", "deal": deal.pk})
    (request,) = receiver.wait_for(1)
    assert request.json()["test"] is True
    attempt = answer.json()
    assert (answer.status_code, attempt["status_code"], attempt["response_body"]) == (200, 503, "not now")
    assert (attempt["number"], attempt["trigger"]) == (1, "test")
    assert attempt["request_headers"]["Stagehook-Event"] == "deal.won"
    assert attempt["response_headers"]["X-Why"] == "tired"
    assert attempt["timings"]["total"] == attempt["duration_ms"]
    assert Attempt.objects.count() == 1


def test_only_administrators_reach_destinations(
    api: APIClient, destination: Destination, stages: object
) -> None:
    bob = User.objects.create_user("bob@example.com", name="Bob", role=User.Role.MANAGER)
    api.force_authenticate(bob)
    assert api.get(URL).status_code == 403
    assert api.get(f"{URL}{destination.pk}/secret/").status_code == 403
    assert api.post(f"{URL}{destination.pk}/pause/").status_code == 403
    destination.refresh_from_db()
    assert destination.status == "active"


def test_what_failed_is_recovered_in_the_background(
    api: APIClient, destination: Destination, rule: Rule, deal: Deal
) -> None:
    now = timezone.now()
    given_up: dict[str, Any] = {
        "event": "deal.won",
        "rule": rule,
        "destination": destination,
        "deal": deal,
        "sequence": 1,
        "body": b"{}",
        "chain": uuid4(),
    }
    Delivery.objects.create(**given_up, state="failed", due_at=now, created_at=now)
    url = f"{URL}{destination.pk}/recover/"
    answer = api.post(url, {"since": (now - timedelta(hours=1)).isoformat()})
    assert (answer.status_code, answer.json()) == (202, {"recovered": 1})
    assert api.post(url, {"since": (now - timedelta(days=15)).isoformat()}).status_code == 400
    assert api.post(f"{URL}{destination.pk}/probe/").json() == {"probed": False}
