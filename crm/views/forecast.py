"""The forecast by month: a chart drawn on the server, and the same figures as a table."""

from dataclasses import dataclass
from decimal import Decimal

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from crm.forecast import Bucket, Forecast, forecasts
from crm.models import Deal
from crm.views.access import PageRequest
from crm.views.filters import FilterBar, filters_of, what_hides

_HEIGHT, _STEP, _BAR = 160, 56, 34  # of the drawing, in its own units
_TOP = 24  # room for the amount over the highest bar


@dataclass(frozen=True, slots=True)
class Bar:
    """A bucket drawn: won at the bottom, on it what is expected, within the outline of all that is open."""

    bucket: Bucket
    x: int
    middle: int
    won_y: int
    won_height: int
    weighted_y: int
    weighted_height: int
    open_y: int
    open_height: int


@dataclass(frozen=True, slots=True)
class Chart:
    forecast: Forecast
    bars: list[Bar]
    width: int
    height: int = _TOP + _HEIGHT + 22
    ground: int = _TOP + _HEIGHT
    bar_width: int = _BAR


@login_required
@require_safe
def forecast(request: PageRequest) -> HttpResponse:
    """The deals of the filters in the address, whatever their status; `?as=table` shows the figures alone."""
    bar = FilterBar(request, filters_of(request, but=("status",)), layout="forecast")
    visible = Deal.objects.visible_to(request.user)
    found = forecasts(bar.filters.narrow(visible, now=timezone.now()), today=timezone.localdate())
    context = {
        "bar": bar,
        "charts": [_chart(each) for each in found],
        "as_table": request.GET.get("as") == "table",
        "hiding": [] if found else what_hides(bar, visible),
    }
    return render(request, "crm/forecast.html", context)


def _chart(forecast: Forecast) -> Chart:
    highest = max((bucket.won + bucket.total for bucket in forecast.buckets), default=Decimal()) or Decimal(1)
    bars = [_bar(bucket, place, highest=highest) for place, bucket in enumerate(forecast.buckets)]
    return Chart(forecast=forecast, bars=bars, width=_STEP * len(bars))


def _bar(bucket: Bucket, place: int, *, highest: Decimal) -> Bar:
    won, weighted, total = (
        int(_HEIGHT * amount / highest) for amount in (bucket.won, bucket.weighted, bucket.total)
    )
    ground = _TOP + _HEIGHT
    x = place * _STEP + (_STEP - _BAR) // 2
    return Bar(
        bucket=bucket,
        x=x,
        middle=x + _BAR // 2,
        won_y=ground - won,
        won_height=won,
        weighted_y=ground - won - weighted,
        weighted_height=weighted,
        open_y=ground - won - total,
        open_height=total,
    )
