"""How destinations fared, hour by hour: outcomes of attempts and how long these took.

Durations are kept as a histogram with eight steps to each power of ten, so that hours can be added up and a percentile
of any stretch of time is at most 15 % off, at forty numbers an hour.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, Self, TypeAlias

from django.utils import timezone

from automations.models import Delivery, HourTally
from automations.verdicts import Outcome

STEPS = 8  # to each power of ten
LONGEST = 60_000  # ms: longer than any time limit
BOUNDS = sorted({min(round(10 ** (step / STEPS)), LONGEST) for step in range(5 * STEPS)})
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

# To be part of the statement that counts for Prometheus, since both are written with each group of outcomes.
ADD = """
    INSERT INTO automations_hourtally AS tally (destination_id, hour, delivered, retried, failed, durations)
    SELECT * FROM jsonb_to_recordset(%s) AS added(
        destination_id bigint, hour timestamptz, delivered int, retried int, failed int, durations int[]
    )
    ON CONFLICT (destination_id, hour) DO UPDATE SET
        delivered = tally.delivered + excluded.delivered,
        retried = tally.retried + excluded.retried,
        failed = tally.failed + excluded.failed,
        durations = ARRAY(
            SELECT former + added FROM unnest(tally.durations, excluded.durations)
            WITH ORDINALITY AS step(former, added, place) ORDER BY place
        )
"""
_Row: TypeAlias = Sequence[Any]  # delivered, retried, failed, and the durations
_NAMES = {
    Delivery.State.DELIVERED: "delivered",
    Delivery.State.PENDING: "retried",
    Delivery.State.FAILED: "failed",
}


@dataclass(slots=True)
class Stretch:
    """Attempts of a stretch of time from `since` on: what they made of their deliveries, and their durations."""

    since: datetime
    delivered: int = 0
    retried: int = 0
    failed: int = 0
    durations: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))

    @property
    def attempts(self) -> int:
        return self.delivered + self.retried + self.failed

    def add(self, other: Self | HourTally) -> None:
        self.delivered += other.delivered
        self.retried += other.retried
        self.failed += other.failed
        self.durations = [mine + its for mine, its in zip(self.durations, other.durations, strict=True)]

    def percentile(self, percent: int) -> int | None:
        """So many ms did `percent` of the attempts take at most; None where there was none."""
        total = sum(self.durations)
        if not total:
            return None
        place = bisect_left(list(accumulate(self.durations)), total * percent / 100)
        lower = BOUNDS[place - 1] if place else 0
        return round((lower + BOUNDS[place]) / 2) if place < len(BOUNDS) else BOUNDS[-1]


def added_rows(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """What a group of outcomes adds, for ADD: in one order, so that two workers wait for each other and no more."""
    stretches: dict[tuple[int, datetime], Stretch] = {}
    for outcome in outcomes:
        hour = _hour_of(outcome.finished_at)
        stretch = stretches.setdefault((outcome.claimed.destination_id, hour), Stretch(hour))
        name = _NAMES[outcome.state]
        setattr(stretch, name, getattr(stretch, name) + 1)
        stretch.durations[bisect_left(BOUNDS, outcome.exchange.duration_ms)] += 1
    return [
        {
            "destination_id": destination_id,
            "hour": hour.isoformat(),
            "delivered": stretch.delivered,
            "retried": stretch.retried,
            "failed": stretch.failed,
            "durations": stretch.durations,
        }
        for (destination_id, hour), stretch in sorted(stretches.items(), key=lambda item: item[0])
    ]


def last_day(*, now: datetime, **of: Any) -> list[Stretch]:
    """The 24 hours that end with the present one, of the destinations that `of` names."""
    return _stretches([_hour_of(now) - HOUR * back for back in reversed(range(24))], of)


def last_month(*, now: datetime, **of: Any) -> list[Stretch]:
    """The 30 days of the reader's calendar that end with today."""
    return _stretches(days_until(now, count=30), of)


def hours_of_today(now: datetime) -> list[datetime]:
    """When each hour of the reader's day began, up to the present one."""
    first, this = _hour_of(days_until(now, count=1)[0].astimezone(UTC)), _hour_of(now)
    return [first + HOUR * ahead for ahead in range((this - first) // HOUR + 1)]


def days_until(now: datetime, *, count: int) -> list[datetime]:
    """When each of so many days of the reader's calendar began, the last of them today."""
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return [timezone.make_aware(today.replace(tzinfo=None) - DAY * back) for back in reversed(range(count))]


def of_all(starts: Sequence[datetime]) -> tuple[list[Stretch], dict[int, Stretch]]:
    """What all destinations did in stretches that begin like this, and in all of that time each by its id."""
    by_start: dict[datetime, list[_Row]] = {start: [] for start in starts}
    by_destination: dict[int, list[_Row]] = defaultdict(list)
    columns = ("destination", "hour", "delivered", "retried", "failed", "durations")
    for destination_id, hour, *row in HourTally.objects.filter(hour__gte=starts[0]).values_list(*columns):
        by_start[starts[bisect_right(starts, hour) - 1]].append(row)
        by_destination[destination_id].append(row)
    stretches = [_summed(start, rows) for start, rows in by_start.items()]
    return stretches, {pk: _summed(starts[0], rows) for pk, rows in by_destination.items()}


def _summed(since: datetime, rows: Sequence[_Row]) -> Stretch:
    """Column by column, which is several times as fast as adding stretches where there are thousands."""
    if not rows:
        return Stretch(since)
    delivered, retried, failed, durations = zip(*rows, strict=True)
    steps = [sum(step) for step in zip(*durations, strict=True)]
    return Stretch(since, sum(delivered), sum(retried), sum(failed), steps)


def total(stretches: Sequence[Stretch]) -> Stretch:
    whole = Stretch(stretches[0].since)
    for stretch in stretches:
        whole.add(stretch)
    return whole


def _hour_of(at: datetime) -> datetime:
    """Hours begin alike all over the world, save where a zone is off by half of one."""
    return at.replace(minute=0, second=0, microsecond=0)


def _stretches(starts: Sequence[datetime], of: Mapping[str, Any]) -> list[Stretch]:
    stretches = [Stretch(start) for start in starts]
    for row in HourTally.objects.filter(hour__gte=starts[0], **of):
        stretches[bisect_right(starts, row.hour) - 1].add(row)
    return stretches
