import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from automations.deliveries import cancel_delivery, resend_delivery
from automations.destinations import (
    delete_destination,
    pause_destination,
    resume_destination,
    rotate_secret,
    update_destination,
)
from automations.models import Attempt, Delivery, Destination, Event, Rule
from automations.rules import create_rule, delete_rule, update_rule
from automations.trials import send_test
from automations.wake import drains_at_work, queue_drain, slot_of
from crm import deals
from crm.actors import Actor
from crm.models import Deal, Stage
from tests.crm.deals import many_deals
from tests.processes import eventually
from tests.receivers import Receiver, close, hang, redirect, slow, status
from webhooks.models import InboundEndpoint

pytestmark = pytest.mark.django_db(transaction=True)
Start = Callable[..., None]


def in_state(state: str, count: int = 1) -> Callable[[], bool]:
    return lambda: Delivery.objects.filter(state=state).count() == count


def test_a_move_sends_a_signed_request_with_the_deal_as_it_is(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    sending()
    moved = deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    (request,) = receiver.wait_for(1)
    document = Webhook(rule.destination.secret).verify(request.body, request.headers)
    assert document == request.json()
    assert (request.method, request.path) == ("POST", "/hook")
    assert (document["type"], document["version"], document["test"]) == ("deal.stage_changed", 1, False)
    data = document["data"]
    assert data["deal"]["stage"] == {"id": stages[1].pk, "name": "Proposal"}
    assert (data["deal"]["version"], data["sequence"]) == (moved.version, 2)
    assert data["previous"] == {"stage": {"id": stages[0].pk, "name": "New"}}
    assert data["changed_by"] == {"kind": "user", "id": actor.id, "name": "Alice"}
    assert data["rule"] == {"id": rule.pk, "name": "To the ERP"}
    eventually(in_state("delivered"))
    delivery = Delivery.objects.get()
    expected = {
        "content-type": "application/json",
        "idempotency-key": delivery.pk,
        "webhook-id": delivery.pk,
        "stagehook-event": "deal.stage_changed",
        "stagehook-attempt": "1",
        "stagehook-trigger": "initial",
        "stagehook-chain": f"{actor.chain};0",
    }
    assert {name: request.headers[name] for name in expected} == expected
    attempt = delivery.attempts.get()
    assert (attempt.status_code, attempt.error_code, attempt.response_body) == (200, "", "ok")
    assert attempt.resolved_ip == "127.0.0.1"


def test_another_secret_does_not_verify_the_request(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    sending()
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    (request,) = receiver.wait_for(1)
    stranger = rotate_secret(destination_id=rule.destination_id, overlap_seconds=0).secret
    with pytest.raises(WebhookVerificationError):
        Webhook(stranger).verify(request.body, request.headers)


def test_a_move_that_is_rolled_back_leaves_no_delivery_and_no_task(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    sending()
    with transaction.atomic():
        deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
        transaction.set_rollback(True)
    assert Delivery.objects.count() == 0
    assert OrmQ.objects.count() == 0
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    receiver.wait_for(1)


def test_a_move_queues_a_task_where_no_drain_is_at_work(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    assert [task.func() for task in OrmQ.objects.all()] == ["automations.tasks.drain"]


def test_a_worker_without_a_drain_has_tasks_queued_although_another_has_one(sending: Start) -> None:
    sending("one")
    eventually(lambda: drains_at_work() == {slot_of("one")})
    queue_drain()
    queue_drain(worker="one")
    assert OrmQ.objects.count() == 0
    queue_drain(worker="two")
    assert [task.func() for task in OrmQ.objects.all()] == ["automations.tasks.drain"] * 2


def test_what_was_never_queued_is_sent_all_the_same(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    OrmQ.objects.all().delete()
    sending()
    receiver.wait_for(1)


def test_two_workers_at_once_send_each_delivery_once(
    stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    made = many_deals(60, stage=stages[0], actor=actor)
    sending("one")
    sending("two")
    for deal in made:
        deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    eventually(in_state("delivered", 60), seconds=20)
    assert len({request.headers["webhook-id"] for request in receiver.wait_for(60)}) == 60
    assert Attempt.objects.count() == 60


def test_a_failed_delivery_is_retried_with_the_same_id_and_bytes(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    receiver.answer(500, close, 204)
    sending()
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    requests = receiver.wait_for(3, within=10)
    eventually(in_state("delivered"))
    assert len({request.headers["webhook-id"] for request in requests}) == 1
    assert len({request.body for request in requests}) == 1
    assert [request.headers["stagehook-attempt"] for request in requests] == ["1", "2", "3"]
    assert [request.headers["stagehook-trigger"] for request in requests] == ["initial", "retry", "retry"]
    for request in requests:
        Webhook(rule.destination.secret).verify(request.body, request.headers)
    attempts = Attempt.objects.order_by("number").values_list("status_code", "error_code")
    assert list(attempts) == [(500, ""), (None, "connection_closed"), (204, "")]
    assert Destination.objects.get().failing_since is None


def test_a_delivery_is_given_up_when_its_schedule_is_used_up(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    receiver.answer(redirect("http://127.0.0.1/elsewhere"))
    update_destination(destination_id=rule.destination_id, fields={"retry_schedule": [0, 0]})
    sending()
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    eventually(in_state("failed"))
    assert [request.path for request in receiver.wait_for(2)] == ["/hook", "/hook"]
    assert Destination.objects.get().failing_since is not None


def test_a_receiver_that_is_gone_is_disabled_and_its_events_are_held(
    stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    receiver.answer(410)
    sending()
    first, second = (deals.create_deal(actor=actor, stage=stages[0], title=title) for title in "ab")
    deals.move_deal(deal_id=first.pk, stage=stages[1], actor=actor)
    eventually(in_state("failed"))
    assert Destination.objects.get().status == "disabled"
    deals.move_deal(deal_id=second.pk, stage=stages[1], actor=actor)
    receiver.answer(200)
    resume_destination(destination_id=rule.destination_id)
    eventually(in_state("delivered"))
    receiver.wait_for(2)


def test_a_receiver_may_ask_for_up_to_twice_the_step(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    receiver.answer(status(429, headers={"Retry-After": "3600"}))
    update_destination(destination_id=rule.destination_id, fields={"retry_schedule": [0, 300]})
    sending()
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    eventually(lambda: Attempt.objects.filter(status_code=429).exists())
    wait = Delivery.objects.get().due_at - timezone.now()
    assert timedelta(seconds=590) < wait <= timedelta(seconds=600)


def test_events_of_one_deal_arrive_in_order_and_hold_up_no_other_deal(
    stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    create_rule(fields={"name": "Also", "stage": stages[2], "destination": rule.destination})
    receiver.answer(500, 200)
    sending()
    one, other = (deals.create_deal(actor=actor, stage=stages[0], title=title) for title in ("one", "other"))
    deals.move_deal(deal_id=one.pk, stage=stages[1], actor=actor)
    receiver.wait_for(1)
    deals.move_deal(deal_id=one.pk, stage=stages[2], actor=actor)
    deals.move_deal(deal_id=other.pk, stage=stages[1], actor=actor)
    requests = receiver.wait_for(4, within=10)
    seen = [
        (request.json()["data"]["deal"]["title"], request.json()["data"]["sequence"]) for request in requests
    ]
    assert seen == [("one", 2), ("other", 2), ("one", 2), ("one", 3)]


def test_no_more_requests_are_in_flight_than_a_destination_takes(
    stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    receiver.answer(hang, hang, slow(0.3), 200)
    update_destination(destination_id=rule.destination_id, fields={"max_in_flight": 3, "timeout_seconds": 2})
    made = [deals.create_deal(actor=actor, stage=stages[0], title=f"deal {n}") for n in range(6)]
    deals.bulk_move(deal_ids=[deal.pk for deal in made], stage=stages[1], actor=actor)
    sending()
    eventually(lambda: len(receiver.requests) == 3)
    assert Delivery.objects.filter(leased_until__isnull=False).count() == 3
    eventually(in_state("delivered", 6), seconds=15)


def test_what_was_claimed_ahead_is_given_back_when_its_destination_stops_answering(
    stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    receiver.answer(*[200] * 40, hang)
    update_destination(destination_id=rule.destination_id, fields={"max_in_flight": 2, "timeout_seconds": 8})
    made = many_deals(90, stage=stages[0], actor=actor)
    deals.bulk_move(deal_ids=[deal.pk for deal in made], stage=stages[1], actor=actor)
    sending()
    eventually(lambda: len(receiver.requests) == 42)
    in_hand = Delivery.objects.filter(leased_until__isnull=False)
    eventually(lambda: in_hand.count() == 2 and in_state("delivered", 40)())
    assert Attempt.objects.count() == 42
    assert set(Delivery.objects.filter(state="pending", leased_until=None).values_list("attempts_made")) == {
        (0,)
    }


def test_a_paused_destination_holds_everything_until_it_is_resumed(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    pause_destination(destination_id=rule.destination_id)
    sending()
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    other = create_rule(
        fields={
            "name": "Elsewhere",
            "stage": stages[2],
            "destination": Destination.objects.create(name="Other", url=receiver.at("/other")),
        }
    )
    deals.move_deal(deal_id=deal.pk, stage=stages[2], actor=actor)
    assert [request.path for request in receiver.wait_for(1)] == ["/other"]
    assert Delivery.objects.exclude(rule=other).get().state == "pending"
    resume_destination(destination_id=rule.destination_id)
    receiver.wait_for(2)


def test_a_waiting_delivery_goes_to_the_url_as_it_now_is_even_when_its_rule_is_off(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    update_rule(rule_id=rule.pk, fields={"enabled": False})
    update_destination(destination_id=rule.destination_id, fields={"url": receiver.at("/repaired")})
    sending()
    assert [request.path for request in receiver.wait_for(1)] == ["/repaired"]


@pytest.mark.parametrize("deleted", ["rule", "destination"])
def test_deleting_a_rule_or_its_destination_cancels_what_waits(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, deleted: str
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    if deleted == "rule":
        cancelled = delete_rule(rule_id=rule.pk)
    else:
        cancelled = delete_destination(destination_id=rule.destination_id)
    assert (cancelled, Delivery.objects.get().state) == (1, "cancelled")
    deals.move_deal(deal_id=deal.pk, stage=stages[0], actor=actor)
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    assert Delivery.objects.count() == 1


def test_a_deleted_deals_waiting_deliveries_still_go_out(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    create_rule(fields={"name": "Gone", "event": "deal.deleted", "destination": rule.destination})
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    number = deal.pk
    deals.delete_deal(deal_id=deal.pk, actor=actor)
    sending()
    requests = receiver.wait_for(2)
    assert [request.json()["type"] for request in requests] == ["deal.stage_changed", "deal.deleted"]
    assert {request.json()["data"]["deal"]["id"] for request in requests} == {number}


def test_what_a_dead_drain_had_in_hand_is_sent_by_the_next_with_the_same_id(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    Delivery.objects.update(
        leased_by=12345, leased_until=timezone.now() + timedelta(minutes=1), attempts_made=1, run_attempts=1
    )
    Attempt.objects.create(
        delivery=Delivery.objects.get(), number=1, trigger="initial", url="x", started_at=timezone.now()
    )
    sending()
    (request,) = receiver.wait_for(1)
    eventually(in_state("delivered"))
    assert (request.headers["webhook-id"], request.headers["stagehook-attempt"]) == (
        Delivery.objects.get().pk,
        "2",
    )
    attempts = Attempt.objects.order_by("number").values_list("error_code", "status_code")
    assert list(attempts) == [("interrupted", None), ("", 200)]


def test_a_secret_in_rotation_signs_beside_the_new_one(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    old = rule.destination.secret
    new = rotate_secret(destination_id=rule.destination_id, overlap_seconds=60).secret
    sending()
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    (request,) = receiver.wait_for(1)
    signatures = request.headers["webhook-signature"].split()
    for secret, signature in zip((new, old), signatures, strict=True):
        Webhook(secret).verify(request.body, {**request.headers, "webhook-signature": signature})


def test_secret_headers_are_sent_but_never_shown(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    fields = {"headers": {"X-Key": "hush"}, "auth": "bearer", "credentials": {"token": "whisper"}}
    update_destination(destination_id=rule.destination_id, fields=fields)
    sending()
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    (request,) = receiver.wait_for(1)
    assert (request.headers["x-key"], request.headers["authorization"]) == ("hush", "Bearer whisper")
    eventually(in_state("delivered"))
    shown = dict(Attempt.objects.get().request_headers)
    assert (shown["X-Key"], shown["Authorization"]) == ("••••••", "••••••")
    with connection.cursor() as cursor:
        cursor.execute("SELECT headers || credentials FROM automations_destination")
        (kept,) = cursor.fetchone()
    assert "hush" not in kept
    assert "whisper" not in kept


def test_a_delivery_sent_again_by_hand_keeps_its_id_and_says_so(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    sending()
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    eventually(in_state("delivered"))
    resend_delivery(delivery_id=Delivery.objects.get().pk)
    first, second = receiver.wait_for(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert (second.headers["stagehook-trigger"], second.headers["stagehook-attempt"]) == ("manual", "2")
    assert first.body == second.body


def test_a_cancelled_delivery_is_not_sent(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, receiver: Receiver, sending: Start
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    cancel_delivery(delivery_id=Delivery.objects.get().pk)
    sending()
    deals.move_deal(deal_id=deal.pk, stage=stages[0], actor=actor)
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    assert [request.json()["data"]["sequence"] for request in receiver.wait_for(1)] == [4]


def test_no_rule_answers_the_system_that_made_the_change(deal: Deal, stages: list[Stage], rule: Rule) -> None:
    endpoint = InboundEndpoint.objects.create(name="ERP")
    update_destination(destination_id=rule.destination_id, fields={"paired_endpoint": endpoint})
    erp = Actor.inbound(endpoint_id=endpoint.pk, name="ERP")
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=erp)
    assert Delivery.objects.count() == 0
    deals.move_deal(deal_id=deal.pk, stage=stages[0], actor=erp)
    deals.move_deal(
        deal_id=deal.pk, stage=stages[1], actor=Actor.inbound(endpoint_id=endpoint.pk + 1, name="x")
    )
    assert Delivery.objects.count() == 1


def test_silent_mode_records_and_sends_nothing(
    deal: Deal, stages: list[Stage], actor: Actor, rule: Rule, settings: Settings
) -> None:
    settings.SILENT_MODE = True
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    assert list(Delivery.objects.values_list("state", "reason")) == [("skipped", "silent_mode")]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_an_address_that_is_closed_again_is_refused_at_the_socket(
    deal: Deal,
    stages: list[Stage],
    actor: Actor,
    rule: Rule,
    receiver: Receiver,
    settings: Settings,
    sending: Start,
    host: str,
) -> None:
    Destination.objects.update(url=receiver.url.replace("127.0.0.1", host))
    settings.ALLOWED_PRIVATE_NETWORKS = []
    sending()
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    eventually(lambda: Attempt.objects.filter(error_code="address_refused").exists())
    receiver.wait_for(0, within=0)


def test_a_test_send_is_marked_and_counts_for_nothing(
    deal: Deal, destination: Destination, actor: Actor, receiver: Receiver
) -> None:
    receiver.answer(410)
    delivery = send_test(destination_id=destination.pk, event=Event.DEAL_WON, deal=deal, actor=actor)
    (request,) = receiver.wait_for(1)
    document: Any = Webhook(destination.secret).verify(request.body, request.headers)
    assert (document["type"], document["test"]) == ("deal.won", True)
    assert request.headers["stagehook-trigger"] == "test"
    assert (delivery.state, delivery.attempts.get().status_code) == ("failed", 410)
    destination.refresh_from_db()
    assert (destination.status, destination.failing_since) == ("active", None)
    assert uuid.UUID(request.headers["stagehook-chain"].partition(";")[0]) == actor.chain
    assert abs(
        datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC) - timezone.now()
    ) < timedelta(minutes=1)
