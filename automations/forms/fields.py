"""Fields that are written the way people say things: headers as lines, waits as "5 min"."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from automations.requests import MASK

UNITS = {"d": 86_400, "h": 3600, "min": 60, "m": 60, "s": 1}
_WAIT = re.compile(r"(\d+)\s*(min|[smhd])?(?:[\s,;]+|\Z)", re.IGNORECASE)


class HeadersField(forms.CharField):
    """`Name: value`, one a line, as a dict. Values that are there already are shown masked."""

    widget = forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false", "autocomplete": "off"})

    def to_python(self, value: Any) -> Any:
        lines = [line.strip() for line in str(super().to_python(value)).splitlines() if line.strip()]
        headers = {}
        for line in lines:
            name, colon, text = line.partition(":")
            if not colon:
                raise ValidationError(_("Write each header as “Name: value”, one a line."))
            headers[name.strip()] = text.strip()
        return headers

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return "\n".join(f"{name}: {MASK}" for name in value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((data or "") != self.prepare_value(initial))


class ScheduleField(forms.CharField):
    """Waits such as `0 s, 5 s, 5 min, 2 h` as a list of seconds."""

    def to_python(self, value: Any) -> Any:
        text = str(super().to_python(value))
        waits = list(_WAIT.finditer(text))
        if "".join(found[0] for found in waits) != text:
            raise ValidationError(_("Write waits such as “0 s, 5 s, 5 min, 2 h”."))
        return [int(found[1]) * UNITS[(found[2] or "s").lower()] for found in waits]

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(wait_text, value)) if isinstance(value, list) else value


def wait_text(seconds: int) -> str:
    """`90` is "90 s", `300` is "5 min"."""
    for unit, size in UNITS.items():
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
