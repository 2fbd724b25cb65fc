"""What an exchange means for its delivery: an Outcome, decided without a look at the database.

A receiver may say more than its status does, in a header of its answer: `webhook-delivery: abort-message` has this one
delivery given up, `webhook-delivery: disable` has nothing sent to it any more.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from automations.claims import Claimed
from automations.http import Exchange
from automations.models import Delivery, Destination
from automations.schedule import next_delay, parse_retry_after

GONE = 410
ABORTED = "aborted_by_receiver"
# Client errors that pass: the receiver was slow, too early or too busy.
PASSING_CLIENT_ERRORS = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished attempt and what follows from it: the delivery's next state and, while pending, when it is due.

    Of what is given up `due_at` says when that was: a delivery may have been held for days before.
    """

    claimed: Claimed
    exchange: Exchange
    request_headers: Sequence[tuple[str, str]]
    finished_at: datetime
    state: Delivery.State
    due_at: datetime | None
    reason: str = ""

    @property
    def is_sign_of_life(self) -> bool:
        """Whether the receiver is well: it took the message, or turned down this one by name."""
        return self.state == Delivery.State.DELIVERED or self.reason == ABORTED

    @property
    def asks_to_disable(self) -> bool:
        return header(self.exchange, "webhook-delivery").lower() == "disable"


def judge(
    claimed: Claimed,
    exchange: Exchange,
    *,
    destination: Destination,
    request_headers: Sequence[tuple[str, str]],
    now: datetime,
) -> Outcome:
    """2xx is delivered; 410, the receiver's wish and a used-up schedule give up; everything else waits for a retry."""
    state, reason = Delivery.State.FAILED, ""
    due_at: datetime | None = now
    if exchange.succeeded:
        state, due_at = Delivery.State.DELIVERED, None
    elif header(exchange, "webhook-delivery").lower() == "abort-message":
        reason = ABORTED
    elif (
        not _is_final(exchange, destination)
        and (delay := _delay(claimed, exchange, destination, now)) is not None
    ):
        state, due_at = Delivery.State.PENDING, now + delay
    return Outcome(
        claimed=claimed,
        exchange=exchange,
        request_headers=request_headers,
        finished_at=now,
        state=state,
        due_at=due_at,
        reason=reason,
    )


def _delay(claimed: Claimed, exchange: Exchange, destination: Destination, now: datetime) -> timedelta | None:
    return next_delay(
        destination.retry_schedule,
        attempts=claimed.run_attempts,
        chance=random.random(),  # noqa: S311  # spreads retries, guards nothing
        retry_after=_retry_after(exchange, now),
    )


def header(exchange: Exchange, name: str) -> str:
    """The value of an answer's header, its first one where there are several; "" where there is none."""
    for given, value in exchange.response_headers:
        if given.lower() == name:
            return value.strip()
    return ""


def _is_final(exchange: Exchange, destination: Destination) -> bool:
    status = exchange.status_code or 0
    refused = 400 <= status < 500 and status not in PASSING_CLIENT_ERRORS
    return status == GONE or (refused and destination.stop_on_4xx)


def _retry_after(exchange: Exchange, now: datetime) -> timedelta | None:
    return parse_retry_after(header(exchange, "retry-after"), now=now)
