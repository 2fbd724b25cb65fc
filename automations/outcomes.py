"""What an exchange means for its delivery, its attempt and its destination, and writing that down in groups."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from automations.claims import Claimed
from automations.http import Exchange
from automations.models import Delivery, Destination
from automations.payloads import iso
from automations.schedule import next_delay, parse_retry_after

GONE = 410
# Client errors that pass: the receiver was slow, too early or too busy.
PASSING_CLIENT_ERRORS = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished attempt and what follows from it: the delivery's next state and, while pending, when it is due."""

    claimed: Claimed
    exchange: Exchange
    request_headers: Sequence[tuple[str, str]]
    finished_at: datetime
    state: Delivery.State
    due_at: datetime | None


def judge(
    claimed: Claimed,
    exchange: Exchange,
    *,
    destination: Destination,
    request_headers: Sequence[tuple[str, str]],
    now: datetime,
) -> Outcome:
    """2xx is delivered, 410 and a used-up schedule give up, everything else waits for its next attempt."""
    outcome = Outcome(
        claimed=claimed,
        exchange=exchange,
        request_headers=request_headers,
        finished_at=now,
        state=Delivery.State.FAILED,
        due_at=None,
    )
    if exchange.succeeded:
        return replace(outcome, state=Delivery.State.DELIVERED)
    if _is_final(exchange, destination):
        return outcome
    delay = next_delay(
        destination.retry_schedule,
        attempts=claimed.run_attempts,
        chance=random.random(),  # noqa: S311  # spreads retries, guards nothing
        retry_after=_retry_after(exchange, now),
    )
    if delay is None:
        return outcome
    return replace(outcome, state=Delivery.State.PENDING, due_at=now + delay)


def _is_final(exchange: Exchange, destination: Destination) -> bool:
    status = exchange.status_code or 0
    refused = 400 <= status < 500 and status not in PASSING_CLIENT_ERRORS
    return status == GONE or (refused and destination.stop_on_4xx)


def _retry_after(exchange: Exchange, now: datetime) -> Any:
    for name, value in exchange.response_headers:
        if name.lower() == "retry-after":
            return parse_retry_after(value.strip(), now=now)
    return None


_RECORD_DELIVERIES = """
    UPDATE automations_delivery AS delivery
    SET state = outcome.state, due_at = coalesce(outcome.due_at, delivery.due_at),
        delivered_at = CASE WHEN outcome.state = 'delivered' THEN outcome.finished_at END,
        leased_until = NULL, leased_by = NULL,
        status_code = outcome.status_code, error_code = outcome.error_code
    FROM jsonb_to_recordset(%s) AS outcome(
        delivery_id text, number int, state text, due_at timestamptz, finished_at timestamptz,
        status_code int, error_code text
    )
    WHERE delivery.id = outcome.delivery_id
    AND (delivery.attempts_made = outcome.number AND delivery.state <> 'cancelled'
        OR outcome.state = 'delivered' AND delivery.state <> 'delivered')
"""
_RECORD_ATTEMPTS = """
    UPDATE automations_attempt AS attempt
    SET finished_at = outcome.finished_at, duration_ms = outcome.duration_ms, timings = outcome.timings,
        resolved_ip = outcome.resolved_ip, status_code = outcome.status_code, error_code = outcome.error_code,
        detail = outcome.detail, request_headers = outcome.request_headers,
        response_headers = outcome.response_headers, response_body = outcome.response_body,
        truncated = outcome.truncated
    FROM jsonb_to_recordset(%s) AS outcome(
        delivery_id text, number int, finished_at timestamptz, duration_ms int, timings jsonb, resolved_ip text,
        status_code int, error_code text, detail text, request_headers jsonb, response_headers jsonb,
        response_body text, truncated boolean
    )
    WHERE attempt.delivery_id = outcome.delivery_id AND attempt.number = outcome.number
"""


@transaction.atomic
def record(outcomes: Sequence[Outcome], *, counts: bool = True) -> None:
    """Write finished attempts and their deliveries' new states in one short transaction.

    Tests do not count: they say nothing of their destination's health.

    A delivery that was taken back and claimed again meanwhile keeps its later attempt's state, unless this one
    turns out to have delivered it.
    """
    rows = json.dumps([_row(outcome) for outcome in outcomes])
    with connection.cursor() as cursor:
        cursor.execute(_RECORD_DELIVERIES, [rows])
        cursor.execute(_RECORD_ATTEMPTS, [rows])
    if counts:
        _record_health(outcomes)


def _row(outcome: Outcome) -> dict[str, Any]:
    exchange = outcome.exchange
    return {
        "delivery_id": outcome.claimed.id,
        "number": outcome.claimed.number,
        "state": outcome.state.value,
        "due_at": iso(outcome.due_at) if outcome.due_at else None,
        "finished_at": iso(outcome.finished_at),
        "duration_ms": exchange.duration_ms,
        "timings": exchange.timings,
        "resolved_ip": exchange.resolved_ip,
        "status_code": exchange.status_code,
        "error_code": exchange.error_code,
        "detail": storable(exchange.detail),
        "request_headers": [list(header) for header in outcome.request_headers],
        "response_headers": [[storable(name), storable(value)] for name, value in exchange.response_headers],
        "response_body": storable(exchange.response_body.decode(errors="replace")),
        "truncated": exchange.truncated,
    }


def storable(text: str) -> str:
    """Text that PostgreSQL and UTF-8 can hold: no NUL, no lone surrogates."""
    return text.replace("\0", "�").encode(errors="replace").decode()


def _record_health(outcomes: Sequence[Outcome]) -> None:
    """Note since when a destination has been failing; one that says 410 Gone is disabled."""
    well: set[int] = set()
    ill: dict[int, datetime] = {}
    gone: set[int] = set()
    for outcome in outcomes:
        destination_id = outcome.claimed.destination_id
        if outcome.state == Delivery.State.DELIVERED:
            well.add(destination_id)
        else:
            ill.setdefault(destination_id, outcome.finished_at)
        if outcome.exchange.status_code == GONE:
            gone.add(destination_id)
    present = Destination.objects.present()
    if well:
        present.filter(pk__in=well, failing_since__isnull=False).update(failing_since=None)
    for destination_id in sorted(ill.keys() - well):
        failing = present.filter(pk=destination_id, failing_since__isnull=True)
        failing.update(failing_since=ill[destination_id])
    if gone:
        present.filter(pk__in=gone).update(status=Destination.Status.DISABLED)
