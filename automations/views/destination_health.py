"""How a destination fared in the last day or month, as figures and as charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from automations.hours import Stretch, last_day, last_month, total
from automations.models import Destination
from crm import formats
from crm.charts import Chart, Series, Slot, lines, milliseconds, stacked


@dataclass(frozen=True, slots=True)
class Health:
    """`figures` are pairs of a name and what is told of it; without any attempt there is nothing but `span`."""

    span: str
    figures: Sequence[tuple[str, str]] = ()
    charts: Sequence[Chart] = ()


def health_of(destination: Destination, *, span: str, now: datetime) -> Health:
    """Of the last 30 days where `span` says "month", else of the last 24 hours."""
    span = "month" if span == "month" else "day"
    read = last_month if span == "month" else last_day
    stretches = read(now=now, destination=destination)
    whole = total(stretches)
    if not whole.attempts:
        return Health(span)
    label = _day if span == "month" else _hour
    slots = [Slot(label(stretch.since)) for stretch in stretches]
    return Health(span, _figures(whole), [outcomes_chart(slots, stretches), times_chart(slots, stretches)])


def _figures(whole: Stretch) -> list[tuple[str, str]]:
    median, slowest = whole.percentile(50), whole.percentile(95)
    return [
        (_("Attempts"), formats.number(whole.attempts)),
        (_("Taken"), formats.percent(whole.delivered, of=whole.attempts)),
        (_("Given up"), formats.number(whole.failed)),
        (_("Half answer within"), milliseconds(median or 0)),
        (_("95 % answer within"), milliseconds(slowest or 0)),
    ]


def outcomes_chart(slots: Sequence[Slot], stretches: Sequence[Stretch]) -> Chart:
    series = [
        Series(_("Taken"), "ok", [stretch.delivered for stretch in stretches]),
        Series(_("To be tried again"), "warn", [stretch.retried for stretch in stretches]),
        Series(_("Given up"), "bad", [stretch.failed for stretch in stretches]),
    ]
    return stacked(id="outcomes", title=_("Attempts"), slots=slots, series=series)


def times_chart(slots: Sequence[Slot], stretches: Sequence[Stretch]) -> Chart:
    series = [
        Series(_("Half within (p50)"), "accent", [stretch.percentile(50) for stretch in stretches]),
        Series(_("95 % within (p95)"), "quiet", [stretch.percentile(95) for stretch in stretches]),
    ]
    return lines(id="times", title=_("Time to the answer"), slots=slots, series=series)


def _hour(at: datetime) -> str:
    return date_format(timezone.localtime(at), "TIME_FORMAT")


def _day(at: datetime) -> str:
    return formats.short_day(timezone.localtime(at).date())
