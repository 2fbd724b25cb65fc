"""The form for what a stage asks of a deal that is moved into it: just what is missing, and then the move."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django_htmx.http import trigger_client_event

from crm.actors import Actor
from crm.deals import DealError, move_deal
from crm.deals.edits import Edit
from crm.models import Deal, Stage
from crm.views.access import PageRequest
from crm.views.deal import visible_deal
from crm.views.deal_fields import field_form
from crm.views.field_forms import FieldForm


@login_required
@require_http_methods(["GET", "POST"])
def enter(request: PageRequest, deal_id: int, stage_id: int) -> HttpResponse:
    """The form; on POST the move with what was filled in, or the form with its errors (422).

    A move is told to the board by the browser event `board-done`, as `crm.views.bulk` does.
    """
    deal = visible_deal(request, deal_id)
    stage = get_object_or_404(Stage.objects.select_related("pipeline"), pk=stage_id)
    forms = _forms(deal, stage, request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"deal": deal, "stage": stage, "forms": forms}
    if request.method == "GET":
        return render(request, "crm/_enter_form.html", context)
    if not all(form.is_valid() for form in forms):
        return render(request, "crm/_enter_form.html", context, status=422)
    try:
        move_deal(deal_id=deal.pk, stage=stage, actor=Actor.user(request.user), fields=_filled(forms))
    except DealError as error:
        return render(request, "crm/_enter_form.html", {**context, "problem": str(error)}, status=422)
    message = _("Moved to %(stage)s") % {"stage": stage}
    event = {"deals": [deal.pk], "message": message, "undo": True, "refused": 0}
    return trigger_client_event(HttpResponse(), "board-done", event)


def _forms(deal: Deal, stage: Stage, data: Any) -> list[FieldForm]:
    """A form for each field that the stage asks for and the deal has no value in."""
    edit = Edit(row=deal, at=deal.updated_at)
    forms = [field_form(deal, name, data) for name in stage.required_fields if edit.is_empty(name)]
    for form in forms:
        form.prefix = form.name.replace(".", "-")
        form.fields["value"].required = True
    return forms


def _filled(forms: list[FieldForm]) -> dict[str, Any]:
    """The fields as `crm.deals.move_deal` takes them: added fields together under one name."""
    fields: dict[str, Any] = {}
    for form in forms:
        for name, value in form.for_the_door().items():
            fields[name] = {**fields.get(name, {}), **value} if isinstance(value, dict) else value
    return fields
