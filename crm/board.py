"""What a board shows: columns with their count and sums, cards in order, and what other parts add to both.

The first cards of each column are read through the index, all columns in one statement, and one grouped query has all
counts and sums. So a board costs nearly the same however many deals it holds. A window function over all columns was
slower from some thousand deals on.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from itertools import islice
from operator import itemgetter, or_
from typing import Any

from django.db.models import Count, Q, Sum
from django.utils import timezone

from crm import formats
from crm.card_fields import CardFields, Row
from crm.cards import Card, card_rows, make_cards
from crm.models import DealQuerySet, Pipeline, Stage
from crm.signals import stage_badges_requested
from crm.timeline import StageBadge, answers_to

PAGE = 25
MOST_LOADED = 500  # cards a column brings back at once when a board catches up


@dataclass(frozen=True, slots=True)
class Totals:
    """Count and sums of the open deals of a stage; `share` is its part, 0 to 100, of the richest stage's sum.

    `stale` of them have been there for longer than the stage allows.
    """

    count: int = 0
    amounts: tuple[tuple[str, Decimal], ...] = ()
    share: int = 0
    stale: int = 0

    @property
    def sums(self) -> str:
        return formats.sums(self.amounts)

    def weighted(self, stage: Stage) -> str:
        """The sums by the stage's probability, short; nothing for stages that promise nothing."""
        if not stage.probability:
            return ""
        return formats.sums(
            [(currency, amount * stage.probability / 100) for currency, amount in self.amounts], short=True
        )

    def is_over(self, stage: Stage) -> bool:
        return stage.card_limit is not None and self.count > stage.card_limit


@dataclass(frozen=True, slots=True)
class Column:
    """A stage with its first cards; `more` says that there are others below."""

    stage: Stage
    totals: Totals
    badge: StageBadge | None
    cards: list[Card]
    more: bool

    @property
    def weighted(self) -> str:
        return self.totals.weighted(self.stage)

    @property
    def is_over(self) -> bool:
        return self.totals.is_over(self.stage)


def board_columns(
    pipeline: Pipeline,
    deals: DealQuerySet,
    fields: CardFields,
    *,
    loaded: Mapping[int, int] | None = None,
) -> list[Column]:
    """The columns of a pipeline with their first cards out of `deals`, which show `fields`.

    `loaded` says for stages, by id, how many cards a browser shows already, to bring back that many.
    """
    stages = list(pipeline.stages.all())
    totals = stage_totals(stages, deals)
    badges = stage_badges(pipeline)
    counts = {stage.pk: min(max(PAGE, (loaded or {}).get(stage.pk, 0)), MOST_LOADED) for stage in stages}
    pages = _first_pages(deals, stages, counts, fields)
    cards = iter(make_cards([row for rows, _more in pages for row in rows], fields))
    return [
        Column(
            stage=stage,
            totals=totals.get(stage.pk, Totals()),
            badge=badges.get(stage.pk),
            cards=list(islice(cards, len(rows))),
            more=more,
        )
        for stage, (rows, more) in zip(stages, pages, strict=True)
    ]


def _first_pages(
    deals: DealQuerySet, stages: Sequence[Stage], counts: Mapping[int, int], fields: CardFields
) -> list[tuple[list[Row], bool]]:
    """The rows of the first cards of each stage, and whether there are more."""
    tops = [
        card_rows(deals.open().filter(stage=stage).in_column_order()[: counts[stage.pk] + 1], fields)
        for stage in stages
    ]
    found: dict[int, list[Row]] = defaultdict(list)
    for row in tops[0].union(*tops[1:], all=True) if tops else ():
        found[row["stage"]].append(row)
    columns = [(sorted(found[stage.pk], key=itemgetter("rank")), counts[stage.pk]) for stage in stages]
    return [(rows[:count], len(rows) > count) for rows, count in columns]


def column_page(
    deals: DealQuerySet, stage: Stage, fields: CardFields, *, count: int = PAGE, after: str = ""
) -> tuple[list[Card], bool]:
    """The cards of `count` open deals of a stage below the rank `after`, and whether there are more."""
    below = deals.open().filter(stage=stage, rank__gt=after).in_column_order()
    rows = list(card_rows(below[: count + 1], fields))
    return make_cards(rows[:count], fields), len(rows) > count


def touched_cards(
    deals: DealQuerySet, deal_ids: Collection[int], pipeline: Pipeline | int, fields: CardFields
) -> list[Card]:
    """Cards of those deals that are (still) on this board."""
    here = deals.open().filter(pk__in=deal_ids, pipeline=pipeline)
    return make_cards(list(card_rows(here, fields)), fields)


def stage_badges(pipeline: Pipeline) -> dict[int, StageBadge]:
    """The bolts of the columns that have one, by their stages' ids."""
    badges: dict[int, StageBadge] = {}
    for answer in answers_to(stage_badges_requested, Pipeline, pipeline=pipeline):
        badges |= answer
    return badges


def stage_totals(stages: Collection[Stage], deals: DealQuerySet) -> dict[int, Totals]:
    """The totals of the stages of one pipeline that hold any of `deals`, by their ids."""
    if not stages:
        return {}
    rows = deals.open().filter(pipeline=next(iter(stages)).pipeline_id).order_by("stage", "currency")
    counted = rows.values("stage", "currency").annotate(
        count=Count("*"), amount=Sum("value"), stale=Count("value", filter=_is_stale(stages, timezone.now()))
    )
    found: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in counted:
        found[row["stage"]].append(row)
    richest = {stage: max(row["amount"] for row in of_stage) for stage, of_stage in found.items()}
    most = max(richest.values(), default=Decimal())
    return {
        stage: Totals(
            count=sum(row["count"] for row in of_stage),
            amounts=tuple((row["currency"], row["amount"]) for row in of_stage),
            share=int(100 * richest[stage] / most) if most else 0,
            stale=sum(row["stale"] for row in of_stage),
        )
        for stage, of_stage in found.items()
    }


def _is_stale(stages: Iterable[Stage], now: datetime) -> Q:
    """As `DealQuerySet.stale`, with the stages' limits written out: a join would read the whole table."""
    limits = [(stage.pk, now - timedelta(days=stage.rotting_days)) for stage in stages if stage.rotting_days]
    return reduce(or_, [Q(stage=pk, stage_entered_at__lte=limit) for pk, limit in limits], Q(pk__in=[]))


def board_summary(stages: Iterable[Stage], totals: Mapping[int, Totals]) -> dict[str, str]:
    """The headline, written out: how many deals are open, worth how much, weighted by their probability, and stale."""
    total: dict[str, Decimal] = defaultdict(Decimal)
    weighted: dict[str, Decimal] = defaultdict(Decimal)
    for stage in stages:
        for currency, amount in totals.get(stage.pk, Totals()).amounts:
            total[currency] += amount
            weighted[currency] += amount * stage.probability / 100
    return {
        "open": formats.number(sum(each.count for each in totals.values())),
        "total": formats.sums(tuple(total.items()), short=True),
        "weighted": formats.sums(tuple(weighted.items()), short=True),
        "stale": formats.number(sum(each.stale for each in totals.values())),
    }
