"""The bar over the log: how the deliveries of the last day stand, and the way to those of an hour."""

from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from automations.forms.log import MINUTE, SPAN
from automations.models import Delivery
from automations.standing import MOST, last_day
from automations.views.deliveries import log_url
from crm.charts import Series, Slot, stacked
from crm.views.access import PageRequest, admin_required

State = Delivery.State


@admin_required
@require_safe
def hours(request: PageRequest) -> HttpResponse:
    """How the deliveries of the last day stand, hour by hour; an hour leads to the log of it, other filters kept."""
    found = last_day(now=timezone.now())
    slots = [
        Slot(
            label=date_format(start, "TIME_FORMAT"),
            url=_span_url(request, start),
            name=start.strftime(MINUTE),
        )
        for start in (timezone.localtime(hour.since) for hour in found)
    ]
    series = [
        Series(str(State.DELIVERED.label), "ok", [hour.count(State.DELIVERED) for hour in found]),
        Series(str(State.PENDING.label), "warn", [hour.count(State.PENDING) for hour in found]),
        Series(str(State.FAILED.label), "bad", [hour.count(State.FAILED) for hour in found]),
        Series(_("Not sent"), "quiet", [hour.count(State.CANCELLED, State.SKIPPED) for hour in found]),
    ]
    title = _("All deliveries of the last 24 hours, by the hour they were made")
    context = {
        "chart": stacked(id="hours", title=title, slots=slots, series=series),
        "most": None if all(hour.is_whole for hour in found) else MOST,
    }
    return render(request, "automations/_hours.html", context)


def _span_url(request: HttpRequest, start: datetime) -> str:
    end = (start + timedelta(hours=1)).strftime(MINUTE)
    return log_url(request, before=None, job=None, period=SPAN, start=start.strftime(MINUTE), end=end)
