"""Which fields the cards of a board show: read from the address, else as the person has chosen, and chosen here."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from crm.card_fields import MOST, CardFields, card_fields, offered_fields
from crm.models import Pipeline
from crm.views.access import PageRequest


def field_names(request: PageRequest) -> list[str]:
    """The names in the address, where a view has put them, else those the person has chosen; none are the usual."""
    asked = request.GET.get("columns", "")
    return asked.split(",")[:MOST] if asked else list(request.user.card_fields)


def fields_of(request: PageRequest) -> CardFields:
    return card_fields(field_names(request))


@login_required
@require_http_methods(["GET", "POST"])
def choose(request: PageRequest, pipeline_id: int) -> HttpResponse:
    """The menu of the fields; posted, the board again with what was ticked.

    The address has the fields from then on, so a view is kept with them. Outside a view they become the person's own.
    """
    pipeline = get_object_or_404(Pipeline, pk=pipeline_id)
    offered = offered_fields()
    if request.method == "GET":
        context = {"offered": offered, "chosen": fields_of(request), "asked": request.get_full_path()}
        return render(request, "crm/_card_fields.html", context)
    ticked = set(request.POST.getlist("field"))
    names = ["title", *(name for name, _label in offered if name in ticked)]
    if not request.GET.get("view"):
        request.user.card_fields = names
        request.user.save(update_fields=["card_fields"])
    query = request.GET.copy()
    query["columns"] = ",".join(names)
    return redirect(f"{reverse('board', args=[pipeline.pk])}?{query.urlencode(safe=',')}")
