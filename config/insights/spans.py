"""The stretches of time that the page can be read over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from automations.hours import days_until, hours_of_today
from crm import formats


@dataclass(frozen=True, slots=True)
class Span:
    """Cut into slots: when each begins, and how it is called on a chart."""

    key: str
    name: str | Promise
    starts_at: Callable[[datetime], Sequence[datetime]]
    slot_name: Callable[[datetime], str]


def _hour(at: datetime) -> str:
    return date_format(timezone.localtime(at), "TIME_FORMAT")


def _day(at: datetime) -> str:
    return formats.short_day(timezone.localtime(at).date())


SPANS = (
    Span("today", _("Today"), hours_of_today, _hour),
    Span("week", _("7 days"), lambda now: days_until(now, count=7), _day),
    Span("month", _("30 days"), lambda now: days_until(now, count=30), _day),
)


def span_of(key: str) -> Span:
    """The one of the address; today where it names none."""
    return next((span for span in SPANS if span.key == key), SPANS[0])
