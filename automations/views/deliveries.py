"""The log of deliveries, and what can be done about one or many of them."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.http import require_POST, require_safe

from automations.deliveries import (
    DeliveryError,
    cancel_delivery,
    cancel_many,
    resend_delivery,
)
from automations.filters import filter_deliveries
from automations.forms.log import LogFilter
from automations.jobs import cancel_job, start_resend
from automations.models import Attempt, Delivery, ResendJob
from automations.standing import counts_by_state
from crm.ids import read_text_id
from crm.models import Deal
from crm.views.access import PageRequest, admin_required

PAGE = 50
State = Delivery.State
COUNTED = 1000  # above it a tab says "1,000+", because counting a million rows is no page's business
NEWER = 99
_UNREAD = ("body", "destination__headers", "destination__credentials", "destination__secret")


@dataclass(frozen=True, slots=True)
class Tab:
    """`count` is None where it is not shown, and COUNTED + 1 where there are more."""

    label: str
    state: str
    url: str
    count: int | None


@admin_required
@require_safe
def deliveries(request: PageRequest) -> HttpResponse:
    """Newest first; `?before=` an id goes on from there, LogFilter names the other parameters."""
    chosen, now = LogFilter(request.GET), timezone.now()
    newest_first = chosen.narrow(Delivery.objects.all(), now=now).order_by("-id")
    before = read_text_id(request.GET.get("before", ""))
    rows = list(readable(newest_first.filter(pk__lt=before) if before else newest_first)[: PAGE + 1])
    shown, more = rows[:PAGE], len(rows) > PAGE
    context = {
        "filter": chosen,
        "tabs": _tabs(request, chosen),
        "rows": shown,
        "job": _shown_job(request),
        "newest": "" if before else (shown[0].pk if shown else "msg_"),
        "query": _without(request, "before", "job").urlencode(),
        "first_url": log_url(request, before=None) if before else "",
        "next_url": log_url(request, before=shown[-1].pk) if more else "",
        "is_narrowed": chosen.is_narrowing or chosen.cleaned_data.get("state"),
        "deal": _deal_of(chosen),
        "without_deal_url": log_url(request, deal=None, before=None),
        "now": now,
    }
    return render(request, "automations/deliveries.html", context)


def _deal_of(chosen: LogFilter) -> Deal | None:
    number = chosen.cleaned_data.get("deal")
    return Deal.objects.filter(pk=number).first() if number else None


def readable(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """With all that a row shows, and without the bodies and secrets that it does not."""
    last = Attempt.objects.filter(delivery=OuterRef("pk")).order_by("-number")
    related = rows.select_related("rule", "destination").defer(*_UNREAD)
    return related.annotate(duration_ms=Subquery(last.values("duration_ms")[:1]))


def _tabs(request: HttpRequest, chosen: LogFilter) -> list[Tab]:
    counts = {} if chosen.is_narrowing else counts_by_state(most=COUNTED + 1)
    states = [("", pgettext("deliveries", "All")), *State.choices]
    return [
        Tab(str(label), value, log_url(request, state=value or None, before=None), counts.get(value))
        for value, label in states
    ]


def _without(request: HttpRequest, *names: str) -> QueryDict:
    query = request.GET.copy()
    for name in names:
        query.pop(name, None)
    return query


def log_url(request: HttpRequest, **changes: str | None) -> str:
    """The log as it is filtered, with other parameters; None takes one away."""
    query = _without(request, *changes)
    query.update({name: value for name, value in changes.items() if value is not None})
    return f"{reverse('deliveries')}?{query.urlencode()}"


@admin_required
@require_safe
def newer(request: PageRequest) -> HttpResponse:
    """How many came after `?since=`, and the rows among `?seen=ID.ATTEMPTS` that have changed since."""
    chosen, since = LogFilter(request.GET), read_text_id(request.GET.get("since", ""))
    now = timezone.now()
    fresh = chosen.narrow(Delivery.objects.filter(pk__gt=since), now=now).order_by()
    texts = map(read_text_id, request.GET.getlist("seen")[:PAGE])
    seen = dict(text.split(".", 1) for text in texts if "." in text)
    rows = readable(Delivery.objects.filter(pk__in=seen))
    context = {
        "count": fresh[: NEWER + 1].count(),
        "most": NEWER,
        "since": since,
        "query": _without(request, "since", "seen").urlencode(),
        "rows": [row for row in rows if row.version != seen[row.pk]],
        "now": now,
    }
    return render(request, "automations/_newer.html", context)


@admin_required
@require_POST
def act_on_many(request: PageRequest) -> HttpResponse:
    """Send again or call off (`action=cancel`) the chosen ones (`ids`), or with `all` whatever fits the filters.

    Asks first; does it where `confirmed` is given.
    """
    chosen = _chosen(request)
    if "confirmed" not in request.POST:
        return render(request, "automations/many.html", _confirmation(request, chosen))
    if request.POST.get("action") == "cancel":
        count = cancel_many(deliveries=_rows_of(chosen))
        text = ngettext("%(n)d delivery is cancelled.", "%(n)d deliveries are cancelled.", count)
        messages.success(request, text % {"n": count})
        return HttpResponseRedirect(log_url(request, before=None, job=None))
    job = start_resend(chosen=chosen, by=request.user)
    return HttpResponseRedirect(log_url(request, before=None, job=str(job.pk)))


def _chosen(request: HttpRequest) -> dict[str, Any]:
    if "all" in request.POST:
        return {"filter": LogFilter(request.GET).words(now=timezone.now())}
    return {"ids": list(map(read_text_id, request.POST.getlist("ids")))}


def _rows_of(chosen: dict[str, Any]) -> QuerySet[Delivery]:
    rows = Delivery.objects.all()
    return rows.filter(pk__in=chosen["ids"]) if "ids" in chosen else filter_deliveries(rows, chosen["filter"])


def _confirmation(request: HttpRequest, chosen: dict[str, Any]) -> dict[str, Any]:
    rows = _rows_of(chosen).order_by()
    is_cancel = request.POST.get("action") == "cancel"
    if is_cancel:
        rows = rows.filter(state=State.PENDING)
    return {
        "count": rows.count(),
        "delivered": 0 if is_cancel else rows.filter(state=State.DELIVERED).count(),
        "is_cancel": is_cancel,
        "ids": chosen.get("ids", []),
        "query": _without(request, "before", "job").urlencode(),
        "back_url": log_url(request, before=None),
    }


@admin_required
@require_safe
def job(request: PageRequest, job_id: int) -> HttpResponse:
    """How far a job is, for the log to poll."""
    return render(request, "automations/_job.html", {"job": get_object_or_404(ResendJob, pk=job_id)})


@admin_required
@require_POST
def stop_job(request: PageRequest, job_id: int) -> HttpResponse:
    get_object_or_404(ResendJob, pk=job_id)
    with suppress(DeliveryError):  # it has just ended, as its answer shows
        cancel_job(job_id=job_id)
    return render(request, "automations/_job.html", {"job": ResendJob.objects.get(pk=job_id)})


def _shown_job(request: HttpRequest) -> ResendJob | None:
    """The job that `?job=` names, else one that is running."""
    number = request.GET.get("job", "")
    if number.isascii() and number.isdigit() and len(number) < 10:
        return ResendJob.objects.filter(pk=int(number)).first()
    return ResendJob.objects.filter(state=ResendJob.State.RUNNING).order_by("id").first()


@admin_required
@require_POST
def resend(request: PageRequest, delivery_id: str) -> HttpResponse:
    get_object_or_404(Delivery, pk=delivery_id)
    try:
        resend_delivery(delivery_id=delivery_id)
    except DeliveryError as error:
        return _answer(request, delivery_id, str(error), level=messages.ERROR)
    return _answer(request, delivery_id, _("It is sent again."))


@admin_required
@require_POST
def cancel(request: PageRequest, delivery_id: str) -> HttpResponse:
    get_object_or_404(Delivery, pk=delivery_id)
    try:
        cancel_delivery(delivery_id=delivery_id)
    except DeliveryError as error:
        return _answer(request, delivery_id, str(error), level=messages.ERROR)
    return _answer(request, delivery_id, _("It is cancelled."))


def _answer(
    request: PageRequest, delivery_id: str, text: str, *, level: int = messages.SUCCESS
) -> HttpResponse:
    """The row as it now is, for the log; else the page of the delivery, which shows the message."""
    if not request.htmx:
        messages.add_message(request, level, text)
        return redirect("delivery", delivery_id)
    row = readable(Delivery.objects.filter(pk=delivery_id)).get()
    response = render(request, "automations/_delivery_row.html", {"row": row, "now": timezone.now()})
    tone = "bad" if level == messages.ERROR else ""
    response["HX-Trigger"] = json.dumps({"toast": {"text": text, "tone": tone}})
    return response
