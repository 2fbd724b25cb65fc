"""Receivers that misbehave: what becomes of a whole delivery, and of the one for a healthy receiver beside it."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from automations.deliveries import resend_delivery
from automations.destinations import create_destination, update_destination
from automations.models import Attempt, Delivery, Rule
from automations.rules import create_rule
from crm.actors import Actor
from crm.deals import move_deal
from crm.models import Deal, Stage
from tests.processes import eventually
from tests.receivers import (
    Answer,
    Authority,
    Receiver,
    close,
    drip,
    flood,
    gzip_bomb,
    hang,
    port_that_accepts_nobody,
    raw,
    redirect,
    reset,
    status,
    unused_port,
)

pytestmark = pytest.mark.django_db(transaction=True)

STEP = 300  # seconds until the second attempt
STATUS_LINE = b"HTTP/1.1 200 OK\r\n"
HEAD = STATUS_LINE + b"Content-Type: text/plain\r\n\r\n"
MEBIBYTE = 2**20

Send = Callable[..., Attempt]


@pytest.fixture
def send(rule: Rule, deal: Deal, stages: list[Stage], actor: Actor, sending: Callable[..., None]) -> Send:
    """Moves a deal for which two rules send, one to a URL that misbehaves, and waits for what became of both."""

    def move_and_wait(url: str, ca_bundle: str = "") -> Attempt:
        fields = {"name": "Sick", "url": url, "ca_bundle": ca_bundle}
        limits = {"timeout_seconds": 1, "retry_schedule": [0, STEP, STEP]}
        sick = create_destination(fields={**fields, **limits})
        create_rule(fields={"name": "To the sick one", "stage": stages[1], "destination": sick})
        sending()
        move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
        ended = Attempt.objects.filter(finished_at__isnull=False, delivery__destination=sick)
        attempt = eventually(ended.select_related("delivery").first)
        assert attempt
        healthy = rule.deliveries.values_list("state", "attempts_made")
        eventually(lambda: healthy.get() == ("delivered", 1))
        return attempt

    return move_and_wait


def assert_waits(attempt: Attempt, *, status_code: int | None, error_code: str) -> None:
    """The delivery failed once, for this reason, and its second attempt comes when the schedule says."""
    assert (attempt.number, attempt.status_code, attempt.error_code) == (1, status_code, error_code)
    delivery = attempt.delivery
    assert (delivery.state, delivery.attempts_made, delivery.leased_until) == ("pending", 1, None)
    assert (delivery.status_code, delivery.error_code) == (status_code, error_code)
    assert 0.8 * STEP <= seconds_to_wait(attempt) <= 1.2 * STEP


def seconds_to_wait(attempt: Attempt) -> float:
    assert attempt.finished_at
    return (attempt.delivery.due_at - attempt.finished_at).total_seconds()


def assert_arrives_once_mended(attempt: Attempt, receiver: Receiver) -> None:
    """Sent to where somebody listens, the delivery arrives with the id and the bytes it always had."""
    delivery = attempt.delivery
    receiver.clear()
    update_destination(
        destination_id=delivery.destination_id, fields={"url": receiver.at("/mended"), "timeout_seconds": 30}
    )
    resend_delivery(delivery_id=delivery.pk)
    (request,) = receiver.wait_for(1)
    assert (request.path, request.headers["webhook-id"]) == ("/mended", delivery.pk)
    assert request.body == bytes(delivery.body)
    eventually(Delivery.objects.filter(pk=delivery.pk, state="delivered").exists)


# ---- Nobody there ----


def test_a_name_without_an_address_fails_and_is_tried_again(send: Send, receiver: Receiver) -> None:
    attempt = send("http://nowhere.example/hook")
    assert_waits(attempt, status_code=None, error_code="dns_failed")
    assert_arrives_once_mended(attempt, receiver)


def test_a_port_where_nobody_listens_fails_and_is_tried_again(send: Send, receiver: Receiver) -> None:
    attempt = send(f"http://127.0.0.1:{unused_port()}/hook")
    assert_waits(attempt, status_code=None, error_code="connect_refused")
    assert_arrives_once_mended(attempt, receiver)


def test_a_port_that_takes_no_connection_costs_the_time_limit_and_is_tried_again(
    send: Send, receiver: Receiver
) -> None:
    with port_that_accepts_nobody() as port:
        attempt = send(f"http://127.0.0.1:{port}/hook")
    assert_waits(attempt, status_code=None, error_code="connect_timeout")
    assert attempt.duration_ms is not None
    assert attempt.duration_ms >= 990
    assert_arrives_once_mended(attempt, receiver)


# ---- Answers that fail ----


@pytest.mark.parametrize(
    ("answer", "status_code", "error_code"),
    [
        pytest.param(500, 500, "", id="500"),
        pytest.param(404, 404, "", id="404"),
        pytest.param(hang, None, "timeout", id="says nothing"),
        pytest.param(drip(HEAD, every=1), 200, "timeout", id="a byte a second"),
        pytest.param(drip(STATUS_LINE + b"X-A: ", every=1), 200, "timeout", id="a header without end"),
        pytest.param(close, None, "connection_closed", id="closes"),
        pytest.param(reset, None, "connection_reset", id="breaks off"),
        pytest.param(raw(b"\xff\x00 not HTTP at all"), None, "bad_response", id="no HTTP"),
        pytest.param(raw(STATUS_LINE + b"no colon\r\n\r\n"), 200, "bad_response", id="broken header"),
        pytest.param(raw(STATUS_LINE + b"X-A: a\0b\r\n\r\n"), 200, "bad_response", id="NUL in a header"),
        pytest.param(
            raw(STATUS_LINE + b"Content-Length: -5\r\n\r\nok"), 200, "bad_response", id="negative length"
        ),
        pytest.param(
            raw(STATUS_LINE + b"Content-Length: 1000\r\n\r\nshort"), 200, "connection_closed", id="cut off"
        ),
        pytest.param(
            flood(STATUS_LINE, b"X-A: a\r\n" * 100, 10_000), 200, "response_too_large", id="many headers"
        ),
    ],
)
def test_a_bad_answer_is_a_failed_attempt_that_is_made_again(
    send: Send, receiver: Receiver, answer: Answer, status_code: int | None, error_code: str
) -> None:
    receiver.answer(answer, path="/sick")
    attempt = send(receiver.at("/sick"))
    assert_waits(attempt, status_code=status_code, error_code=error_code)
    assert [request.path for request in receiver.requests].count("/sick") == 1
    assert_arrives_once_mended(attempt, receiver)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_private_address_is_a_failure_and_not_followed(
    send: Send, receiver: Receiver, code: int
) -> None:
    with contextlib.closing(Receiver()) as elsewhere:  # private, and even open to destinations
        receiver.answer(redirect(elsewhere.url, code), path="/sick")
        attempt = send(receiver.at("/sick"))
        assert_waits(attempt, status_code=code, error_code="")
        assert_arrives_once_mended(attempt, receiver)
        assert elsewhere.connections == 0


@pytest.mark.parametrize("kind", ["expired", "self_signed", "unknown", "wrong_host"])
def test_a_certificate_that_proves_nothing_keeps_the_delivery_from_being_sent(
    send: Send, receiver: Receiver, authority: Authority, tls_receiver: Callable[[str], Receiver], kind: str
) -> None:
    impostor = tls_receiver(kind)
    attempt = send(impostor.url, Path(authority.bundle).read_text())
    assert_waits(attempt, status_code=None, error_code="tls_failed")
    assert impostor.requests == []
    assert_arrives_once_mended(attempt, receiver)


# ---- Answers that succeed, and are too much ----


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(flood(HEAD, bytes(MEBIBYTE), 1024), id="until the end of the connection"),
        pytest.param(
            flood(STATUS_LINE + b"Content-Length: 1073741824\r\n\r\n", bytes(MEBIBYTE), 1024),
            id="as announced",
        ),
        pytest.param(
            flood(
                STATUS_LINE + b"Transfer-Encoding: chunked\r\n\r\n",
                b"100000\r\n" + bytes(MEBIBYTE) + b"\r\n",
                1024,
            ),
            id="in chunks",
        ),
    ],
)
def test_of_an_answer_of_a_gigabyte_the_status_counts_and_the_beginning_is_kept(
    send: Send, receiver: Receiver, answer: Answer
) -> None:
    receiver.answer(answer, path="/sick")
    attempt = send(receiver.at("/sick"))
    assert (attempt.status_code, attempt.error_code, attempt.delivery.state) == (200, "", "delivered")
    assert (len(attempt.response_body), attempt.truncated) == (20_000, True)


def test_a_compressed_bomb_is_never_unpacked(send: Send, receiver: Receiver) -> None:
    receiver.answer(gzip_bomb(megabytes=50), path="/sick")
    attempt = send(receiver.at("/sick"))
    assert (attempt.status_code, attempt.error_code, attempt.delivery.state) == (200, "", "delivered")
    assert attempt.response_body.startswith("\x1f")  # as it came: the mark of gzip
    assert len(attempt.response_body) <= 20_000
    assert attempt.truncated


# ---- Busy ----


def date_in(seconds: int) -> datetime:
    """A date as HTTP has it, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("450", 450, 450),
        ("1", STEP, STEP),
        ("86400", 2 * STEP, 2 * STEP),
        (format_datetime(date_in(-3600), usegmt=True), STEP, STEP),
        (format_datetime(date_in(864_000), usegmt=True), 2 * STEP, 2 * STEP),
        ("soon", 0.8 * STEP, 1.2 * STEP),
        ("-450", 0.8 * STEP, 1.2 * STEP),
        ("Tue, 99 Nov 2026 12:00:00 GMT", 0.8 * STEP, 1.2 * STEP),
        ("", 0.8 * STEP, 1.2 * STEP),
    ],
    ids=[
        *("seconds", "too few", "too many", "long ago", "far away"),
        *("a word", "negative", "no date", "empty"),
    ],
)
def test_what_a_busy_receiver_asks_for_is_honoured_between_one_and_two_steps(
    send: Send, receiver: Receiver, asked: str, least: float, most: float
) -> None:
    receiver.answer(status(429, headers={"Retry-After": asked}), path="/sick")
    attempt = send(receiver.at("/sick"))
    assert (attempt.status_code, attempt.error_code, attempt.delivery.state) == (429, "", "pending")
    assert least <= round(seconds_to_wait(attempt), 2) <= most
    assert_arrives_once_mended(attempt, receiver)


def test_a_busy_receiver_that_gives_a_date_is_asked_again_at_that_moment(
    send: Send, receiver: Receiver
) -> None:
    moment = date_in(450)
    receiver.answer(status(429, headers={"Retry-After": format_datetime(moment, usegmt=True)}), path="/sick")
    attempt = send(receiver.at("/sick"))
    assert abs(attempt.delivery.due_at - moment) < timedelta(milliseconds=10)
    assert_arrives_once_mended(attempt, receiver)
