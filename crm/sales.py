"""What a pipeline brings in: what is open by stage, what was won by month and by whom, and how deals pass its stages.

Each figure is one query, over the open deals or over what was moved and closed since a day, from indexes. Nothing is
converted: amounts are kept apart by currency.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Sum
from django.db.models.functions import TruncMonth
from django.utils import timezone

from crm import formats
from crm.models import Deal, Pipeline


@dataclass(slots=True)
class Amounts:
    """Some deals: how many, and what they are worth by currency."""

    count: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return formats.sums(list(self.sums.items())) or "–"


@dataclass(frozen=True, slots=True)
class Passage:
    """How deals passed a stage: so many went on (to a later one, or were won), so many were lost there."""

    went_on: int = 0
    lost: int = 0
    stay: timedelta | None = None  # the median of those that left


def open_by_stage(pipeline: Pipeline) -> dict[int, Amounts]:
    rows = pipeline.deals.filter(status=Deal.Status.OPEN).order_by().values("stage", "currency")
    return _amounts(rows, key="stage")


def won_by_month(pipeline: Pipeline, *, today: date, months: int = 12) -> dict[date, Amounts]:
    """The months of the reader's calendar that end with this one, oldest first."""
    firsts = [_month(today, back) for back in reversed(range(months))]
    won = _won(pipeline, since=_begin(firsts[0])).annotate(month=TruncMonth("closed_at"))
    found = _amounts(won.values("month", "currency"), key="month")
    by_month = {month.date(): amounts for month, amounts in found.items()}
    return {first: by_month.get(first, Amounts()) for first in firsts}


def won_by_owner(pipeline: Pipeline, *, since: datetime) -> dict[str, Amounts]:
    """By the owners' names; "" for deals that nobody owns."""
    rows = _won(pipeline, since=since).values("owner__name", "currency")
    return {name or "": amounts for name, amounts in _amounts(rows, key="owner__name").items()}


def _won(pipeline: Pipeline, *, since: datetime) -> Any:
    return pipeline.deals.filter(status=Deal.Status.WON, closed_at__gte=since).order_by()


def _amounts(rows: Any, *, key: str) -> dict[Any, Amounts]:
    found: dict[Any, Amounts] = defaultdict(Amounts)
    for row in rows.annotate(count=Count("pk"), amount=Sum("value")):
        amounts = found[row[key]]
        amounts.count += row["count"]
        amounts.sums[row["currency"]] = row["amount"]
    return dict(found)


def main_currency(several: Iterable[Amounts]) -> str:
    """The one that most is worth in; "" where there is nothing."""
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for amounts in several:
        for currency, amount in amounts.sums.items():
            totals[currency] += amount
    return max(totals, key=lambda currency: totals[currency], default="")


_PASSAGES = """
    WITH stays AS (
        SELECT (move.before ->> 'id')::bigint AS stage_id, (move.after ->> 'id')::bigint AS next_id, '' AS status,
            move.at - coalesce(former.at, deal.created_at) AS stay
        FROM crm_change AS move
        JOIN crm_deal AS deal ON deal.id = move.object_id
        LEFT JOIN LATERAL (
            SELECT at FROM crm_change
            WHERE entity = 'deal' AND object_id = move.object_id AND at < move.at AND field = 'stage'
            ORDER BY at DESC
            LIMIT 1
        ) AS former ON true
        WHERE move.entity = 'deal' AND move.field = 'stage' AND move.at >= %(since)s
        UNION ALL
        SELECT stage_id, NULL, status, greatest(closed_at - stage_entered_at, interval '0')
        FROM crm_deal
        WHERE status <> 'open' AND closed_at >= %(since)s AND pipeline_id = %(pipeline)s
    )
    SELECT stays.stage_id,
        count(*) FILTER (WHERE stays.status = 'won' OR next.position > stage.position),
        count(*) FILTER (WHERE stays.status = 'lost'),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY stays.stay)
    FROM stays
    JOIN crm_stage AS stage ON stage.id = stays.stage_id AND stage.pipeline_id = %(pipeline)s
    LEFT JOIN crm_stage AS next ON next.id = stays.next_id AND next.pipeline_id = %(pipeline)s
    GROUP BY stays.stage_id
"""


def passages(pipeline: Pipeline, *, since: datetime) -> dict[int, Passage]:
    """By stage, of the deals that left it since then."""
    with connection.cursor() as cursor:
        cursor.execute(_PASSAGES, {"since": since, "pipeline": pipeline.pk})
        return {stage_id: Passage(*rest) for stage_id, *rest in cursor.fetchall()}


def _month(today: date, back: int) -> date:
    months = today.year * 12 + today.month - 1 - back
    return date(months // 12, months % 12 + 1, 1)


def _begin(day: date) -> datetime:
    return timezone.make_aware(datetime(day.year, day.month, day.day))  # noqa: DTZ001  # made aware at once
