"""What is expected month by month: open deals by their expected close, weighted by their stage's probability, and
beside them what was won. Nothing is converted: each currency has a forecast of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, ExpressionWrapper, F, Sum
from django.db.models.functions import TruncMonth
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import formats
from crm.models import Deal, DealQuerySet

BACK, AHEAD = 2, 9  # months shown before and after this one
OVERDUE, LATER, NO_DATE = "overdue", "later", "none"


@dataclass(slots=True)
class Bucket:
    """A month, or what lies outside of the months. `won` counts by the day of closing, the rest by the expected one."""

    key: str
    label: str
    count: int = 0
    total: Decimal = Decimal()
    weighted: Decimal = Decimal()
    won_count: int = 0
    won: Decimal = Decimal()


@dataclass(frozen=True, slots=True)
class Forecast:
    currency: str
    buckets: list[Bucket] = field(default_factory=list)

    @property
    def total(self) -> Bucket:
        """All buckets added up."""
        total = Bucket(key="total", label=_("Total"))
        for name in ("count", "total", "weighted", "won_count", "won"):
            parts = [getattr(bucket, name) for bucket in self.buckets]
            setattr(total, name, sum(parts, start=type(parts[0])()))
        return total


def forecasts(deals: DealQuerySet, *, today: date) -> list[Forecast]:
    """A forecast per currency, the one with most deals first. Two queries, whatever the number of deals."""
    first = _month(today, -BACK)
    expected, won = _expected(deals), _won(deals, since=first)
    sizes: dict[str, int] = {}
    for row in [*expected, *won]:
        sizes[row["currency"]] = sizes.get(row["currency"], 0) + row["count"]
    return [
        _forecast(currency, expected, won, today=today)
        for currency in sorted(sizes, key=lambda each: -sizes[each])
    ]


def _expected(deals: DealQuerySet) -> list[Any]:
    weighted = ExpressionWrapper(F("value") * F("stage__probability") / 100, output_field=DecimalField())
    rows = deals.open().order_by().annotate(month=TruncMonth("expected_close_on")).values("month", "currency")
    return list(rows.annotate(count=Count("pk"), total=Sum("value"), weighted=Sum(weighted)))


def _won(deals: DealQuerySet, *, since: date) -> list[Any]:
    begin = timezone.make_aware(datetime(since.year, since.month, 1))  # noqa: DTZ001  # made aware at once
    rows = deals.filter(status=Deal.Status.WON, closed_at__gte=begin).order_by()
    by_month = rows.annotate(month=TruncMonth("closed_at")).values("month", "currency")
    return list(by_month.annotate(count=Count("pk"), total=Sum("value")))


def _forecast(
    currency: str, expected: Sequence[Mapping[str, Any]], won: Sequence[Mapping[str, Any]], *, today: date
) -> Forecast:
    buckets = _buckets(today)
    for row in expected:
        if row["currency"] == currency:
            bucket = buckets[_key(row["month"], today=today)]
            bucket.count += row["count"]
            bucket.total += row["total"]
            bucket.weighted += round(row["weighted"], 2)
    for row in won:
        key = f"{row['month']:%Y-%m}"
        if row["currency"] == currency and key in buckets:
            buckets[key].won_count, buckets[key].won = row["count"], row["total"]
    return Forecast(currency=currency, buckets=list(buckets.values()))


def _buckets(today: date) -> dict[str, Bucket]:
    """The months in order, with what is overdue before this one, and what lies beyond at the end."""
    labels = {f"{month:%Y-%m}": formats.month(month) for month in _months(today)}
    before = dict(list(labels.items())[:BACK])
    after = dict(list(labels.items())[BACK:])
    named = {**before, OVERDUE: _("Overdue"), **after, LATER: _("Later"), NO_DATE: _("No date")}
    return {key: Bucket(key=key, label=label) for key, label in named.items()}


def _key(month: date | None, *, today: date) -> str:
    if month is None:
        return NO_DATE
    if month < today.replace(day=1):
        return OVERDUE
    return LATER if month > _month(today, AHEAD) else f"{month:%Y-%m}"


def _months(today: date) -> list[date]:
    return [_month(today, distance) for distance in range(-BACK, AHEAD + 1)]


def _month(today: date, distance: int) -> date:
    """The first day of the month that many months away."""
    months = today.year * 12 + today.month - 1 + distance
    return date(months // 12, months % 12 + 1, 1)
