"""The rows of a rule's conditions: what may be asked of each field, and how an answer is written.

Each row has a key of its own in the names of its inputs (`condition-<key>-field`), so that rows come and go without
a count of them; `condition` holds the keys in order.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from automations.fields import Field, offered_fields

OPERATORS: Mapping[str, Any] = {
    "eq": _("is"),
    "ne": _("is not"),
    "in": _("is one of"),
    "not_in": _("is none of"),
    "contains": _("contains"),
    "starts_with": _("starts with"),
    "gt": _("is more than"),
    "gte": _("is at least"),
    "lt": _("is less than"),
    "lte": _("is at most"),
    "between": _("is between"),
    "has_any": _("has any of"),
    "has_all": _("has all of"),
    "has_none": _("has none of"),
    "is_empty": _("is empty"),
    "not_empty": _("is not empty"),
    "changed": _("changed"),
    "changed_from": _("changed from"),
    "changed_to": _("changed to"),
}
WITHOUT_VALUE = frozenset({"is_empty", "not_empty", "changed"})
OF_SEVERAL = frozenset({"in", "not_in", "has_any", "has_all", "has_none"})
_ALWAYS = ("is_empty", "not_empty", "changed")
_OF_KIND: Mapping[str, Sequence[str]] = {
    "text": ("eq", "ne", "in", "not_in", "contains", "starts_with", *_ALWAYS, "changed_from", "changed_to"),
    "number": ("eq", "ne", "gt", "gte", "lt", "lte", "between", *_ALWAYS, "changed_from", "changed_to"),
    "date": ("eq", "ne", "gt", "gte", "lt", "lte", "between", *_ALWAYS),
    "choice": ("eq", "ne", "in", "not_in", *_ALWAYS, "changed_from", "changed_to"),
    "boolean": ("eq", *_ALWAYS),
    "tags": ("has_any", "has_all", "has_none", *_ALWAYS),
    "texts": ("contains", "is_empty", "not_empty"),
    "any": tuple(OPERATORS),
}


@dataclass(slots=True)
class Row:
    """One condition as it stands on the page; `values` are the texts of its inputs."""

    field: Field
    op: str
    values: list[str]
    fields: Sequence[Field]
    key: str = dataclasses.field(default_factory=lambda: uuid4().hex[:8])

    @property
    def operators(self) -> list[tuple[str, Any]]:
        return [(op, OPERATORS[op]) for op in _OF_KIND[self.field.kind]]

    @property
    def control(self) -> str:
        """Which input its value needs: none, choice, choices, range, date, number, list or text."""
        if self.op in WITHOUT_VALUE:
            return "none"
        if self.field.options:
            return "choices" if self.op in OF_SEVERAL else "choice"
        if self.op == "between":
            return "range"
        if self.op in OF_SEVERAL:
            return "list"
        return self.field.kind if self.field.kind in ("date", "number") else "text"

    @property
    def options(self) -> list[tuple[str, Any]]:
        """Those of the field, and what stands in the row without being one of them any more."""
        known = [(str(value), label) for value, label in self.field.options]
        names = {value for value, _label in known}
        return known + [(value, value) for value in self.values if value and value not in names]

    def forget_strangers(self) -> None:
        """Drop values that are none of the field's options: they were chosen for another field."""
        if self.field.options:
            names = {str(value) for value, _label in self.field.options}
            self.values = [value for value in self.values if value in names]

    @property
    def input_type(self) -> str:
        return self.field.kind if self.field.kind in ("date", "number") else "text"

    def as_json(self) -> dict[str, Any]:
        row: dict[str, Any] = {"field": self.field.path, "op": self.op}
        if self.op not in WITHOUT_VALUE:
            row["value"] = self._value()
        return row

    def _value(self) -> Any:
        if self.op == "between":
            return [*self.values, "", ""][:2]
        if self.op in OF_SEVERAL:
            given = self.values
            if not self.field.options:
                given = [part.strip() for part in ",".join(self.values).split(",")]
            return [self._typed(value) for value in given if value]
        return self._typed(self.values[0] if self.values else "")

    def _typed(self, text: str) -> Any:
        return next((value for value, _label in self.field.options if str(value) == text), text)


def rows_of(conditions: Mapping[str, Any]) -> list[Row]:
    """The rows of saved conditions. A field that is not offered is shown by its path."""
    fields = offered_fields()
    return [
        make_row(fields, path=row["field"], op=row["op"], values=_texts(row.get("value")))
        for row in conditions.get("rows", [])
    ]


def rows_from(data: QueryDict) -> list[Row]:
    """The rows as somebody has filled them in."""
    fields = offered_fields()
    return [
        make_row(
            fields,
            key=key,
            path=data.get(f"condition-{key}-field", ""),
            op=data.get(f"condition-{key}-op", ""),
            values=data.getlist(f"condition-{key}-value"),
        )
        for key in data.getlist("condition")
        if key.isalnum()
    ]


def make_row(
    fields: Sequence[Field], *, path: str = "", op: str = "", values: Sequence[str] = (), key: str = ""
) -> Row:
    """A row for a field; without one for the first. An operator that the field has not is replaced by its first."""
    found = next((each for each in fields if each.path == path), None)
    chosen = found or (Field(path, path, "any") if path else fields[0])
    known = _OF_KIND[chosen.kind]
    offered = fields if found or not path else [*fields, chosen]
    row = Row(chosen, op if op in known else known[0], list(values), offered)
    if key:
        row.key = key
    return row


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
