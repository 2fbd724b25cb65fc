"""The lists of contacts and companies: the columns and the order one chooses, and what narrows them."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from crm.columns import chosen_columns, order_by, with_columns
from crm.views.access import PageRequest
from crm.views.columns import cells_of, column_names, head_of, remember_columns
from crm.views.pages import page_of
from crm.views.people.kinds import Kind


@login_required
@require_safe
def listing(request: PageRequest, kind: Kind) -> HttpResponse:
    """By name, or in the order of `?sort=`, with the columns `?columns=`."""
    offered = kind.columns()
    columns = chosen_columns(offered, column_names(request, cookie=kind.cookie), usual=kind.usual)
    by, falling = order_by(offered, request.GET.get("sort", ""), usual="name")
    found = with_columns(kind.found(request), [*columns, by])
    page = page_of(found, request, by=f"-{by.sort}" if falling else by.sort, nullable=by.nullable)
    form = kind.filter(request.GET)
    context = {
        "kind": kind,
        "page": page,
        "rows": [(row, cells_of(row, columns)) for row in page.rows],
        "heads": [head_of(request, column, by=by, falling=falling) for column in columns],
        "offered": offered,
        "chosen": {column.name for column in columns},
        "filter": form,
        "is_narrowed": any(request.GET.get(name) for name in form.fields),
    }
    response = render(request, "crm/people.html", context)
    remember_columns(request, response, columns, cookie=kind.cookie)
    return response
