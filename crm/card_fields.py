"""What the cards of a board say besides the title: the fields a person or a view has chosen.

Their names are those of the list's columns (`crm.columns`) and, for what cards alone have, `activity`, `days` and
`subscription`. A choice begins with `title`, so that one of nothing more differs from none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import formats as django_formats
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import formats
from crm.columns import ADDED
from crm.models import CustomField

CHOSEN_FIRST = ("title", "company", "value", "tags", "subscription", "activity", "owner")
MOST = 40
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A field that stands on a card as `label: text`. `path` is the column it is read from; "" is not written."""

    name: str
    label: str | Promise
    path: str
    text: Callable[[Row], str]


@dataclass(frozen=True, slots=True)
class CardFields:
    """The fields that cards show; `lines` are those of them that have no place of their own on a card."""

    names: frozenset[str]
    lines: tuple[Line, ...]

    def __contains__(self, name: str) -> bool:
        return name in self.names

    @property
    def paths(self) -> list[str]:
        return list(dict.fromkeys(line.path for line in self.lines))

    def written(self, row: Row) -> tuple[tuple[str, str], ...]:
        """Label and text of each line that has something to say of a deal."""
        said = ((str(line.label), line.text(row)) for line in self.lines)
        return tuple((label, text) for label, text in said if text)


_PLACED: Mapping[str, str | Promise] = {
    "company": gettext_lazy("Company"),
    "value": gettext_lazy("Value"),
    "tags": gettext_lazy("Tags"),
    "days": gettext_lazy("Days in the stage"),
    "subscription": gettext_lazy("Subscription"),
    "activity": gettext_lazy("Next activity"),
    "owner": gettext_lazy("Owner"),
}


def _day(day: date | None) -> str:
    return django_formats.date_format(day, "SHORT_DATE_FORMAT") if day else ""


_LINES = (
    Line("contact", gettext_lazy("Contact"), "contact__name", lambda row: row["contact__name"] or ""),
    Line("source", gettext_lazy("Source"), "source__name", lambda row: row["source__name"] or ""),
    Line(
        "expected_close_on",
        gettext_lazy("Expected close"),
        "expected_close_on",
        lambda row: _day(row["expected_close_on"]),
    ),
    Line(
        "created_at",
        gettext_lazy("Created"),
        "created_at",
        lambda row: _day(timezone.localdate(row["created_at"])),
    ),
)


def offered_fields() -> list[tuple[str, str]]:
    """Name and label of each field that a card can show."""
    lines = [*_LINES, *map(_of_custom_field, CustomField.objects.filter(entity=CustomField.Entity.DEAL))]
    return [
        *((name, str(label)) for name, label in _PLACED.items()),
        *((line.name, str(line.label)) for line in lines),
    ]


def card_fields(names: Sequence[str]) -> CardFields:
    """The fields of those names, or the usual ones where there are none; names nobody knows are left out."""
    wanted = frozenset(names or CHOSEN_FIRST)
    return CardFields(
        names=wanted,
        lines=(*(line for line in _LINES if line.name in wanted), *map(_of_custom_field, _added(wanted))),
    )


def _added(names: Iterable[str]) -> Iterable[CustomField]:
    keys = [name.removeprefix(ADDED) for name in names if name.startswith(ADDED)]
    return CustomField.objects.filter(entity=CustomField.Entity.DEAL, key__in=keys) if keys else ()


def _of_custom_field(definition: CustomField) -> Line:
    def text(row: Row) -> str:
        value = (row["custom_fields"] or {}).get(definition.key)
        return "" if value is None else _said(definition, value, currency=row["currency"])

    return Line(f"{ADDED}{definition.key}", definition.label, "custom_fields", text)


def _said(definition: CustomField, value: Any, *, currency: str) -> str:
    """A value as `crm.custom_fields` keeps it, for people."""
    match CustomField.Type(definition.type):
        case CustomField.Type.MONEY:
            return formats.money(Decimal(value), currency)
        case CustomField.Type.NUMBER:
            return formats.number(Decimal(str(value)))
        case CustomField.Type.DATE:
            return _day(datetime.fromisoformat(value).date())
        case CustomField.Type.BOOLEAN:
            return _("Yes") if value else _("No")
        case CustomField.Type.CHOICES:
            return ", ".join(value)
        case _:
            return str(value)
