"""What is done to cards on the board: moving one, making one. Refusals come with the board as it really is."""

from decimal import Decimal

from django import forms
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import trigger_client_event

from crm.actors import Actor
from crm.companies import company_named
from crm.deals import DealError, MissingFields, StaleVersion, create_deal, move_deal
from crm.history import last_change_text
from crm.models import Company, Deal, Stage, User
from crm.views.access import PageRequest
from crm.views.board import touched_answer
from crm.views.fields import CompanyInput, MoneyField


class MoveForm(forms.Form):
    stage = forms.ModelChoiceField(Stage.objects.select_related("pipeline"))
    before = forms.IntegerField(required=False)
    after = forms.IntegerField(required=False)
    version = forms.IntegerField()


@login_required
@require_POST
def move(request: PageRequest, deal_id: int) -> HttpResponse:
    """Move a card. 200, or 409 for a card that changed meanwhile and 422 for what cannot be, each with `message`.

    Every answer tells how the card and the columns now stand (see `touched_answer`). `missing` are the fields that the
    stage asks for: `crm.views.entering` has the form for them.
    """
    deal = get_object_or_404(Deal.objects.visible_to(request.user).select_related("pipeline"), pk=deal_id)
    form = MoveForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"message": _("This stage is gone. Reload the page.")}, status=422)
    try:
        move_deal(deal_id=deal.pk, actor=Actor.user(request.user), **form.cleaned_data)
    except StaleVersion as error:
        message = last_change_text(error.deal, now=timezone.now())
        return JsonResponse(
            {"message": message, **touched_answer(request, deal.pipeline, [deal.pk])}, status=409
        )
    except DealError as error:
        missing = error.fields if isinstance(error, MissingFields) else []
        stands = touched_answer(request, deal.pipeline, [deal.pk])
        return JsonResponse({"message": str(error), "missing": missing, **stands}, status=422)
    return JsonResponse(touched_answer(request, deal.pipeline, [deal.pk]))


class QuickDealForm(forms.Form):
    """The card form on top of a column."""

    title = forms.CharField(
        label=_("Title"), max_length=200, widget=forms.TextInput(attrs={"autofocus": True})
    )
    company = forms.CharField(label=_("Company"), max_length=160, required=False, widget=CompanyInput)
    value = MoneyField(label=_("Value"), required=False)


@login_required
@require_http_methods(["GET", "POST"])
def quick_create(request: PageRequest, stage_id: int) -> HttpResponse:
    """The empty form; on POST a new deal and the empty form for the next one, or the form with its errors (422).

    A new deal is told to the board by the browser event `deal-created`.
    """
    stage = get_object_or_404(Stage.objects.select_related("pipeline"), pk=stage_id)
    form = QuickDealForm(request.POST or None)
    deal = _create(request.user, stage, form) if form.is_valid() else None
    if deal is None:
        status = 422 if form.is_bound else 200
        return render(request, "crm/_quick_create.html", {"stage": stage, "form": form}, status=status)
    response = render(request, "crm/_quick_create.html", {"stage": stage, "form": QuickDealForm()})
    return trigger_client_event(response, "deal-created", {"id": deal.pk})


def _create(user: User, stage: Stage, form: QuickDealForm) -> Deal | None:
    """The new deal of `user`, or None with the door's objections added to the form."""
    values = form.cleaned_data
    try:
        with transaction.atomic():
            fields = {
                "owner": user,
                "company": company_named(values["company"]) if values["company"] else None,
                "value": values["value"] or Decimal(),
            }
            return create_deal(actor=Actor.user(user), stage=stage, title=values["title"], fields=fields)
    except DealError as error:
        form.add_error(None, str(error))
        return None


@login_required
@require_safe
def company_names(request: PageRequest) -> HttpResponse:
    """Options for the company input: names that begin with, else hold, what was typed."""
    typed = (request.GET.get("company") or request.GET.get("value", "")).replace("\0", "").strip()
    names = Company.objects.filter(name__icontains=typed).values_list("name", flat=True)[:8] if typed else []
    return render(request, "crm/_company_names.html", {"names": names})
