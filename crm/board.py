"""What a board shows: columns with their count and sums, cards in order, and what other parts add to both.

One indexed query a column reads its first cards, one grouped query all counts and sums. So a board costs nearly the
same however many deals it holds. A window function over all columns was slower from some thousand deals on.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from django.db.models import Count, Sum

from crm import formats
from crm.cards import Card, Row, card_rows, make_cards
from crm.models import DealQuerySet, Pipeline, Stage
from crm.signals import stage_badges_requested
from crm.timeline import StageBadge, answers_to

PAGE = 25
MOST_LOADED = 500  # cards a column brings back at once when a board catches up


@dataclass(frozen=True, slots=True)
class Totals:
    """Count and sums of the open deals of a stage; `share` is its part, 0 to 100, of the richest stage's sum."""

    count: int = 0
    amounts: tuple[tuple[str, Decimal], ...] = ()
    share: int = 0

    @property
    def sums(self) -> str:
        return formats.sums(self.amounts)


@dataclass(frozen=True, slots=True)
class Column:
    """A stage with its first cards; `more` says that there are others below."""

    stage: Stage
    totals: Totals
    badge: StageBadge | None
    cards: list[Card]
    more: bool


def board_columns(
    pipeline: Pipeline, deals: DealQuerySet, *, loaded: Mapping[int, int] | None = None
) -> list[Column]:
    """The columns of a pipeline with their first cards out of `deals`.

    `loaded` says for stages, by id, how many cards a browser shows already, to bring back that many.
    """
    stages = list(pipeline.stages.all())
    totals = stage_totals(pipeline, deals)
    badges = _stage_badges(pipeline)
    pages = [
        column_page(deals, stage, count=min(max(PAGE, (loaded or {}).get(stage.pk, 0)), MOST_LOADED))
        for stage in stages
    ]
    cards = iter(make_cards([row for rows, _more in pages for row in rows]))
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


def column_page(
    deals: DealQuerySet, stage: Stage, *, count: int = PAGE, after: str = ""
) -> tuple[list[Row], bool]:
    """`count` open deals of a stage below the rank `after`, as `make_cards` takes them, and whether there are more."""
    below = deals.open().filter(stage=stage, rank__gt=after).in_column_order()
    rows = card_rows(below[: count + 1])
    return rows[:count], len(rows) > count


def touched_cards(deals: DealQuerySet, deal_ids: Collection[int], pipeline: Pipeline) -> list[Card]:
    """Cards of those deals that are (still) on this board."""
    return make_cards(card_rows(deals.open().filter(pk__in=deal_ids, pipeline=pipeline)))


def _stage_badges(pipeline: Pipeline) -> dict[int, StageBadge]:
    badges: dict[int, StageBadge] = {}
    for answer in answers_to(stage_badges_requested, Pipeline, pipeline=pipeline):
        badges |= answer
    return badges


def stage_totals(pipeline: Pipeline, deals: DealQuerySet) -> dict[int, Totals]:
    rows = deals.open().filter(pipeline=pipeline).order_by("stage", "currency").values("stage", "currency")
    counts: dict[int, int] = defaultdict(int)
    amounts: dict[int, list[tuple[str, Decimal]]] = defaultdict(list)
    for row in rows.annotate(count=Count("pk"), amount=Sum("value")):
        counts[row["stage"]] += row["count"]
        amounts[row["stage"]].append((row["currency"], row["amount"]))
    richest = max((amount for sums in amounts.values() for _currency, amount in sums), default=Decimal())
    return {
        stage: Totals(
            count=count,
            amounts=tuple(amounts[stage]),
            share=int(100 * max(amount for _currency, amount in amounts[stage]) / richest) if richest else 0,
        )
        for stage, count in counts.items()
    }


def board_summary(stages: Iterable[Stage], totals: Mapping[int, Totals]) -> dict[str, str]:
    """The headline, written out: how many deals are open, worth how much, and weighted by their probability."""
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
    }
