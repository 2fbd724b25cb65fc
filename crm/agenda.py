"""Activities as a person reads them: the sections of a day, and the days of a month or a week."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from babel.dates import format_interval
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from crm import formats
from crm.models import Activity, ActivityQuerySet

SHOWN = 50  # of each section of the day
SHOWN_IN_MONTH = 4  # of each day of a month; a week shows them all
MOST = 2000  # that one calendar reads
DAYS_AHEAD = 7
MORNING = time(9)  # for what had no time of its own
_DAY = timedelta(days=1)
_RELATED = ("deal__company", "contact__company", "assignee")


@dataclass(frozen=True, slots=True)
class Section:
    """`key` is "overdue", "today", "next", "undated" or "done"; `has_more` that some are not shown."""

    key: str
    title: str
    rows: Sequence[Activity]
    has_more: bool = False


def day_of(activities: ActivityQuerySet, *, now: datetime) -> list[Section]:
    """What is overdue, what is to be done today and next, and what was done today; without the empty ones."""
    today = timezone.localdate(now)
    tomorrow, later = midnight(today + _DAY), midnight(today + _DAY * (DAYS_AHEAD + 1))
    planned, done = activities.planned(), Q(done_at__gte=midnight(today), done_at__lt=tomorrow)
    sections = [
        _section(
            "overdue", pgettext("activities", "Overdue"), planned.overdue(now=now).order_by("due_at", "pk")
        ),
        _section("today", _("Today"), _between(planned, now, tomorrow)),
        _section("next", _("Next 7 days"), _between(planned, tomorrow, later)),
        _section("undated", _("Without a date"), planned.filter(due_at=None).order_by("pk")),
        _section("done", _("Done today"), activities.filter(done).order_by("-done_at", "-pk")),
    ]
    return [section for section in sections if section.rows]


def _between(planned: ActivityQuerySet, begin: datetime, end: datetime) -> ActivityQuerySet:
    return planned.filter(due_at__gte=begin, due_at__lt=end).order_by("due_at", "pk")


def _section(key: str, title: str, rows: ActivityQuerySet) -> Section:
    found = list(rows.select_related(*_RELATED)[: SHOWN + 1])
    return Section(key, title, found[:SHOWN], has_more=len(found) > SHOWN)


def with_related(activities: ActivityQuerySet) -> ActivityQuerySet:
    """The same with what a row shows beside them."""
    return activities.select_related(*_RELATED)


def planned_rows(activities: ActivityQuerySet) -> ActivityQuerySet:
    """What is planned with one deal or contact, the soonest first."""
    return with_related(activities.planned()).order_by("due_at", "pk")


class Span(StrEnum):
    MONTH = "month"
    WEEK = "week"


@dataclass(frozen=True, slots=True)
class Day:
    """`more` is how many activities are not in `rows`; `is_aside` a day of the month before or after."""

    on: date
    rows: Sequence[Activity]
    more: int
    is_today: bool
    is_aside: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """`previous` and `following` are days in the month or week before and after; `left_out` counts the activities, the
    latest of the span, that are more than one calendar reads."""

    span: Span
    on: date
    title: str
    previous: date
    following: date
    heads: Sequence[str]
    weeks: Sequence[Sequence[Day]] = field(default_factory=list)
    left_out: int = 0


def calendar_of(activities: ActivityQuerySet, *, span: Span, on: date, today: date) -> Calendar:
    """The month or the week around the day `on`, whole weeks long, as they begin where the reader lives."""
    first, last = _reach(span, on)
    days = [first + _DAY * number for number in range((last - first).days + 1)]
    within = _between(activities, midnight(first), midnight(last + _DAY))
    read = list(with_related(within)[:MOST])
    rows = _by_day(read)
    shown = SHOWN_IN_MONTH if span == Span.MONTH else MOST
    cells = [
        Day(
            on=day,
            rows=rows[day][:shown],
            more=len(rows[day][shown:]),
            is_today=day == today,
            is_aside=span == Span.MONTH and day.month != on.month,
        )
        for day in days
    ]
    previous, following = _beside(span, on)
    return Calendar(
        span=span,
        on=on,
        title=_title(span, on, first, last),
        previous=previous,
        following=following,
        heads=[date_format(day, "D") for day in days[:7]],
        weeks=[cells[at : at + 7] for at in range(0, len(cells), 7)],
        left_out=within.count() - MOST if len(read) == MOST else 0,
    )


def _by_day(activities: Sequence[Activity]) -> dict[date, list[Activity]]:
    rows: dict[date, list[Activity]] = defaultdict(list)
    for activity in activities:
        if activity.due_at:
            rows[timezone.localdate(activity.due_at)].append(activity)
    return rows


def _reach(span: Span, on: date) -> tuple[date, date]:
    """First and last day that are shown."""
    if span == Span.WEEK:
        first = _week_begin(on)
        return first, first + _DAY * 6
    month_end = (on.replace(day=28) + _DAY * 4).replace(day=1) - _DAY
    return _week_begin(on.replace(day=1)), _week_begin(month_end) + _DAY * 6


def _week_begin(day: date) -> date:
    return day - _DAY * ((day.weekday() - formats.locale().first_week_day) % 7)


def _beside(span: Span, on: date) -> tuple[date, date]:
    if span == Span.WEEK:
        return on - _DAY * 7, on + _DAY * 7
    first = on.replace(day=1)
    return (first - _DAY).replace(day=1), (first + _DAY * 31).replace(day=1)


def _title(span: Span, on: date, first: date, last: date) -> str:
    if span == Span.WEEK:
        return str(format_interval(first, last, "yMMMd", locale=formats.locale()))
    return capfirst(date_format(on, "YEAR_MONTH_FORMAT"))


def midnight(on: date) -> datetime:
    """The beginning of a day in the reader's time zone."""
    return timezone.make_aware(datetime.combine(on, time.min))


def moved_to(day: date, *, due_at: datetime | None) -> datetime:
    """The same time of day on another day of the reader's calendar; the morning for what had no time."""
    at = timezone.localtime(due_at).time() if due_at else MORNING
    return timezone.make_aware(datetime.combine(day, at))


def next_monday(today: date) -> date:
    return today + _DAY * (7 - today.weekday())
