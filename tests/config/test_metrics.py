from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.test import Client

from automations import tallies
from automations.claims import Claimed
from automations.destinations import create_destination
from automations.http import Exchange
from automations.models import Delivery, Destination
from automations.verdicts import Outcome

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def outcome(
    destination: Destination, state: Delivery.State, *, code: int, after: float, number: int = 1
) -> Outcome:
    claimed = Claimed(
        id="msg_1",
        destination_id=destination.pk,
        event="deal.won",
        chain=uuid4(),
        depth=0,
        body=b"{}",
        number=number,
        run_attempts=number,
        trigger="initial",
        due_at=NOON,
    )
    exchange = Exchange(status_code=code, duration_ms=100)
    finished_at = NOON + timedelta(seconds=after, milliseconds=100)
    return Outcome(claimed, exchange, [], finished_at, state, None)


@pytest.mark.django_db
def test_metrics_count_outcomes_codes_and_the_time_to_the_first_attempt(client: Client) -> None:
    destination = create_destination(fields={"name": "ERP", "url": "http://127.0.0.1/hook"})
    tallies.count([outcome(destination, Delivery.State.DELIVERED, code=200, after=0.02)])
    tallies.count(
        [
            outcome(destination, Delivery.State.DELIVERED, code=200, after=2),
            outcome(destination, Delivery.State.FAILED, code=503, after=9, number=2),
        ]
    )
    lines = client.get("/metrics").content.decode().splitlines()
    expected = [
        'stagehook_deliveries_total{outcome="delivered"} 2.0',
        'stagehook_deliveries_total{outcome="failed"} 1.0',
        'stagehook_attempts_total{code="503"} 1.0',
        'stagehook_first_attempt_seconds_bucket{le="0.025"} 1.0',
        'stagehook_first_attempt_seconds_bucket{le="+Inf"} 2.0',
        "stagehook_first_attempt_seconds_count 2.0",
        "stagehook_due_deliveries 0.0",
        f'stagehook_destination_state{{id="{destination.pk}",state="active"}} 1.0',
    ]
    assert [line for line in expected if line not in lines] == []
