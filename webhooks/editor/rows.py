"""The rows of the editor: a field of the document, and the expression that fills it.

Each row has a key of its own in the names of its inputs (`row-<key>-field`), so that rows come and go without a count
of them; `row` holds the keys in order.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.http import QueryDict

from webhooks.editor.samples import Pick, suggestion
from webhooks.mapping.fields import GROUPS, NativeField, field_at

_OFFERED_GROUPS = [
    (label, [each for each in fields if not each.path.endswith(("custom_fields", "external_ids"))])
    for label, fields in GROUPS
]
_PLACES = {
    path: place for place, path in enumerate(each.path for _label, fields in GROUPS for each in fields)
}
_FIRST = ("contact.name", "contact.emails", "contact.phones", "deal.title")


@dataclass(slots=True)
class Row:
    """`free` is the last name of a field whose last name is free: a custom field's key, another system's name."""

    field: str
    free: str = ""
    expression: str = ""
    only_if_empty: bool = False
    error: str = ""
    key: str = dataclasses.field(default_factory=lambda: uuid4().hex[:8])

    @property
    def path(self) -> str:
        return f"{self.field}{self.free.strip()}" if self.is_free else self.field

    @property
    def is_free(self) -> bool:
        return self.field.endswith(".")

    @property
    def native(self) -> NativeField | None:
        return field_at(f"{self.field}x" if self.is_free else self.field)

    @property
    def options(self) -> Sequence[str]:
        return self.native.options if self.native else ()

    @property
    def groups(self) -> list[tuple[Any, list[NativeField]]]:
        """What the field can be; one that is not offered, such as a whole group, is offered to its own row."""
        offered = {each.path for _label, fields in _OFFERED_GROUPS for each in fields}
        native = self.native
        if self.field in offered or native is None:
            return _OFFERED_GROUPS
        return [*_OFFERED_GROUPS, (native.label, [native])]

    def pick(self, expression: str) -> None:
        """Take a value of the sample, read as the field needs it."""
        self.expression = suggestion(self.native, expression) if self.native else expression


def rows_of(mapping: Mapping[str, Any]) -> list[Row]:
    """The rows of a single mapping, in the order in which fields are offered: the database keeps none."""
    only = set(mapping.get("only_if_empty") or ())
    rows = [
        Row(*_split(path), expression=str(expression), only_if_empty=path in only)
        for path, expression in mapping.get("fields", {}).items()
    ]
    return sorted(rows, key=lambda row: (_PLACES.get(row.field, len(_PLACES)), row.free))


def first_rows() -> list[Row]:
    """What most mappings begin with."""
    return [Row(path) for path in _FIRST]


def new_row(others: Iterable[Row]) -> Row:
    """An empty one, for the first field that no other row fills."""
    taken = {row.field for row in others}
    offered = (each.path for _label, fields in _OFFERED_GROUPS for each in fields)
    return Row(next((path for path in offered if path not in taken), _FIRST[0]))


def _split(path: str) -> tuple[str, str]:
    for group in ("custom_fields.", "external_ids."):
        head, found, free = path.partition(f".{group}")
        if found:
            return f"{head}.{group}", free
    return path, ""


def rows_from(data: QueryDict) -> list[Row]:
    """The rows as somebody has filled them in."""
    return [
        Row(
            field=data.get(f"row-{key}-field", ""),
            free=data.get(f"row-{key}-free", ""),
            expression=data.get(f"row-{key}-expression", ""),
            only_if_empty=f"row-{key}-only" in data,
            key=key,
        )
        for key in data.getlist("row")
        if key.isalnum()
    ]


def mapping_from(rows: Iterable[Row], *, each: str, when: str, otherwise: str) -> dict[str, Any] | None:
    """The mapping of rows that say something; None where none does."""
    told = [row for row in rows if row.expression.strip()]
    if not told:
        return None
    mapping: dict[str, Any] = {"fields": {row.path: row.expression.strip() for row in told}}
    parts = {"each": each.strip(), "when": when.strip(), "otherwise": otherwise.strip()}
    mapping |= {name: text for name, text in parts.items() if text}
    if only := [row.path for row in told if row.only_if_empty]:
        mapping["only_if_empty"] = only
    return mapping


def offered_picks(picks: Sequence[Pick], row: Row) -> Sequence[Pick]:
    """The picks of the sample, and for a choice its own words."""
    return [*(Pick(f"'{option}'", option) for option in row.options), *picks]
