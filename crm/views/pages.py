"""Long lists, read page by page from where the last page ended (keyset), so that page 1,000 costs what page 1 does."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

SIZE = 50
_Row = TypeVar("_Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    """`first_url` and `next_url` are empty where they lead nowhere."""

    rows: list[_Row]
    first_url: str
    next_url: str


def page_of(rows: QuerySet[_Row], request: HttpRequest, *, by: str) -> Page[_Row]:
    """The page of `rows` after the row with the id `?after=`, in the order of the field `by` (`-` for falling)."""
    name, falling = by.removeprefix("-"), by.startswith("-")
    ordered = rows.order_by(by, "-pk" if falling else "pk")
    after = request.GET.get("after", "")
    last = rows.filter(pk=after).first() if after.isdecimal() else None
    if last is not None:
        ordered = ordered.filter(_beyond(name, getattr(last, name), last.pk, "lt" if falling else "gt"))
    found = list(ordered[: SIZE + 1])
    more = len(found) > SIZE
    return Page(
        rows=found[:SIZE],
        first_url=_url(request, after=None) if last is not None else "",
        next_url=_url(request, after=found[SIZE - 1].pk) if more else "",
    )


def _beyond(name: str, value: Any, pk: int, comparison: str) -> Q:
    return Q(**{f"{name}__{comparison}": value}) | Q(**{name: value, f"pk__{comparison}": pk})


def _url(request: HttpRequest, *, after: int | None) -> str:
    query = request.GET.copy()
    query.pop("after", None)
    if after is not None:
        query["after"] = str(after)
    return f"?{query.urlencode()}"
