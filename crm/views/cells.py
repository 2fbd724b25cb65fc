"""The cells of the list of deals that are edited where they stand, through the same door as the deal's own page."""

from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from crm.columns import Column, all_columns
from crm.history import field_change_text
from crm.models import Deal
from crm.views.access import PageRequest
from crm.views.columns import Cell
from crm.views.deal import saved_field, visible_deal
from crm.views.deal_fields import field_form
from crm.views.field_forms import FieldForm


@login_required
@require_http_methods(["GET", "POST"])
def cell(request: PageRequest, deal_id: int, name: str) -> HttpResponse:
    """The cell as it is shown, with `?edit` its form; on POST it is saved.

    422 with what is wrong, 409 with who was faster, the form in both.
    """
    column = next((each for each in all_columns() if each.field == name), None)
    if column is None:
        raise Http404
    deal = visible_deal(request, deal_id)
    if request.method == "GET":
        return (
            _form(request, field_form(deal, name)) if "edit" in request.GET else _shown(request, deal, column)
        )
    form, status = saved_field(request, deal_id, name)
    if status == HTTPStatus.CONFLICT:
        conflict = field_change_text(form.row, form.name, now=timezone.now())
        return _form(request, form, status=status, conflict=conflict)
    if status != HTTPStatus.OK:
        return _form(request, form, status=status)
    return _shown(request, visible_deal(request, deal_id), column)


def _shown(request: PageRequest, deal: Deal, column: Column) -> HttpResponse:
    return render(
        request, "crm/_cell.html", {"deal": deal, "cell": Cell(column=column, value=column.plain(deal))}
    )


def _form(request: PageRequest, form: FieldForm, *, status: int = 200, conflict: str = "") -> HttpResponse:
    form.auto_id = f"cell-{form.row.pk}-{form.name}-%s"
    return render(request, "crm/_cell_form.html", {"form": form, "conflict": conflict}, status=status)
