"""The list of deals: the columns and the order one chooses, the filters of the board, and what they add up to."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from crm.columns import Column, all_columns, chosen_columns, order_by, with_columns
from crm.keyset import order_of
from crm.models import Deal, SavedView
from crm.totals import sums_of
from crm.views.access import PageRequest
from crm.views.bulk import MOST
from crm.views.filters import FilterBar, filters_of, what_hides
from crm.views.pages import page_of
from crm.views.saved import opening

_COOKIE, _YEAR = "deal_columns", 365 * 24 * 3600


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


def column_names(request: PageRequest) -> list[str]:
    """The names in the address, else those chosen last."""
    return request.GET.get("columns", request.COOKIES.get(_COOKIE, "")).split(",")


@login_required
@require_safe
def deals(request: PageRequest) -> HttpResponse:
    """Deals narrowed by the filters in the address, in the order of `?sort=`, with the columns `?columns=`."""
    if (first := opening(request, SavedView.Layout.LIST)) is not None:
        return first
    offered = all_columns()
    columns = chosen_columns(offered, column_names(request))
    by, falling = order_by(offered, request.GET.get("sort", ""))
    bar = FilterBar(request, filters_of(request), layout="list")
    visible = Deal.objects.visible_to(request.user)
    found = bar.filters.narrow(visible, now=timezone.now())
    page = page_of(
        with_columns(found, [*columns, by]),
        request,
        by=f"-{by.sort}" if falling else by.sort,
        nullable=by.nullable,
    )
    sums = sums_of(found)
    context = {
        "bar": bar,
        "page": page,
        "rows": [
            (deal, [Cell(column=column, value=column.plain(deal)) for column in columns])
            for deal in page.rows
        ],
        "heads": [_head(request, column, by=by, falling=falling) for column in columns],
        "offered": offered,
        "chosen": {column.name for column in columns},
        "sums": sums,
        "most": MOST,
        "hiding": what_hides(bar, visible) if not sums.count else [],
    }
    response = render(request, "crm/deals.html", context)
    if "columns" in request.GET:
        chosen = ",".join(column.name for column in columns)
        response.set_cookie(_COOKIE, chosen, max_age=_YEAR, samesite="Lax", secure=request.is_secure())
    return response


@login_required
@require_safe
def deal_ids(request: PageRequest) -> HttpResponse:
    """`{"deals": [ids]}`: all that fit the filters in the address, the first `MOST` in the order of the list."""
    by, falling = order_by(all_columns(), request.GET.get("sort", ""))
    found = filters_of(request).narrow(Deal.objects.visible_to(request.user), now=timezone.now())
    ordered = found.order_by(*order_of(by.sort, falling=falling))
    return JsonResponse({"deals": list(ordered.values_list("pk", flat=True)[:MOST])})


def _head(request: PageRequest, column: Column, *, by: Column, falling: bool) -> Head:
    query = request.GET.copy()
    query.pop("after", None)
    is_current = column == by
    query["sort"] = f"-{column.name}" if is_current and not falling else column.name
    order = ("descending" if falling else "ascending") if is_current else ""
    return Head(column=column, url=f"?{query.urlencode(safe=',')}" if column.sort else "", order=order)
