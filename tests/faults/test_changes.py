"""What becomes of a delivery that waits while what it came from, or where it goes, changes."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from automations.destinations import (
    create_destination,
    delete_destination,
    pause_destination,
    resume_destination,
    rotate_secret,
    update_destination,
)
from automations.models import Delivery, Destination, Rule
from automations.rules import create_rule, delete_rule, update_rule
from automations.tasks import look_after_health
from automations.wake import wake
from crm.actors import Actor
from crm.deals import delete_deal, move_deal
from crm.models import Deal, Stage
from tests.processes import eventually
from tests.receivers import Receiver, Wire, status

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[..., None]


@pytest.fixture
def waiting(
    rule: Rule, deal: Deal, stages: list[Stage], actor: Actor, receiver: Receiver, sending: Start
) -> Delivery:
    """Failed once, and waits for its retry."""
    update_destination(destination_id=rule.destination_id, fields={"retry_schedule": [0, 300, 300]})
    receiver.answer(500, 200)
    sending()
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    failed = Delivery.objects.filter(state="pending", status_code=500)
    delivery = eventually(failed.first)
    assert delivery
    return delivery


@pytest.fixture
def elsewhere(stages: list[Stage], receiver: Receiver) -> Rule:
    """Sends each deal that enters the third stage to a destination of its own."""
    other = create_destination(fields={"name": "Other", "url": receiver.at("/other")})
    return create_rule(fields={"name": "Elsewhere", "stage": stages[2], "destination": other})


def let_time_pass() -> None:
    """What waits for a retry is due now."""
    with transaction.atomic():
        Delivery.objects.filter(state="pending").update(due_at=timezone.now())
        wake()


def bytes_of(delivery: Delivery) -> bytes:
    return bytes(delivery.body)


# ---- Rules ----


@pytest.mark.parametrize(
    "change",
    [
        {"enabled": False},
        {"name": "Another name", "position": 7},
        {"event": "deal.won", "stage": None},
        {"conditions": {"match": "all", "rows": [{"field": "deal.title", "op": "eq", "value": "Other"}]}},
        {"payload": {"mode": "custom", "expression": "{title: data.deal.title}"}},
        {"delay_seconds": 3600},
    ],
    ids=["disabled", "renamed", "another event", "conditions", "payload", "delay"],
)
def test_a_rule_that_is_edited_leaves_what_waits_as_it_is(
    waiting: Delivery, rule: Rule, receiver: Receiver, change: dict[str, object]
) -> None:
    update_rule(rule_id=rule.pk, fields=change)
    let_time_pass()
    first, second = receiver.wait_for(2)
    assert first.body == second.body == bytes_of(waiting)
    assert second.headers["webhook-id"] == waiting.pk
    assert second.json()["data"]["rule"] == {"id": rule.pk, "name": "To the ERP"}
    eventually(Delivery.objects.filter(state="delivered").exists)


@pytest.mark.parametrize("deleted", ["rule", "destination"])
def test_what_waits_for_a_retry_is_called_off_with_its_rule_or_destination(
    waiting: Delivery,
    elsewhere: Rule,
    deal: Deal,
    stages: list[Stage],
    actor: Actor,
    receiver: Receiver,
    deleted: str,
) -> None:
    if deleted == "rule":
        delete_rule(rule_id=waiting.rule_id or 0)
    else:
        delete_destination(destination_id=waiting.destination_id)
    let_time_pass()
    move_deal(deal_id=deal.pk, stage=stages[2], actor=actor)
    assert [request.path for request in receiver.wait_for(2)] == ["/hook", "/other"]
    waiting.refresh_from_db()
    assert (waiting.state, waiting.reason, waiting.attempts_made) == ("cancelled", f"{deleted}_deleted", 1)


# ---- Destinations ----


def test_a_destination_that_is_paused_holds_a_retry_until_it_is_resumed(
    waiting: Delivery, elsewhere: Rule, deal: Deal, stages: list[Stage], actor: Actor, receiver: Receiver
) -> None:
    pause_destination(destination_id=waiting.destination_id)
    let_time_pass()
    move_deal(deal_id=deal.pk, stage=stages[2], actor=actor)
    assert [request.path for request in receiver.wait_for(2)] == ["/hook", "/other"]
    waiting.refresh_from_db()
    assert (waiting.state, waiting.attempts_made) == ("pending", 1)
    resume_destination(destination_id=waiting.destination_id)
    *_others, last = receiver.wait_for(3)
    assert (last.path, last.headers["stagehook-attempt"], last.body) == ("/hook", "2", bytes_of(waiting))


def test_a_retry_goes_to_the_url_and_with_the_headers_the_destination_has_by_then(
    waiting: Delivery, receiver: Receiver
) -> None:
    fields = {"url": receiver.at("/repaired"), "headers": {"X-Tenant": "7"}}
    update_destination(destination_id=waiting.destination_id, fields=fields)
    let_time_pass()
    first, second = receiver.wait_for(2)
    assert (second.path, second.headers["x-tenant"]) == ("/repaired", "7")
    assert first.body == second.body
    urls = waiting.attempts.order_by("number").values_list("url", flat=True)
    assert list(urls) == [receiver.url, receiver.at("/repaired")]


@pytest.mark.parametrize(("code", "becomes"), [(200, "delivered"), (500, "cancelled")])
def test_what_is_in_flight_when_its_destination_is_deleted_is_delivered_or_called_off(
    rule: Rule,
    deal: Deal,
    stages: list[Stage],
    actor: Actor,
    receiver: Receiver,
    sending: Start,
    code: int,
    becomes: str,
) -> None:
    deleted = threading.Event()

    def answer_after_that(wire: Wire) -> None:
        deleted.wait(30)
        status(code)(wire)

    receiver.answer(answer_after_that)
    sending()
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    receiver.wait_for(1)
    assert delete_destination(destination_id=rule.destination_id) == 0
    deleted.set()
    eventually(lambda: not Delivery.objects.filter(leased_until__isnull=False).exists())
    look_after_health()
    assert Delivery.objects.get().state == becomes


# ---- Deals ----


def test_a_retry_for_a_deal_that_is_deleted_goes_out_with_its_bytes(
    waiting: Delivery, deal: Deal, actor: Actor, receiver: Receiver
) -> None:
    delete_deal(deal_id=deal.pk, actor=actor)
    let_time_pass()
    first, second = receiver.wait_for(2)
    assert first.body == second.body == bytes_of(waiting)
    eventually(Delivery.objects.filter(state="delivered").exists)


@pytest.mark.parametrize("answers", [[200], [500, 200], [500, 500, 200]])
def test_a_deal_that_moves_on_and_back_at_once_is_told_twice_in_order_as_it_was_at_each_moment(
    rule: Rule,
    deal: Deal,
    stages: list[Stage],
    actor: Actor,
    receiver: Receiver,
    sending: Start,
    answers: list[Any],
) -> None:
    create_rule(fields={"name": "Back", "stage": stages[0], "destination": rule.destination})
    receiver.answer(*answers)
    sending()
    with time_machine.travel(timezone.now(), tick=False):  # within a second, and even at the same moment
        on = move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
        back = move_deal(deal_id=deal.pk, stage=stages[0], actor=actor)
    requests = receiver.wait_for(len(answers) + 1, within=15)
    eventually(lambda: list(Delivery.objects.values_list("state", flat=True)) == ["delivered"] * 2)
    first, second = (request.json()["data"] for request in requests[-2:])
    assert [data["deal"]["stage"]["name"] for data in (first, second)] == ["Proposal", "New"]
    assert [data["previous"]["stage"]["name"] for data in (first, second)] == ["New", "Proposal"]
    assert [data["deal"]["version"] for data in (first, second)] == [on.version, back.version]
    assert first["sequence"] < second["sequence"]
    came = [(request.headers["webhook-id"], request.body) for request in requests[-2:]]
    assert came == [(row.pk, bytes_of(row)) for row in Delivery.objects.order_by("sequence")]


# ---- Secrets ----


def test_a_retry_within_the_overlap_of_a_rotation_is_signed_with_both_secrets_the_newest_first(
    waiting: Delivery, receiver: Receiver
) -> None:
    former = waiting.destination.secret
    present = rotate_secret(destination_id=waiting.destination_id, overlap_seconds=3600).secret
    let_time_pass()
    first, second = receiver.wait_for(2)
    assert first.body == second.body
    signatures = second.headers["webhook-signature"].split()
    for secret, signature in zip((present, former), signatures, strict=True):
        Webhook(secret).verify(second.body, second.headers)
        Webhook(secret).verify(second.body, {**second.headers, "webhook-signature": signature})


def test_a_retry_after_the_overlap_of_a_rotation_is_signed_with_the_new_secret_alone(
    waiting: Delivery, receiver: Receiver
) -> None:
    former = waiting.destination.secret
    present = rotate_secret(destination_id=waiting.destination_id, overlap_seconds=3600).secret
    Destination.objects.update(previous_secret_until=timezone.now())
    let_time_pass()
    _first, second = receiver.wait_for(2)
    Webhook(present).verify(second.body, second.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(former).verify(second.body, second.headers)
