"""What is kept of an endpoint's hours: counted when they are over, and anew when something of them changes."""

from datetime import UTC, datetime, timedelta

import pytest

from config.insights.receiving import worst_endpoints
from webhooks.hours import keep_last_day, last_day, totals
from webhooks.models import EndpointHour, InboundEndpoint, InboundRequest
from webhooks.requests import apply_request, restart

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
TEN = NOW.replace(hour=10, minute=0)
State, Reason = InboundRequest.State, InboundRequest.Reason


def came(endpoint: InboundEndpoint, at: datetime, state: str) -> InboundRequest:
    return InboundRequest.objects.create(
        endpoint=endpoint,
        received_at=at,
        state=state,
        reason=Reason.INVALID if state == State.REJECTED else "",
        dedupe_key=f"{at} {state}",
        content_type="application/json",
        body=b'{"deal": {"title": "An order"}}',
    )


def counts(endpoint: InboundEndpoint, *, now: datetime = NOW) -> dict[int, tuple[int, int, int]]:
    hours = last_day(endpoint_ids=[endpoint.pk], now=now)[endpoint.pk]
    assert len(hours) == 24
    return {hour.since.hour: (hour.applied, hour.refused, hour.others) for hour in hours if hour.taken}


@pytest.fixture
def rejected(endpoint: InboundEndpoint) -> InboundRequest:
    for minute, state in enumerate((State.APPLIED, State.APPLIED, State.FAILED, State.IGNORED)):
        came(endpoint, TEN + timedelta(minutes=minute), state)
    came(endpoint, NOW, State.APPLIED)
    return came(endpoint, TEN + timedelta(minutes=59), State.REJECTED)


def test_hours_that_are_over_are_kept_and_the_present_one_is_counted(
    endpoint: InboundEndpoint, rejected: InboundRequest
) -> None:
    assert counts(endpoint) == {10: (2, 2, 1), 12: (1, 0, 0)}
    InboundRequest.objects.all().delete()
    assert counts(endpoint) == {10: (2, 2, 1)}
    assert set(EndpointHour.objects.values_list("hour__hour", flat=True)) == {
        hour for hour in range(24) if hour != 12
    }


def test_an_hour_is_kept_only_when_all_that_came_in_it_is_surely_stored(endpoint: InboundEndpoint) -> None:
    early = TEN + timedelta(hours=1, minutes=4)
    assert counts(endpoint, now=early) == {}
    came(endpoint, TEN + timedelta(minutes=59), State.APPLIED)  # stored late
    assert counts(endpoint, now=early) == {10: (1, 0, 0)}
    assert not EndpointHour.objects.filter(hour=TEN).exists()
    counts(endpoint, now=early + timedelta(minutes=1))
    assert EndpointHour.objects.get(hour=TEN).applied == 1


def test_what_is_applied_later_is_counted_anew(endpoint: InboundEndpoint, rejected: InboundRequest) -> None:
    keep_last_day(now=NOW)
    assert EndpointHour.objects.get(hour=TEN).refused == 2
    restart(rejected, now=NOW)
    request = InboundRequest.objects.get(pk=rejected.pk)
    assert apply_request(request=request, now=NOW).state == State.APPLIED
    assert not EndpointHour.objects.filter(hour=TEN).exists()
    assert counts(endpoint)[10] == (3, 1, 1)


def test_the_worst_endpoints_are_told_by_all_they_received(
    endpoint: InboundEndpoint, rejected: InboundRequest
) -> None:
    quiet = InboundEndpoint.objects.create(name="Quiet", verification={"scheme": "none"})
    came(quiet, TEN, State.APPLIED)
    assert {pk: each.taken for pk, each in totals(since=TEN, now=NOW).items()} == {
        endpoint.pk: 6,
        quiet.pk: 1,
    }
    (worst,) = worst_endpoints(since=TEN, now=NOW)
    assert (worst.name, worst.taken) == ("Omie", "6")
    assert worst.refused.startswith("33")
