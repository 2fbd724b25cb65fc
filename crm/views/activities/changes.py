"""What is done to one activity in place. Everything is written through `crm.activities`.

The dialog is answered with itself and its errors (422) or what another has changed meanwhile (409), or with nothing
and the browser event `activity-saved`. The rest is answered in JSON: `text` says what happened, `undo` how to take it
back (`url` and `values`); a refusal has a `message`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import trigger_client_event

from crm import activities, formats
from crm.actors import Actor
from crm.agenda import moved_to, next_monday
from crm.history import actor_text
from crm.models import Activity, Contact, Deal
from crm.refusals import Refused
from crm.search import SHOWN, Found, find
from crm.views.access import PageRequest
from crm.views.activities.forms import AboutField, ActivityForm, MoveForm

_View = TypeVar("_View", bound=Callable[..., HttpResponse])


def answered(view: _View) -> _View:
    """Answer what is refused with why (422)."""

    @wraps(view)
    def answer(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Refused as refused:
            return JsonResponse({"message": str(refused)}, status=422)

    return cast("_View", answer)


def _visible(request: PageRequest, activity_id: int) -> Activity:
    rows = Activity.objects.visible_to(request.user).select_related("deal", "contact", "assignee")
    return get_object_or_404(rows, pk=activity_id)


@login_required
@require_http_methods(["GET", "POST"])
def new(request: PageRequest) -> HttpResponse:
    """The dialog of a new activity, `?about=` a deal or a contact, `?on=` a day."""
    form = ActivityForm(_blank(request), user=request.user, data=request.POST or None)
    if form.is_valid():
        try:
            fields = form.for_the_door()
            made = activities.create_activity(fields=fields, actor=Actor.user(request.user))
            return _saved(_("Planned: %(activity)s") % {"activity": made})
        except Refused as refused:
            form.refuse(refused)
    return _dialog(request, form)


def _blank(request: PageRequest) -> Activity:
    """For the reader, at the next full hour."""
    now = timezone.localtime()
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    day = _chosen_day(request)
    chosen = _chosen_about(request, request.GET)
    return Activity(
        due_at=moved_to(day, due_at=hour) if day else hour,
        assignee=request.user,
        **({"deal" if isinstance(chosen, Deal) else "contact": chosen} if chosen else {}),
    )


def _chosen_about(request: PageRequest, given: QueryDict) -> Deal | Contact | None:
    about = AboutField()
    about.user = request.user
    return about.to_python((given.get("about", ""), ""))


def _chosen_day(request: PageRequest) -> Any:
    try:
        day = parse_date(request.GET.get("on", ""))
    except ValueError:
        return None
    return day if day and activities.EARLIEST.date() < day < activities.LATEST.date() else None


@login_required
@require_http_methods(["GET", "POST"])
@transaction.atomic
def edit(request: PageRequest, activity_id: int) -> HttpResponse:
    """The dialog of an activity. It is locked before it is compared with what the dialog showed, until it is saved."""
    activity = _visible(request, activity_id)
    if request.method == "GET":
        return _dialog(request, ActivityForm(activity, user=request.user), activity)
    try:
        activities.lock_activity(activity.pk, about=_chosen_about(request, request.POST))
    except activities.ActivityIsGone as error:
        raise Http404 from error
    activity = _visible(request, activity_id)
    form = ActivityForm(activity, user=request.user, data=request.POST)
    if form.conflicts:
        return _dialog(request, form, activity, status=409, conflict=_last_change(activity))
    if form.is_valid():
        actor = Actor.user(request.user)
        try:
            activities.update_activity(activity_id=activity.pk, fields=form.for_the_door(), actor=actor)
            return _saved(_("Saved."))
        except Refused as refused:
            form.refuse(refused)
    return _dialog(request, form, activity)


def _last_change(activity: Activity) -> str:
    """Who changed it and when, for the person who did so at the same time."""
    if activity.changed_at is None:
        return _("This activity was changed in the meantime.")
    by = activity.changed_by
    said = {
        "who": actor_text(by["kind"], by["name"]),
        "when": formats.ago(activity.changed_at, now=timezone.now()),
    }
    return _("%(who)s changed this activity %(when)s.") % said


def _dialog(
    request: PageRequest,
    form: ActivityForm,
    activity: Activity | None = None,
    *,
    status: int = 422,
    conflict: str = "",
) -> HttpResponse:
    """The form, with `status` if it was sent already."""
    context = {"form": form, "activity": activity, "conflict": conflict}
    return render(request, "crm/activities/_form.html", context, status=status if form.is_bound else 200)


def _saved(text: str) -> HttpResponse:
    return trigger_client_event(HttpResponse(status=204), "activity-saved", {"text": text})


@login_required
@require_POST
@answered
def done(request: PageRequest, activity_id: int) -> HttpResponse:
    activity = _visible(request, activity_id)
    activities.complete(activity_id=activity.pk, actor=Actor.user(request.user), at=timezone.now())
    text = _("Done: %(activity)s") % {"activity": activity}
    return _told(text, undo=reverse("reopen-activity", args=[activity.pk]))


@login_required
@require_POST
@answered
def reopen(request: PageRequest, activity_id: int) -> HttpResponse:
    activity = _visible(request, activity_id)
    activities.take_up_again(activity_id=activity.pk, actor=Actor.user(request.user))
    return _told(_("Still to do: %(activity)s") % {"activity": activity})


@login_required
@require_http_methods(["GET", "POST"])
@answered
def move(request: PageRequest, activity_id: int) -> HttpResponse:
    """Where it can be put off to; on POST it is put off (see MoveForm)."""
    activity = _visible(request, activity_id)
    today = timezone.localdate()
    if request.method == "GET":
        context = {"activity": activity, "today": today, "next_monday": next_monday(today)}
        return render(request, "crm/activities/_move.html", context)
    form = MoveForm(request.POST)
    fields, actor = {"due_at": form.due_at(activity, today=today)}, Actor.user(request.user)
    moved = activities.update_activity(activity_id=activity.pk, fields=fields, actor=actor)
    former = activity.due_at.isoformat() if activity.due_at else ""
    return _told(_moved_text(moved), undo=reverse("move-activity", args=[activity.pk]), to=former)


def _moved_text(activity: Activity) -> str:
    if activity.due_at is None:
        return _("%(activity)s: without a date") % {"activity": activity}
    return f"{activity}: {_when(activity.due_at)}"


def _when(due_at: datetime) -> str:
    """ "tomorrow, 11/25/2026 9:00 a.m."."""
    full = date_format(timezone.localtime(due_at), "SHORT_DATETIME_FORMAT")
    return f"{formats.day_label(due_at, now=timezone.now())}, {full}"


@login_required
@require_POST
@answered
def delete(request: PageRequest, activity_id: int) -> HttpResponse:
    activity = _visible(request, activity_id)
    activities.delete_activity(activity_id=activity.pk, actor=Actor.user(request.user))
    return _told(_("Deleted: %(activity)s") % {"activity": activity})


def _told(text: str, *, undo: str = "", **values: str) -> JsonResponse:
    return JsonResponse({"text": text, "undo": {"url": undo, "values": values} if undo else None})


@login_required
@require_safe
def about(request: PageRequest) -> HttpResponse:
    """What an activity may be with, for `?q=`; without it the reader's newest open deals."""
    text = request.GET.get("q", "").strip()
    found = find(text=text, user=request.user) if text else Found(deals=_newest(request))
    return render(request, "crm/activities/_about.html", {"found": found})


def _newest(request: PageRequest) -> list[Deal]:
    mine = Deal.objects.visible_to(request.user).open().filter(owner=request.user)
    return list(mine.select_related("company", "stage").order_by("-created_at", "-pk")[:SHOWN])
