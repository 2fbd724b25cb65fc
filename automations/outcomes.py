"""Writing down in groups what became of finished attempts, of their deliveries and of their destinations."""

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from automations import tallies
from automations.attempt_log import log_attempts
from automations.health import record_health
from automations.models import Delivery
from automations.verdicts import Outcome
from crm.announcements import announce_bolts

_RECORD = """
WITH outcome AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%s) AS outcome(
        delivery_id text, number int, state text, due_at timestamptz, finished_at timestamptz, reason text,
        duration_ms int, timings jsonb, resolved_ip text, status_code int, error_code text, detail text,
        request_headers jsonb, response_headers jsonb, response_body text, truncated boolean
    )
), attempted AS (
    UPDATE automations_attempt AS attempt
    SET finished_at = outcome.finished_at, duration_ms = outcome.duration_ms, timings = outcome.timings,
        resolved_ip = outcome.resolved_ip, status_code = outcome.status_code, error_code = outcome.error_code,
        detail = outcome.detail, request_headers = outcome.request_headers,
        response_headers = outcome.response_headers, response_body = outcome.response_body,
        truncated = outcome.truncated
    FROM outcome WHERE attempt.delivery_id = outcome.delivery_id AND attempt.number = outcome.number
)
UPDATE automations_delivery AS delivery
SET state = outcome.state, due_at = coalesce(outcome.due_at, delivery.due_at),
    delivered_at = CASE WHEN outcome.state = 'delivered' THEN outcome.finished_at END,
    leased_until = NULL, leased_by = NULL,
    status_code = outcome.status_code, error_code = outcome.error_code,
    reason = coalesce(nullif(outcome.reason, ''), delivery.reason)
FROM outcome
WHERE delivery.id = outcome.delivery_id
AND (delivery.attempts_made = outcome.number AND delivery.state <> 'cancelled'
    OR outcome.state = 'delivered' AND delivery.state <> 'delivered')
RETURNING delivery.deal_id, delivery.rule_id, outcome.state, outcome.number
"""


@transaction.atomic
def record(outcomes: Sequence[Outcome], *, counts: bool = True) -> None:
    """Write finished attempts and their deliveries' new states in one short transaction.

    Tests do not count: they say nothing of their destination's health.

    A delivery that was taken back and claimed again meanwhile keeps its later attempt's state, unless this one
    turns out to have delivered it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, [json.dumps([_row(outcome) for outcome in outcomes])])
        ended = cursor.fetchall()
    if counts:
        record_health(outcomes, now=timezone.now())
        tallies.count(outcomes, states=[(rule_id, state) for _deal_id, rule_id, state, _number in ended])
        announce_bolts(
            {deal_id for deal_id, _rule, state, number in ended if deal_id and _shows(state, number)}
        )
    transaction.on_commit(lambda: log_attempts(outcomes))


def _shows(state: str, number: int) -> bool:
    """Whether a card says something new of an attempt: not while one retry fails like the other."""
    return state != Delivery.State.PENDING or number == 1


def _row(outcome: Outcome) -> dict[str, Any]:
    exchange = outcome.exchange
    return {
        "delivery_id": outcome.claimed.id,
        "number": outcome.claimed.number,
        "state": outcome.state.value,
        "due_at": outcome.due_at and outcome.due_at.isoformat(),
        "finished_at": outcome.finished_at.isoformat(),
        "duration_ms": exchange.duration_ms,
        "timings": exchange.timings,
        "resolved_ip": exchange.resolved_ip,
        "status_code": exchange.status_code,
        "error_code": exchange.error_code,
        "reason": outcome.reason,
        "detail": storable(exchange.detail),
        "request_headers": outcome.request_headers,
        "response_headers": exchange.response_headers,
        "response_body": storable(exchange.response_body.decode(errors="replace")),
        "truncated": exchange.truncated,
    }


def storable(text: str) -> str:
    """Text that PostgreSQL and UTF-8 can hold: no NUL, no lone surrogates."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()
