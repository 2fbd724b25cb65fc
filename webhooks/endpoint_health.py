"""How endpoints fared in the last 24 hours, as figures and as a small chart."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from crm.charts import Chart, Series, Slot, stacked
from webhooks.hours import Hour, last_day


@dataclass(frozen=True, slots=True)
class Day:
    """`chart` is None where nothing came."""

    taken: int
    refused: int
    chart: Chart | None


def days_of(endpoint_ids: Collection[int], *, now: datetime) -> dict[int, Day]:
    return {pk: _day(pk, hours) for pk, hours in last_day(endpoint_ids=endpoint_ids, now=now).items()}


def _day(endpoint_id: int, hours: list[Hour]) -> Day:
    taken, refused = (sum(each) for each in zip(*((hour.taken, hour.refused) for hour in hours), strict=True))
    return Day(taken, refused, _chart(endpoint_id, hours) if taken else None)


def _chart(endpoint_id: int, hours: list[Hour]) -> Chart:
    slots = [Slot(date_format(timezone.localtime(hour.since), "TIME_FORMAT")) for hour in hours]
    series = [
        Series(_("Applied"), "ok", [hour.applied for hour in hours]),
        Series(_("Neither"), "quiet", [hour.others for hour in hours]),
        Series(_("Refused"), "bad", [hour.refused for hour in hours]),
    ]
    return stacked(id=f"day-{endpoint_id}", title=_("Last 24 hours"), slots=slots, series=series)
