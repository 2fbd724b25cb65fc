"""What is counted of a destination hour by hour, and what is read of it."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from automations import tallies
from automations.destinations import create_destination
from automations.hours import BOUNDS, Stretch, last_day, last_month, total
from automations.models import Destination, HourTally
from automations.retention import cut
from tests.automations.outcomes import outcome_at

NOON = datetime(2026, 11, 24, 12, 30, tzinfo=ZoneInfo("America/Sao_Paulo"))


def count(destination: Destination, *outcomes: tuple[str, float, int]) -> None:
    """Outcomes as state, hours ago and ms."""
    tallies.count(
        [outcome_at(destination, state, ago=timedelta(hours=ago), ms=ms) for state, ago, ms in outcomes]
    )


def counts(stretches: list[Stretch]) -> list[tuple[int, int, int]]:
    return [(each.delivered, each.retried, each.failed) for each in stretches]


@time_machine.travel(NOON, tick=False)
def test_attempts_are_counted_by_destination_and_hour(destination: Destination) -> None:
    other = create_destination(fields={"name": "Chat", "url": destination.url})
    count(destination, ("delivered", 0, 10), ("pending", 0, 10), ("delivered", 1, 10))
    count(destination, ("failed", 0, 10), ("delivered", 23, 10), ("delivered", 24, 10))
    count(other, ("delivered", 0, 10))
    day = last_day(now=timezone.now(), destination=destination)
    assert len(day) == 24
    assert counts([day[0], day[-2], day[-1]]) == [(1, 0, 0), (1, 0, 0), (1, 1, 1)]
    assert total(day).attempts == 5
    assert total(last_day(now=timezone.now())).attempts == 6


@time_machine.travel(NOON, tick=False)
def test_a_month_is_read_by_the_days_of_the_reader(destination: Destination) -> None:
    count(
        destination,
        ("delivered", 12, 10),
        ("failed", 13, 10),
        ("failed", 29 * 24, 10),
        ("failed", 31 * 24, 10),
    )
    with timezone.override(NOON.tzinfo):
        month = last_month(now=timezone.now(), destination=destination)
    assert (len(month), month[-1].since.hour) == (30, 0)
    assert counts([month[0], month[-2], month[-1]]) == [(0, 0, 1), (0, 0, 1), (1, 0, 0)]


@pytest.mark.parametrize("ms", [0, 3, 184, 2_900, 29_000, 59_000])
def test_a_percentile_is_at_most_15_percent_off(destination: Destination, ms: int) -> None:
    count(destination, *[("delivered", 0, 1)] * 4, *[("delivered", 0, ms)] * 5, ("delivered", 0, 70_000))
    day = total(last_day(now=timezone.now(), destination=destination))
    assert day.percentile(50) == pytest.approx(ms, rel=0.15, abs=1)
    assert day.percentile(100) == BOUNDS[-1]
    assert Stretch(timezone.now()).percentile(50) is None


def test_counts_go_with_the_deliveries_they_are_of(destination: Destination) -> None:
    count(destination, ("delivered", 0, 10), ("delivered", 181 * 24, 10))
    cut(now=timezone.now())
    assert HourTally.objects.get().hour > timezone.now() - timedelta(hours=2)
