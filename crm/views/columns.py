"""Columns as a reader chooses them: in the address or, where it names none, as they were chosen last."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse

from crm.columns import Column
from crm.views.access import PageRequest

_YEAR = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Head:
    """A column's head: `url` orders the list by it, `order` says how the list is ordered by it ("" if it is not)."""

    column: Column
    url: str
    order: str


@dataclass(frozen=True, slots=True)
class Cell:
    column: Column
    value: Any


def column_names(request: PageRequest, *, cookie: str) -> list[str]:
    """The names in the address, else those chosen last."""
    return request.GET.get("columns", request.COOKIES.get(cookie, "")).split(",")


def remember_columns(
    request: PageRequest, response: HttpResponse, columns: Sequence[Column], *, cookie: str
) -> None:
    """Where the address names columns, they are those that the list shows from now on."""
    if "columns" in request.GET:
        chosen = ",".join(column.name for column in columns)
        response.set_cookie(cookie, chosen, max_age=_YEAR, samesite="Lax", secure=request.is_secure())


def cells_of(row: Any, columns: Sequence[Column]) -> list[Cell]:
    return [Cell(column=column, value=column.plain(row)) for column in columns]


def head_of(request: PageRequest, column: Column, *, by: Column, falling: bool) -> Head:
    query = request.GET.copy()
    query.pop("after", None)
    is_current = column == by
    query["sort"] = f"-{column.name}" if is_current and not falling else column.name
    order = ("descending" if falling else "ascending") if is_current else ""
    return Head(column=column, url=f"?{query.urlencode(safe=',')}" if column.sort else "", order=order)
