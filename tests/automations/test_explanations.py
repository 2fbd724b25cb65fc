"""Rules, deliveries and destinations in words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone, translation

from automations.explanations import (
    describe_rule,
    explain_answer,
    explain_delivery,
    explain_destination,
    explain_end,
    explain_last_failure,
)
from automations.models import Attempt, Delivery, Destination, Event, Rule
from crm.models import Pipeline, Stage

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HELD = "Events are held for 14 days; switch it on again to have them sent. 38 events wait."


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, "It takes what it is sent."),
        ({"failures_in_row": 1}, "The last request failed."),
        ({"failures_in_row": 3}, "The last 3 requests failed."),
        (
            {"status": "paused"},
            "Paused by hand: nothing is sent until it is switched on again. 38 events wait.",
        ),
        (
            {"status": "failing", "failures_in_row": 6, "probe_at": NOON + timedelta(minutes=125)},
            "Paused until 2:05 p.m. after 6 failures in a row. 38 events wait.",
        ),
        (
            {"status": "failing", "failures_in_row": 15, "probe_at": NOON + timedelta(hours=13)},
            "Paused until 11/25/2026 1 a.m. after 15 failures in a row. 38 events wait.",
        ),
        (
            {"status": "failing", "failures_in_row": 6, "probe_at": NOON},
            "After 6 failures in a row one delivery is being sent to see whether it is well again. 38 events wait.",
        ),
        (
            {"status": "disabled", "status_reason": "gone"},
            f"It was disabled because the receiver answered 410 Gone. {HELD}",
        ),
        (
            {"status": "disabled", "status_reason": "asked"},
            f"It was disabled because the receiver asked for that in its answer. {HELD}",
        ),
        (
            {"status": "disabled", "status_reason": "of_a_later_version"},
            f"It is disabled. {HELD}",
        ),
    ],
)
def test_a_destination_says_how_it_is_and_what_follows(columns: dict[str, Any], said: str) -> None:
    assert explain_destination(Destination(**columns), waiting=38, now=NOON) == said


def test_times_are_told_in_the_readers_zone_and_language() -> None:
    failing = Destination(status="failing", failures_in_row=6, probe_at=NOON + timedelta(minutes=125))
    with timezone.override("America/Sao_Paulo"), translation.override("pt-br"):
        assert "11:05" in explain_destination(failing, waiting=0, now=NOON)


def test_the_last_failure_is_told_in_a_sentence() -> None:
    assert explain_last_failure(Destination()) == ""
    assert explain_last_failure(Destination(last_failure_status=503)) == (
        "The receiver answered 503 Service Unavailable."
    )
    assert explain_last_failure(Destination(last_failure_error="dns_failed")) == (
        "No address was found for the host name."
    )


def test_a_payload_that_could_not_be_sent_says_why() -> None:
    too_large = Delivery(state="failed", error_code="payload_too_large")
    broken = Delivery(state="failed", error_code="payload_failed")
    said = [explain_delivery(delivery, last=None, now=NOON) for delivery in (too_large, broken)]
    assert said == [
        "Nothing was sent: the payload was larger than 256 KiB.",
        "Nothing was sent: the rule's payload could not be built for this deal.",
    ]
    assert [explain_end(delivery) for delivery in (too_large, broken)] == said


def test_a_delivery_says_until_when_it_is_held() -> None:
    failing = Destination(status="failing", probe_at=NOON + timedelta(minutes=4))
    delivery = Delivery(state="pending", destination=failing, due_at=NOON)
    assert explain_delivery(delivery, last=None, now=NOON) == (
        "It is held because the destination is failing; the next try of one delivery is in 4 minutes."
    )
    failing.probe_at = NOON
    assert explain_delivery(delivery, last=Attempt(status_code=500, finished_at=NOON), now=NOON) == (
        "The receiver answered 500 Internal Server Error."
        " The destination is failing: one delivery is being sent to see whether it is well again."
    )


def test_a_delivery_for_later_says_when() -> None:
    delivery = Delivery(state="pending", destination=Destination(), due_at=NOON + timedelta(days=3))
    assert explain_delivery(delivery, last=None, now=NOON) == "It is to be sent in 3 days."


@pytest.mark.parametrize(
    ("event", "days", "said"),
    [
        (Event.DEAL_STALE, 1, "When a deal has been in Proposal for 1 day"),
        (Event.DEAL_STALE, 14, "When a deal has been in Proposal for 14 days"),
        (Event.SUBSCRIPTION_RENEWAL_DUE, 0, "On the day a subscription renews in Proposal"),
        (Event.SUBSCRIPTION_RENEWAL_DUE, 30, "30 days before a subscription renews in Proposal"),
        (Event.CALL_RECORDED, None, "When a call is recorded in Proposal"),
    ],
)
def test_a_rule_for_what_comes_with_time_names_its_days(event: Event, days: int | None, said: str) -> None:
    stage = Stage(name="Proposal", pipeline=Pipeline(name="Sales"))
    assert describe_rule(Rule(event=event, days=days, stage=stage, pipeline=stage.pipeline)) == said


def test_an_interrupted_attempt_is_told_as_what_it_is() -> None:
    told = explain_answer(status=None, error="interrupted")
    assert told == "The worker ended during the request; whether it arrived is not known."


def test_a_stay_of_no_days_is_told_without_a_count() -> None:
    rule = Rule(event=Event.DEAL_STALE, days=0, stage=Stage(name="Proposal"))
    assert describe_rule(rule) == "As soon as a deal is in Proposal"
    with translation.override("pt-br"):
        assert describe_rule(rule) == "Assim que um negócio está em Proposal"
