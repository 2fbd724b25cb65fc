"""The rows of the editor: a field of the document, and the expression that fills it.

Each row has a key of its own in the names of its inputs (`row-<key>-field`), so that rows come and go without a count
of them; `row` holds the keys in order.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.http import QueryDict

from webhooks.editor.offers import Offer
from webhooks.editor.readings import Reader
from webhooks.editor.words import Table, fixed, tabled
from webhooks.mapping.fields import Kind, NativeField, field_at

_FIRST = ("contact.name", "contact.emails", "contact.phones", "deal.title")
LISTS = (Kind.TEXTS, Kind.EMAILS, Kind.PHONES)


@dataclass(slots=True)
class Row:
    """`free` is the last name of a field whose last name is free: a custom field's key, another system's name.

    `fixed` and `table` are what the inputs of a value that is always the same, or of a table, say; the expression says
    it too, save for what is still empty.
    """

    field: str
    free: str = ""
    expression: str = ""
    only_if_empty: bool = False
    error: str = ""
    fixed: list[str] | None = None
    table: Table | None = None
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

    def pick(self, expression: str, *, reader: Reader, kind: Kind) -> None:
        """Take a value of the sample, read as a field of that kind needs it."""
        self.write(reader.suggested(kind, expression))

    def write(self, expression: str) -> None:
        """Take an expression as it is."""
        self.expression, self.fixed, self.table = expression, None, None


def kind_of(row: Row, offer: Offer) -> Kind:
    native = offer.field(row.field)
    return native.kind if native else Kind.ANY


def rows_of(mapping: Mapping[str, Any], offer: Offer) -> list[Row]:
    """The rows of a single mapping, in the order in which fields are offered: the database keeps none."""
    only = set(mapping.get("only_if_empty") or ())
    rows = [
        Row(*_split(path, offer), expression=str(expression), only_if_empty=path in only)
        for path, expression in mapping.get("fields", {}).items()
    ]
    places = {path: place for place, path in enumerate(offer.paths())}
    return sorted(rows, key=lambda row: (places.get(row.field, len(places)), row.free))


def first_rows() -> list[Row]:
    """What most mappings begin with."""
    return [Row(path) for path in _FIRST]


def new_row(others: Iterable[Row], offer: Offer) -> Row:
    """An empty one, for the first field that no other row fills."""
    taken = {row.field for row in others}
    return Row(next((path for path in offer.paths() if path not in taken), _FIRST[0]))


def _split(path: str, offer: Offer) -> tuple[str, str]:
    if offer.has(path):
        return path, ""
    for group in ("custom_fields.", "external_ids."):
        head, found, free = path.partition(f".{group}")
        if found:
            return f"{head}.{group}", free
    return path, ""


def rows_from(data: QueryDict) -> list[Row]:
    """The rows as somebody has filled them in."""
    return [_row_from(data, key) for key in data.getlist("row") if key.isalnum()]


def _row_from(data: QueryDict, key: str) -> Row:
    row = Row(
        field=data.get(f"row-{key}-field", ""),
        free=data.get(f"row-{key}-free", ""),
        expression=data.get(f"row-{key}-expression", ""),
        only_if_empty=f"row-{key}-only" in data,
        key=key,
    )
    if f"row-{key}-fixed" in data:
        row.fixed = data.getlist(f"row-{key}-fixed")
        is_said = any(value.strip() for value in row.fixed)
        row.expression = fixed(row.fixed, is_list=f"row-{key}-list" in data) if is_said else ""
    elif of := data.get(f"row-{key}-of", ""):
        words = zip(data.getlist(f"row-{key}-from"), data.getlist(f"row-{key}-to"), strict=False)
        row.table = Table(of, list(words), data.get(f"row-{key}-other", ""))
        row.expression = tabled(row.table)
    return row


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
