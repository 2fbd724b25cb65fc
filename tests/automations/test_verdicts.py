"""What an answer means for its delivery: delivered, given up, or the moment of its next attempt."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings

from automations.claims import Claimed
from automations.http import ErrorCode, Exchange, Request, send
from automations.models import Destination
from automations.verdicts import Outcome, judge
from tests.receivers import Receiver, status

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def judged(exchange: Exchange, *, attempts: int = 2, stop_on_4xx: bool = False) -> Outcome:
    """The outcome of an attempt with a step of 300 s (by default) to come."""
    claimed = Claimed(
        id="msg_test",
        destination_id=1,
        event="deal.won",
        chain=uuid.uuid4(),
        depth=0,
        body=b"{}",
        number=attempts,
        run_attempts=attempts,
        trigger="initial",
        due_at=NOON,
    )
    destination = Destination(retry_schedule=[0, 5, 300, 1800], stop_on_4xx=stop_on_4xx)
    return judge(claimed, exchange, destination=destination, request_headers=(), now=NOON)


def wait_after(exchange: Exchange, *, attempts: int = 2) -> float:
    outcome = judged(exchange, attempts=attempts)
    assert outcome.state == "pending"
    assert outcome.due_at is not None
    return (outcome.due_at - NOON).total_seconds()


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_every_2xx_is_delivered(code: int) -> None:
    assert judged(Exchange(status_code=code)).state == "delivered"


@pytest.mark.parametrize("code", [301, 400, 404, 408, 425, 429, 500, 503])
def test_everything_else_waits_for_its_step_give_or_take_a_fifth(code: int) -> None:
    assert all(240 <= wait_after(Exchange(status_code=code)) <= 360 for _ in range(50))


@pytest.mark.parametrize("error", ErrorCode)
def test_no_error_gives_a_delivery_up_before_its_schedule_ends(error: ErrorCode) -> None:
    assert judged(Exchange(error_code=error)).state == "pending"
    assert judged(Exchange(error_code=error), attempts=4).state == "failed"


def test_a_2xx_that_broke_off_is_not_delivered() -> None:
    assert judged(Exchange(status_code=200, error_code=ErrorCode.CONNECTION_CLOSED)).state == "pending"


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (400, "failed"),
        (404, "failed"),
        (408, "pending"),
        (425, "pending"),
        (429, "pending"),
        (500, "pending"),
    ],
)
def test_a_destination_may_give_up_on_refusals_but_not_on_what_passes(code: int, state: str) -> None:
    assert judged(Exchange(status_code=code), stop_on_4xx=True).state == state


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("400", 400, 400),
        ("1", 300, 300),
        ("86400", 600, 600),
        ("Tue, 24 Nov 2026 12:08:20 GMT", 500, 500),
        ("Tue, 24 Nov 2020 12:00:00 GMT", 300, 300),
        ("Fri, 24 Nov 2090 12:00:00 GMT", 600, 600),
        ("9" * 400, 600, 600),
        ("soon", 240, 360),
        ("-5", 240, 360),
        ("", 240, 360),
        ("12:00", 240, 360),
        ("\x00\xff", 240, 360),
        ("Tue, 99 Nov 99999 99:99:99 GMT", 240, 360),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 240, 360),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 240, 600),
    ],
)
def test_retry_after_moves_an_attempt_within_one_and_two_steps(asked: str, least: float, most: float) -> None:
    exchange = Exchange(status_code=429, response_headers=(("Retry-AFTER", f" {asked} "),))
    assert least <= wait_after(exchange) <= most


def test_retry_after_is_read_from_the_wire(receiver: Receiver) -> None:
    receiver.answer(status(429, headers={"Retry-After": "450"}))
    request = Request(url=receiver.url, method="POST", headers=(), body=b"{}", timeout_seconds=5)
    assert wait_after(send(request, allowed_networks=settings.ALLOWED_PRIVATE_NETWORKS)) == 450


@pytest.mark.parametrize("says", ["abort-message", "ABORT-MESSAGE", " abort-message "])
def test_a_receiver_can_have_one_message_given_up(says: str) -> None:
    outcome = judged(Exchange(status_code=503, response_headers=(("webhook-delivery", says),)))
    assert (outcome.state, outcome.reason, outcome.due_at) == ("failed", "aborted_by_receiver", NOON)


def test_a_receiver_that_asks_to_be_disabled_has_its_message_kept() -> None:
    outcome = judged(Exchange(status_code=503, response_headers=(("webhook-delivery", "disable"),)))
    assert (outcome.state, outcome.asks_to_disable) == ("pending", True)
    assert outcome.due_at is not None
    assert outcome.due_at > NOON + timedelta(minutes=3)
