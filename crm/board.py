"""What a board shows: columns with their count and sums, cards in order, and what other parts add to both.

One indexed query a column reads its first cards and one grouped query all counts and sums; what stands on the cards
(tags, next activities, badges) is read for all of them at once. So a board costs the same however many deals it
holds. A window function over all columns was slower from some thousand deals on.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum, prefetch_related_objects
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import formats
from crm.models import Activity, Deal, DealQuerySet, Pipeline, Stage
from crm.signals import card_badges_requested, stage_badges_requested
from crm.timeline import CardBadge, StageBadge, answers_to

PAGE = 25
MOST_LOADED = 500  # cards a column brings back at once when a board catches up
_CARD_FIELDS = (
    *(
        "title",
        "value",
        "currency",
        "rank",
        "version",
        "status",
        "stage_id",
        "pipeline_id",
        "stage_entered_at",
    ),
    *("company__name", "owner__name"),
)


@dataclass(frozen=True, slots=True)
class Card:
    """A deal with everything its card says. `rot` is 0, 1 (past the stage's limit) or 2 (past twice the limit)."""

    deal: Deal
    days: int
    rot: int
    activity: Activity | None
    due: str
    due_state: str
    badge: CardBadge | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Count and sums of the open deals of a stage; `share` is its part, 0 to 100, of the richest stage's sum."""

    count: int = 0
    amounts: tuple[tuple[str, Decimal], ...] = ()
    share: int = 0

    @property
    def sums(self) -> str:
        return formats.sums(self.amounts)


@dataclass(slots=True)
class Column:
    stage: Stage
    totals: Totals
    badge: StageBadge | None
    cards: list[Card] = field(default_factory=list)
    more: bool = False


def board_columns(
    pipeline: Pipeline, deals: DealQuerySet, *, loaded: Mapping[int, int] | None = None
) -> list[Column]:
    """The columns of a pipeline with their first cards out of `deals`.

    `loaded` says for stages, by id, how many cards a browser shows already, to bring back that many.
    """
    stages = list(pipeline.stages.all())
    totals = stage_totals(pipeline, deals)
    badges: dict[int, StageBadge] = _answers(stage_badges_requested, Pipeline, pipeline=pipeline)
    columns, shown = [], []
    for stage in stages:
        count = min(max(PAGE, (loaded or {}).get(stage.pk, 0)), MOST_LOADED)
        rows, more = column_page(deals, stage, count=count)
        columns.append(Column(stage, totals.get(stage.pk, Totals()), badges.get(stage.pk), more=more))
        shown.append(rows)
    cards = iter(make_cards([deal for rows in shown for deal in rows], stages))
    for column, rows in zip(columns, shown, strict=True):
        column.cards = [next(cards) for _deal in rows]
    return columns


def column_page(
    deals: DealQuerySet, stage: Stage, *, count: int = PAGE, after: str = ""
) -> tuple[list[Deal], bool]:
    """`count` open deals of a stage below the rank `after`, and whether there are more."""
    rows = deals.open().filter(stage=stage, rank__gt=after).in_column_order()
    found = list(_for_cards(rows)[: count + 1])
    return found[:count], len(found) > count


def touched_cards(deals: DealQuerySet, deal_ids: Collection[int], pipeline: Pipeline) -> list[Card]:
    """Cards of those deals that are (still) on this board."""
    rows = deals.open().filter(pk__in=deal_ids, pipeline=pipeline)
    return make_cards(list(_for_cards(rows)), pipeline.stages.all())


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


def make_cards(deals: list[Deal], stages: Iterable[Stage]) -> list[Card]:
    """Cards for deals read by this module, with tags, next activities and badges read for all at once."""
    ids = [deal.pk for deal in deals]
    prefetch_related_objects(deals, "tags")
    planned = Activity.objects.filter(deal__in=ids, done_at__isnull=True, due_at__isnull=False)
    activities = {each.deal_id: each for each in planned.order_by("deal_id", "due_at").distinct("deal_id")}
    badges: dict[int, CardBadge] = _answers(card_badges_requested, Deal, deal_ids=ids)
    limits = {stage.pk: stage.rotting_days for stage in stages}
    now = timezone.now()
    return [
        _card(deal, activities.get(deal.pk), badges.get(deal.pk), limit=limits.get(deal.stage_id), now=now)
        for deal in deals
    ]


def _card(
    deal: Deal, activity: Activity | None, badge: CardBadge | None, *, limit: int | None, now: datetime
) -> Card:
    days = (now - deal.stage_entered_at).days
    due, due_state = _due(activity, now=now)
    return Card(
        deal=deal,
        days=days,
        rot=min(days // limit, 2) if limit else 0,
        activity=activity,
        due=due,
        due_state=due_state,
        badge=badge,
    )


def _due(activity: Activity | None, *, now: datetime) -> tuple[str, str]:
    """What is said of the next activity, and whether it is "late", "today", "soon" or there is "none"."""
    if activity is None or activity.due_at is None:
        return _("no activity"), "none"
    due_on, today = timezone.localdate(activity.due_at), timezone.localdate(now)
    state = "late" if due_on < today else "today" if due_on == today else "soon"
    return formats.day_label(activity.due_at, now=now), state


def _for_cards(deals: DealQuerySet) -> DealQuerySet:
    return deals.select_related("company", "owner").only(*_CARD_FIELDS)


def _answers(question: Signal, sender: type, **about: Any) -> dict[int, Any]:
    """The parts that receivers return, in one mapping."""
    return {key: part for parts in answers_to(question, sender, **about) for key, part in parts.items()}
