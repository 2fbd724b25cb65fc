import json
import logging
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from automations.attempt_log import log_attempts
from automations.claims import Claimed
from automations.http import Exchange
from automations.models import Delivery
from automations.verdicts import Outcome
from config.logs import JsonFormatter


def test_an_attempt_is_one_line_without_secrets_bodies_or_addresses(caplog: pytest.LogCaptureFixture) -> None:
    now = datetime.now(UTC)
    claimed = Claimed(
        id="msg_1",
        destination_id=7,
        event="deal.won",
        chain=uuid4(),
        depth=0,
        body=b"the-body",
        number=2,
        run_attempts=2,
        trigger="retry",
        due_at=now,
    )
    exchange = Exchange(status_code=503, response_body=b"the-answer", duration_ms=12)
    headers = [("Authorization", "Bearer the-secret")]
    outcome = Outcome(claimed, exchange, headers, now, Delivery.State.PENDING, now)
    with caplog.at_level(logging.INFO, "stagehook.attempts"):
        log_attempts([outcome])
    (record,) = caplog.records
    line = JsonFormatter().format(record)
    assert "the-" not in line
    assert "http" not in line
    assert json.loads(line) == {
        "time": json.loads(line)["time"],
        "level": "INFO",
        "logger": "stagehook.attempts",
        "message": "msg_1 to 7, attempt 2: pending, 503, 12 ms",
        "delivery": "msg_1",
        "destination": 7,
        "attempt": 2,
        "outcome": "pending",
        "status_code": 503,
        "error_code": "",
        "duration_ms": 12,
    }
