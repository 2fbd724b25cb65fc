from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client

from automations.models import Attempt, Delivery, Rule
from automations.retention import cut
from crm.actors import Actor
from crm.deals import move_deal
from crm.models import Deal, Stage, User

THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
MONTH, HALF_A_YEAR = THEN + timedelta(days=31), THEN + timedelta(days=181)


@pytest.fixture
def delivery(rule: Rule, deal: Deal, stages: list[Stage], actor: Actor) -> Delivery:
    with time_machine.travel(THEN):
        move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    Delivery.objects.update(state="delivered", attempts_made=1)
    delivery = Delivery.objects.get()
    Attempt.objects.create(
        delivery=delivery,
        number=1,
        trigger="initial",
        url="https://erp.example/hook",
        started_at=THEN,
        finished_at=THEN,
        status_code=200,
        request_headers=[["a", "b"]],
        response_headers=[["c", "d"]],
        response_body="thanks",
    )
    return delivery


def test_bodies_and_headers_go_after_a_month_and_the_rest_stays(delivery: Delivery) -> None:
    assert cut(now=THEN + timedelta(days=29)) == (0, 0)
    assert cut(now=MONTH) == (1, 0)
    assert cut(now=MONTH) == (0, 0)
    attempt = Attempt.objects.get()
    assert bytes(Delivery.objects.get().body) == b""
    assert (attempt.response_body, attempt.request_headers, attempt.response_headers) == ("", [], [])
    assert attempt.status_code == 200


def test_deliveries_go_after_half_a_year_with_their_attempts(delivery: Delivery) -> None:
    assert cut(now=HALF_A_YEAR) == (0, 1)
    assert (Delivery.objects.count(), Attempt.objects.count()) == (0, 0)


def test_what_waits_is_never_touched(delivery: Delivery) -> None:
    Delivery.objects.update(state="pending")
    assert cut(now=HALF_A_YEAR) == (0, 0)
    assert bytes(Delivery.objects.get().body) == bytes(delivery.body)


def test_the_log_says_that_a_body_was_removed(delivery: Delivery, client: Client, alice: User) -> None:
    cut(now=MONTH)
    client.force_login(alice)
    page = client.get(f"/automations/deliveries/{delivery.pk}/")
    assert "Removed after 30 days." in page.content.decode()
    assert client.get(f"/api/v1/deliveries/{delivery.pk}/").json()["payload"] is None
