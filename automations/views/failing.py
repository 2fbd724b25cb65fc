"""What the page of a rule says of its destination: when it tries again, what happens then, and how it fares."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import log

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from automations.forms.fields import wait_text
from automations.health import DISABLED_AFTER, FAILURES_BEFORE_PAUSE
from automations.models import Destination
from automations.views.destination_health import health_of
from crm import formats
from crm.charts import bar_lengths
from crm.ids import read_id
from crm.views.access import PageRequest, admin_required


@dataclass(frozen=True, slots=True)
class Step:
    """An attempt: how long after the former it is made, in words and as a length of 100 by its logarithm."""

    number: int
    wait: str
    length: str


def steps_of(schedule: Sequence[int]) -> Iterator[Step]:
    lengths = bar_lengths([log(1 + wait) for wait in schedule])
    for number, (wait, length) in enumerate(zip(schedule, lengths, strict=True), start=1):
        yield Step(number, wait_text(wait) if wait else "", length)


def _whole(seconds: int) -> str:
    return formats.stay(timedelta(seconds=seconds)) if seconds >= 60 else wait_text(seconds)


@admin_required
@require_safe
def if_it_fails(request: PageRequest) -> HttpResponse:
    """Of `?destination=`; of one that is not made yet without it."""
    number = read_id(request.GET.get("destination", ""))
    found = Destination.objects.present().filter(pk=number).first() if number else None
    destination = found or Destination()
    context = {
        "destination": found,
        "stops_on_4xx": destination.stop_on_4xx,
        "attempts": len(destination.retry_schedule),
        "steps": list(steps_of(destination.retry_schedule)),
        "whole": _whole(sum(destination.retry_schedule)),
        "failures": FAILURES_BEFORE_PAUSE,
        "disabled_after": formats.stay(DISABLED_AFTER),
        "health": health_of(found, span="day", now=timezone.now()) if found else None,
    }
    return render(request, "automations/_if_it_fails.html", context)
