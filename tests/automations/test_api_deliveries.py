import json
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from automations.models import Attempt, Delivery, Event, ResendJob, Rule
from crm.actors import Actor
from crm.deals import move_deal
from crm.models import Deal, Stage, User

URL = "/api/v1/deliveries/"


@pytest.fixture
def api(alice: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(alice)
    return client


@pytest.fixture
def delivery(rule: Rule, deal: Deal, stages: list[Stage], actor: Actor) -> Delivery:
    """Waiting for its first attempt."""
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    return Delivery.objects.get()


def give_up(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(state="failed", status_code=503, attempts_made=2)


def test_a_delivery_shows_its_payload_as_it_was_frozen_and_its_attempts_newest_first(
    api: APIClient, delivery: Delivery
) -> None:
    for number in (1, 2):
        Attempt.objects.create(
            delivery=delivery,
            number=number,
            trigger="retry",
            url="https://erp.example/hook",
            started_at=timezone.now(),
            request_headers=[["webhook-id", delivery.pk], ["X-Key", "••••••"]],
            response_headers=[["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]],
        )
    shown = api.get(f"{URL}{delivery.pk}/").json()
    assert shown["payload"] == json.loads(bytes(delivery.body))
    assert shown["state"] == "pending"
    assert shown["next_attempt_at"].endswith("Z")
    assert [attempt["number"] for attempt in shown["attempts"]] == [2, 1]
    assert shown["attempts"][0]["request_headers"] == {"webhook-id": delivery.pk, "X-Key": "••••••"}
    assert shown["attempts"][0]["response_headers"] == {"Set-Cookie": "a=1, b=2"}


def test_a_finished_delivery_has_no_next_attempt(api: APIClient, delivery: Delivery) -> None:
    give_up(delivery)
    assert api.get(f"{URL}{delivery.pk}/").json()["next_attempt_at"] is None


def test_the_log_can_be_narrowed(api: APIClient, delivery: Delivery, deal: Deal, rule: Rule) -> None:
    give_up(delivery)
    before = (timezone.now() - timedelta(minutes=1)).isoformat()
    fits: list[dict[str, str | int]] = [
        {"state": "failed"},
        {"rule": rule.pk, "destination": rule.destination_id},
        {"deal": deal.pk, "event": "deal.stage_changed"},
        {"status_code": 503},
        {"created_after": before},
    ]
    misfits: list[dict[str, str | int]] = [
        {"state": "delivered"},
        {"deal": deal.pk + 1},
        {"status_code": 200},
        {"created_before": before},
    ]
    assert [len(api.get(URL, query).json()["results"]) for query in fits] == [1] * 5
    assert [len(api.get(URL, query).json()["results"]) for query in misfits] == [0] * 4
    assert api.get(URL, {"state": "lost"}).status_code == 400


def test_a_given_up_delivery_is_sent_again_with_the_same_bytes(api: APIClient, delivery: Delivery) -> None:
    give_up(delivery)
    assert api.post(f"{URL}{delivery.pk}/resend/").json()["state"] == "pending"
    resent = Delivery.objects.get()
    assert (resent.trigger, resent.run_attempts, bytes(resent.body)) == ("manual", 0, bytes(delivery.body))


def test_a_waiting_delivery_is_cancelled_once(api: APIClient, delivery: Delivery) -> None:
    assert api.post(f"{URL}{delivery.pk}/cancel/").json()["state"] == "cancelled"
    again = api.post(f"{URL}{delivery.pk}/cancel/")
    assert (again.status_code, again.json()["type"]) == (422, "client_error")


def test_deliveries_are_resent_by_id_or_by_filter(api: APIClient, delivery: Delivery) -> None:
    give_up(delivery)
    whole = {"resent": 1, "total": 1, "without_body": 0}
    answer = api.post(f"{URL}bulk_resend/", {"ids": [delivery.pk, "msg_0"]})
    assert (answer.status_code, answer.json()) == (200, {**whole, "job": ResendJob.objects.get().pk})
    give_up(delivery)
    asked = {"filter": {"state": "failed", "event": Event.DEAL_STAGE_CHANGED}}
    assert api.post(f"{URL}bulk_resend/", asked).json()["resent"] == 1
    assert api.post(f"{URL}bulk_resend/", asked).json()["total"] == 0


def test_waiting_deliveries_are_called_off_by_id_or_by_filter(api: APIClient, delivery: Delivery) -> None:
    assert api.post(f"{URL}bulk_cancel/", {"filter": {"state": "failed"}}).json() == {"cancelled": 0}
    assert api.post(f"{URL}bulk_cancel/", {"ids": [delivery.pk]}).json() == {"cancelled": 1}
    assert Delivery.objects.get().reason == "by_hand"


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"filter": {}},
        {"filter": {"colour": "red"}},
        {"filter": {"state": "lost"}},
        {"ids": [], "filter": {}},
    ],
)
def test_what_chooses_nothing_in_particular_resends_nothing(
    api: APIClient, delivery: Delivery, asked: dict[str, object]
) -> None:
    give_up(delivery)
    answer = api.post(f"{URL}bulk_resend/", asked)
    assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
    assert Delivery.objects.get().state == "failed"


def test_only_administrators_reach_the_log(api: APIClient, delivery: Delivery) -> None:
    api.force_authenticate(User.objects.create_user("bob@example.com", name="Bob", role=User.Role.MANAGER))
    assert api.get(URL).status_code == 403
    assert api.post(f"{URL}{delivery.pk}/cancel/").status_code == 403
    assert Delivery.objects.get().state == "pending"
