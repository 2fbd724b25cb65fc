"""My day, the lists of activities, and the calendar."""

from datetime import date

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from crm.agenda import Span, calendar_of, day_of, next_monday, with_related
from crm.models import Activity
from crm.views.access import PageRequest
from crm.views.activities.forms import EVERYBODY, ME, ActivityFilter
from crm.views.pages import page_of

_EARLIEST, _LATEST = date(1971, 1, 1), date(2198, 12, 31)


@login_required
@require_safe
def my_day(request: PageRequest) -> HttpResponse:
    """What the reader is to do: overdue, today, next; and what was done today."""
    now = timezone.now()
    mine = Activity.objects.visible_to(request.user).filter(assignee=request.user)
    sections = day_of(mine, now=now)
    is_clear = not any(section.key in {"overdue", "today"} for section in sections)
    context = {"tab": "day", "sections": sections, "is_clear": is_clear, **_said(now)}
    return render(request, "crm/activities/day.html", context)


@login_required
@require_safe
def overdue(request: PageRequest) -> HttpResponse:
    """One's own, or everybody's that one sees."""
    return _list(request, "overdue", ActivityFilter(request.GET.dict(), owner=ME, state="overdue"))


@login_required
@require_safe
def everything(request: PageRequest) -> HttpResponse:
    return _list(request, "all", ActivityFilter(request.GET.dict(), owner=EVERYBODY))


def _list(request: PageRequest, tab: str, chosen: ActivityFilter) -> HttpResponse:
    now = timezone.now()
    found = chosen.narrow(Activity.objects.visible_to(request.user), user=request.user, now=now)
    page = page_of(with_related(found), request, by=chosen.by, nullable=True)
    context = {"tab": tab, "filter": chosen, "page": page, **_said(now)}
    return render(request, "crm/activities/list.html", context)


@login_required
@require_safe
def calendar(request: PageRequest) -> HttpResponse:
    """The month, or with `?span=week` the week, around `?on=`; ActivityFilter names the other parameters."""
    now = timezone.now()
    today = timezone.localdate(now)
    chosen = ActivityFilter(request.GET.dict(), owner=ME, state="all")
    found = chosen.narrow(Activity.objects.visible_to(request.user), user=request.user, now=now)
    span = Span.WEEK if request.GET.get("span") == Span.WEEK else Span.MONTH
    shown = calendar_of(found, span=span, on=_day(request.GET.get("on", ""), today=today), today=today)
    context = {"tab": "calendar", "filter": chosen, "calendar": shown, **_said(now)}
    return render(request, "crm/activities/calendar.html", context)


def _day(text: str, *, today: date) -> date:
    """The day in the address, else today."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return today
    return day if _EARLIEST <= day <= _LATEST else today


def _said(now: object) -> dict[str, object]:
    """What every row of activities needs."""
    return {"now": now, "next_monday": next_monday(timezone.localdate())}


@login_required
@require_safe
def count(request: PageRequest) -> HttpResponse:
    """How much of one's own is overdue, as the navigation shows it."""
    return render(request, "_shell/_overdue.html")
