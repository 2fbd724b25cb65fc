"""What two people made of one field at the same time: as text that travels with the page, and as people read it."""

from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.utils.dateparse import parse_date
from django.utils.formats import date_format

from crm.ids import read_id
from crm.views.fields import DayField


@dataclass(frozen=True, slots=True)
class Versions:
    """One field that two people changed, as they read it: what it was, what the other made of it, what was typed."""

    original: str
    theirs: str
    yours: str


def written(field: forms.Field, value: Any) -> str:
    """A value as the field's input shows and sends it; several are a line each."""
    shown = field.widget.format_value(value)
    return "\n".join(map(str, shown)) if isinstance(shown, list) else shown or ""


def readable(field: forms.Field, text: str) -> str:
    """What is `written`, as people read it: choices by their names, days in the reader's order."""
    offers = cast("Any", field)
    if isinstance(field, forms.ModelChoiceField):
        everything = offers.queryset.model.objects  # also what is offered no more
        return str(everything.filter(pk=read_id(text)).first() or "—")
    if isinstance(field, forms.ChoiceField):
        names = {str(key): str(name) for key, name in offers.choices}
        return ", ".join(names.get(line, line) for line in text.split("\n")) or "—"
    day = parse_date(text) if isinstance(field, DayField) else None
    return date_format(day, "SHORT_DATE_FORMAT") if day else text or "—"
