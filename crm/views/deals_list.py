"""The list of deals: the columns and the order one chooses, the filters of the board, and what they add up to."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from crm.columns import all_columns, chosen_columns, order_by, with_columns
from crm.keyset import order_of
from crm.models import Deal, SavedView
from crm.totals import sums_of
from crm.views.access import PageRequest
from crm.views.bulk import MOST
from crm.views.columns import cells_of, column_names, head_of, remember_columns
from crm.views.filters import FilterBar, filters_of, what_hides
from crm.views.pages import page_of
from crm.views.saved import opening

COOKIE = "deal_columns"


@login_required
@require_safe
def deals(request: PageRequest) -> HttpResponse:
    """Deals narrowed by the filters in the address, in the order of `?sort=`, with the columns `?columns=`."""
    if (first := opening(request, SavedView.Layout.LIST)) is not None:
        return first
    offered = all_columns()
    columns = chosen_columns(offered, column_names(request, cookie=COOKIE))
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
        "rows": [(deal, cells_of(deal, columns)) for deal in page.rows],
        "heads": [head_of(request, column, by=by, falling=falling) for column in columns],
        "offered": offered,
        "chosen": {column.name for column in columns},
        "sums": sums,
        "most": MOST,
        "hiding": what_hides(bar, visible) if not sums.count else [],
    }
    response = render(request, "crm/deals.html", context)
    remember_columns(request, response, columns, cookie=COOKIE)
    return response


@login_required
@require_safe
def deal_ids(request: PageRequest) -> HttpResponse:
    """`{"deals": [ids]}`: all that fit the filters in the address, the first `MOST` in the order of the list."""
    by, falling = order_by(all_columns(), request.GET.get("sort", ""))
    found = filters_of(request).narrow(Deal.objects.visible_to(request.user), now=timezone.now())
    ordered = found.order_by(*order_of(by.sort, falling=falling))
    return JsonResponse({"deals": list(ordered.values_list("pk", flat=True)[:MOST])})
