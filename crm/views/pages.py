"""Long lists, read page by page from where the last page ended (keyset), so that page 1,000 costs what page 1 does."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from crm.ids import read_id
from crm.keyset import beyond, order_of

SIZE = 50
_Row = TypeVar("_Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    """`first_url` and `next_url` are empty where they lead nowhere."""

    rows: list[_Row]
    first_url: str
    next_url: str


def page_of(rows: QuerySet[_Row], request: HttpRequest, *, by: str, nullable: bool = False) -> Page[_Row]:
    """The page of `rows` after the row with the id `?after=`, in the order of the field `by` (`-` for falling).

    `by` may lead to another table; `nullable` says that some rows have no value there.
    """
    name, falling = by.removeprefix("-"), by.startswith("-")
    ordered = rows.order_by(*order_of(name, falling=falling))
    after = read_id(request.GET.get("after", ""))
    last = rows.filter(pk=after).values_list("pk", name).first() if after is not None else None
    if last is not None:
        ordered = ordered.filter(beyond(name, last[1], last[0], falling=falling, nullable=nullable))
    found = list(ordered[: SIZE + 1])
    more = len(found) > SIZE
    return Page(
        rows=found[:SIZE],
        first_url=_url(request, after=None) if last is not None else "",
        next_url=_url(request, after=found[SIZE - 1].pk) if more else "",
    )


def _url(request: HttpRequest, *, after: int | None) -> str:
    query = request.GET.copy()
    query.pop("after", None)
    if after is not None:
        query["after"] = str(after)
    return f"?{query.urlencode()}"
