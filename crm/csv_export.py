"""Lists as CSV files for spreadsheets, written while they are read, so that no list is too long.

Spreadsheets run what looks like a formula, and what stands in a list came from anybody who can fill in a form; so such
a text gets a quote in front, which spreadsheets take for "this is text".
"""

import csv
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import tzinfo
from decimal import Decimal
from functools import partial
from io import StringIO
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections
from django.db.models import Model, QuerySet
from django.utils import timezone, translation

AT_A_TIME = 1000
BOM = "\ufeff"  # without it Excel takes UTF-8 for something else
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_Row = TypeVar("_Row", bound=Model)


def safe(value: Any) -> Any:
    """The value; a text gets a quote in front where a spreadsheet would take it for a formula."""
    if isinstance(value, int | float | Decimal):
        return value
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULAS) else text


def unquoted(text: str) -> str:
    """The text as it was before `safe`."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULAS) else text


def lines(rows: Iterable[Sequence[Any]]) -> str:
    text = StringIO()
    csv.writer(text).writerows([safe(value) for value in row] for row in rows)
    return text.getvalue()


def export(
    rows: QuerySet[_Row], *, heads: Sequence[str], cells: Callable[[_Row], Sequence[Any]]
) -> AsyncIterator[str]:
    """The file piece by piece: every row of `rows`, in falling order of their ids, in the language under way now.

    Between two pieces no database connection is kept, because a slow reader may take minutes.
    """
    piece = partial(
        _piece,
        rows.order_by("-pk"),
        cells=cells,
        language=translation.get_language() or "",
        zone=timezone.get_current_timezone(),
    )
    return _pieces(BOM + lines([heads]), piece)


async def _pieces(begin: str, piece: Callable[[Any], tuple[str, Any]]) -> AsyncIterator[str]:
    yield begin
    below: Any = None
    while True:
        text, below = await sync_to_async(piece)(below)
        yield text
        if below is None:
            return


def _piece(
    ordered: QuerySet[_Row],
    below: Any,
    *,
    cells: Callable[[_Row], Sequence[Any]],
    language: str,
    zone: tzinfo,
) -> tuple[str, Any]:
    """The lines of the next rows, and the id to go on below: None at the end."""
    with translation.override(language), timezone.override(zone):
        try:
            some = list((ordered if below is None else ordered.filter(pk__lt=below))[:AT_A_TIME])
            return lines(cells(row) for row in some), some[-1].pk if len(some) == AT_A_TIME else None
        finally:
            connections.close_all()
