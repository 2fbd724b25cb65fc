"""The button on a deal's page that runs a rule. Whoever sees a deal may work on it."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

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
    """Run a rule for the deal named, say what came of it, and go back to the deal."""
    form = RunForm(request.POST)
    if not form.is_valid():
        raise Http404
    deal = get_object_or_404(Deal.objects.visible_to(request.user), pk=form.cleaned_data["deal"])
    rule = get_object_or_404(runnable_rules(), pk=rule_id)
    try:
        delivery = run_rule(rule_id=rule.pk, deal_id=deal.pk, actor=Actor.user(request.user))
    except Refused as error:
        messages.error(request, str(error))
    else:
        said = {"rule": rule.name, "state": delivery.get_state_display()}
        is_on_its_way = delivery.state == Delivery.State.PENDING
        tell = messages.success if is_on_its_way else messages.warning
        tell(request, _("“%(rule)s”: %(state)s") % said)
    return redirect(deal)
