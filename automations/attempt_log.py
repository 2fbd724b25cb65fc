"""One line in the log for each finished attempt: ids, codes and milliseconds; no address, no header, no body."""

import logging
from collections.abc import Sequence

from automations.verdicts import Outcome

logger = logging.getLogger("stagehook.attempts")


def log_attempts(outcomes: Sequence[Outcome]) -> None:
    if not logger.isEnabledFor(logging.INFO):
        return
    for outcome in outcomes:
        claimed, exchange = outcome.claimed, outcome.exchange
        answer = exchange.status_code or exchange.error_code
        fields = {
            "delivery": claimed.id,
            "destination": claimed.destination_id,
            "attempt": claimed.number,
            "outcome": outcome.state.value,
            "status_code": exchange.status_code,
            "error_code": exchange.error_code,
            "duration_ms": exchange.duration_ms,
        }
        logger.info(
            "%s to %s, attempt %s: %s, %s, %s ms",
            claimed.id,
            claimed.destination_id,
            claimed.number,
            outcome.state.value,
            answer,
            exchange.duration_ms,
            extra={"fields": fields},
        )
