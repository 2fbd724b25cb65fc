"""The button on a deal's page and in the menu of its card that runs a rule. Whoever sees a deal may work on it."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from automations.manual import run_rule, runnable_rules
from automations.models import Delivery
from crm.actors import Actor
from crm.models import Deal
from crm.refusals import Refused
from crm.views.access import PageRequest


class RunForm(forms.Form):
    deal = forms.IntegerField()


@login_required
@require_POST
def run(request: PageRequest, rule_id: int) -> HttpResponse:
    """Run a rule for the deal named and say what came of it."""
    form = RunForm(request.POST)
    if not form.is_valid():
        raise Http404
    deal = get_object_or_404(Deal.objects.visible_to(request.user), pk=form.cleaned_data["deal"])
    rule = get_object_or_404(runnable_rules(), pk=rule_id)
    try:
        delivery = run_rule(rule_id=rule.pk, deal_id=deal.pk, actor=Actor.user(request.user))
    except Refused as error:
        return _answer(request, deal, str(error), level=messages.ERROR)
    said = _("“%(rule)s”: %(state)s") % {"rule": rule.name, "state": delivery.get_state_display()}
    is_on_its_way = delivery.state == Delivery.State.PENDING
    return _answer(request, deal, said, level=messages.SUCCESS if is_on_its_way else messages.WARNING)


def _answer(request: PageRequest, deal: Deal, text: str, *, level: int) -> HttpResponse:
    """The deal's page with the message; for the menu of a card nothing but the message, as a toast."""
    if not request.htmx:
        messages.add_message(request, level, text)
        return redirect(deal)
    tone = "bad" if level == messages.ERROR else ""
    return trigger_client_event(HttpResponse(status=204), "toast", {"text": text, "tone": tone})
