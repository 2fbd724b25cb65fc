"""Filters as people read them: one chip for each statement, such as "Owner: Ana, Bruno" or "Value: up to 5,000"."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Model, QuerySet
from django.utils import formats as django_formats
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import formats
from crm.filters.deals import DealFilters, Given
from crm.filters.reading import ME, NONE, Moment
from crm.models import Company, Contact, Deal, Pipeline, Source, Stage, Team, User

_ROWS: dict[str, type[Model]] = {
    "owner": User,
    "team": Team,
    "source": Source,
    "pipeline": Pipeline,
    "stage": Stage,
    "contact": Contact,
    "company": Company,
}


@dataclass(frozen=True, slots=True)
class Chip:
    """`rest` is the query string of all other filters."""

    group: str
    label: str
    text: str
    rest: str


def chips(filters: DealFilters) -> list[Chip]:
    """One query for each kind of row that is named."""
    return [
        Chip(
            group=group,
            label=str(members[0].filter.label),
            text=_text(members),
            rest=filters.query(without=[group]),
        )
        for group in filters.groups
        for members in [[given for given in filters.given if given.group == group]]
    ]


def _text(members: Sequence[Given]) -> str:
    if len(members) == 1 and not members[0].filter.group:
        return ", ".join(_values(members[0]))
    least, most = None, None
    for given in members:
        if given.filter.name.endswith((".min", "_min", "_after")):
            least = _value(given.values[0])
        else:
            most = _value(given.values[0])
    if least and most:
        return f"{least} – {most}"
    return _("from %(least)s") % {"least": least} if least else _("up to %(most)s") % {"most": most}


def _values(given: Given) -> Iterable[str]:
    name = given.filter.name
    if name == "status":
        return [str(Deal.Status(value).label) for value in given.values]
    if name not in _ROWS:
        return [_value(value) for value in given.values]
    ids = [value for value in given.values if isinstance(value, int)]
    rows: dict[int, Model] = QuerySet(_ROWS[name]).in_bulk(ids) if ids else {}
    fixed = {NONE: _("none"), ME: _("me")}
    return [fixed[value] if value in fixed else str(rows.get(value, f"#{value}")) for value in given.values]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, Decimal):
        return formats.number(value)
    if isinstance(value, Moment):
        return _day(value.on) if value.on else _moment(value.at)
    return _day(value) if isinstance(value, date) else str(value)


def _day(value: date) -> str:
    return str(django_formats.date_format(value, "SHORT_DATE_FORMAT"))


def _moment(value: datetime) -> str:
    return str(django_formats.date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT"))
