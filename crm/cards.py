"""Cards of the board: a deal with everything its card says, written out in the reader's language.

A card is a plain value, and the same value is always the same HTML, so what was drawn once is kept. That halves the
time of a board, and nothing ever has to be thrown away: a card that says something else is another value.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db.models import QuerySet
from django.template.loader import get_template
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from crm import formats
from crm.card_fields import CardFields, Row
from crm.models import Activity, Deal, DealQuerySet
from crm.signals import card_badges_requested
from crm.standings import Standing, standings_of_deals
from crm.timeline import CardBadge, answers_to

KEPT = 5000  # drawn cards per process, about a kilobyte each
_SPACE = re.compile(r"\s+")  # the template's line breaks were a fifth of the board's bytes


@dataclass(frozen=True, slots=True)
class Card:
    """`rot` is 0, 1 (past its stage's limit) or 2 (past 1.5 times the limit); hues are 0 where there is no one.

    What is not to be shown is empty. `lines` are labels and texts of fields without a place of their own.
    """

    id: int
    stage: int
    rank: str
    version: int
    title: str
    value: str
    company: str
    company_hue: int
    owner: str
    owner_hue: int
    tags: tuple[str, ...]
    days: int
    shows_days: bool
    rot: int
    due: str
    due_state: str
    due_icon: str
    badge: CardBadge | None
    plan: Standing | None
    lines: tuple[tuple[str, str], ...]

    @property
    def html(self) -> SafeString:
        return _draw(self, get_language() or "")


@lru_cache(maxsize=KEPT)
def _draw(card: Card, _language: str) -> SafeString:
    html = get_template("crm/_card.html").render({"card": card})
    return mark_safe(_SPACE.sub(" ", html))  # noqa: S308  # escaped by the template


def card_rows(deals: DealQuerySet, fields: CardFields) -> "QuerySet[Any, Row]":
    """What the cards of `deals` need of their tables to show `fields`, in the order of `deals`."""
    rows: QuerySet[Any, Row] = deals.values(*_COLUMNS, *fields.paths)
    return rows


def make_cards(rows: Sequence[Row], fields: CardFields) -> list[Card]:
    """A card per row. Tags, next activities, subscriptions and badges are read for all of them at once."""
    ids, now = [row["pk"] for row in rows], timezone.now()
    tags = _tags(ids) if "tags" in fields else {}
    activities = _next_activities(ids) if "activity" in fields else {}
    plans = standings_of_deals(ids) if "subscription" in fields else {}
    badges: dict[int, CardBadge] = {}
    for answer in answers_to(card_badges_requested, Deal, deal_ids=ids):
        badges |= answer
    return [
        _card(
            row,
            fields,
            tags=tags.get(row["pk"], ()),
            activity=activities.get(row["pk"]),
            badge=badges.get(row["pk"]),
            plan=plans.get(row["pk"]),
            now=now,
        )
        for row in rows
    ]


_COLUMNS = (
    *(
        "pk",
        "stage",
        "rank",
        "version",
        "title",
        "value",
        "currency",
        "stage_entered_at",
        "stage__rotting_days",
    ),
    *("company", "company__name", "owner", "owner__name"),
)


def _tags(ids: Collection[int]) -> Mapping[int, list[str]]:
    tags: dict[int, list[str]] = defaultdict(list)
    links = Deal.tags.through.objects.filter(deal__in=ids).order_by("tag__name")
    for deal_id, name in links.values_list("deal", "tag__name"):
        tags[deal_id].append(name)
    return tags


def _next_activities(ids: Collection[int]) -> dict[int, tuple[str, datetime]]:
    """Kind and time of the first planned activity of each deal that has one."""
    planned = Activity.objects.filter(deal__in=ids, done_at__isnull=True, due_at__isnull=False)
    first = planned.order_by("deal_id", "due_at").distinct("deal_id")
    rows = first.values_list("deal", "kind", "due_at")
    return {deal_id: (kind, due_at) for deal_id, kind, due_at in rows if due_at}


def _card(
    row: Row,
    fields: CardFields,
    *,
    tags: Sequence[str],
    activity: tuple[str, datetime] | None,
    badge: CardBadge | None,
    plan: Standing | None,
    now: datetime,
) -> Card:
    days, limit = (now - row["stage_entered_at"]).days, row["stage__rotting_days"]
    kind, due_at = activity or ("no-activity", None)
    company = row["company"] if "company" in fields else None
    owner = row["owner"] if "owner" in fields else None
    return Card(
        id=row["pk"],
        stage=row["stage"],
        rank=row["rank"],
        version=row["version"],
        title=row["title"],
        value=formats.money(row["value"], row["currency"]) if "value" in fields else "",
        company=row["company__name"] if company else "",
        company_hue=formats.hue(company) if company else 0,
        owner=row["owner__name"] if owner else "",
        owner_hue=formats.hue(owner) if owner else 0,
        tags=tuple(tags),
        days=days,
        shows_days="days" in fields,
        rot=_rot(now - row["stage_entered_at"], limit),
        due=_due(due_at, now=now) if "activity" in fields else "",
        due_state=_due_state(due_at, now=now),
        due_icon=kind,
        badge=badge,
        plan=plan,
        lines=fields.written(row),
    )


def _due(due_at: datetime | None, *, now: datetime) -> str:
    return formats.day_label(due_at, now=now) if due_at else _("no activity")


def _rot(stayed: timedelta, limit: int | None) -> int:
    """1 from the stage's limit on, 2 from one and a half times the limit on."""
    if not limit or stayed < timedelta(days=limit):
        return 0
    return 2 if stayed >= timedelta(days=limit) * 1.5 else 1


def _due_state(due_at: datetime | None, *, now: datetime) -> str:
    """ "late" from its moment on, "today" and "soon" by the reader's calendar; "none" asks for an activity."""
    if due_at is None:
        return "none"
    if due_at < now:
        return "late"
    return "today" if timezone.localdate(due_at) == timezone.localdate(now) else "soon"
