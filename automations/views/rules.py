"""The form of a rule with its preview, and test sends."""

import json

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automations.explanations import advise, describe_rule, explain_attempt
from automations.fields import offered_fields
from automations.forms.conditions import make_row, rows_from
from automations.forms.rules import RuleForm, initial_from_link, initial_of
from automations.models import Delivery, Destination, Event, Rule
from automations.rendering import PayloadError
from automations.rule_history import history_of
from automations.rules import delete_rule, preview_rule, problems_with
from automations.samples import sample
from automations.trials import send_test
from automations.views.delivery import phases_of
from automations.views.document import lines_of
from automations.views.overview import RELATED
from crm.actors import Actor
from crm.expressions import fault_at
from crm.formats import pretty_json
from crm.ids import read_id
from crm.models import Deal
from crm.search import find
from crm.views.access import PageRequest, admin_required

OFFERED_DEALS = 20


@admin_required
@require_http_methods(["GET", "POST"])
def new_rule(request: PageRequest) -> HttpResponse:
    """An empty form, or one that a link from the board has begun to fill in."""
    form = RuleForm(request.POST or None, initial=initial_from_link(request.GET))
    return _edit(request, form, rule=None)


@admin_required
@require_http_methods(["GET", "POST"])
def rule(request: PageRequest, rule_id: int) -> HttpResponse:
    found = get_object_or_404(Rule.objects.present().select_related(*RELATED), pk=rule_id)
    return _edit(request, RuleForm(request.POST or None, initial=initial_of(found)), rule=found)


def _edit(request: PageRequest, form: RuleForm, *, rule: Rule | None) -> HttpResponse:
    if form.is_valid() and (saved := form.save(rule=rule, by=request.user)):
        messages.success(request, _("“%(name)s” is saved.") % {"name": saved.name})
        return redirect(saved)
    context = {
        "form": form,
        "rule": rule,
        "deals": offered_deals(),
        "delete_text": _what_deleting_does(rule) if rule else "",
        "log": rule.deliveries.order_by("-id").defer("body")[:5] if rule else [],
        "history": history_of(rule) if rule else [],
    }
    return render(request, "automations/rule.html", context, status=422 if form.is_bound else 200)


def offered_deals() -> QuerySet[Deal]:
    """The newest open deals, to try things with."""
    return Deal.objects.open().order_by("-id")[:OFFERED_DEALS]


def _what_deleting_does(rule: Rule) -> str:
    waiting = rule.deliveries.filter(state=Delivery.State.PENDING).count()
    return ngettext(
        "%(n)d waiting delivery will be cancelled. The log of what was sent stays.",
        "%(n)d waiting deliveries will be cancelled. The log of what was sent stays.",
        waiting,
    ) % {"n": waiting}


@admin_required
@require_POST
def remove_rule(request: PageRequest, rule_id: int) -> HttpResponse:
    found = get_object_or_404(Rule.objects.present(), pk=rule_id)
    cancelled = delete_rule(rule_id=found.pk)
    text = ngettext(
        "The rule is deleted, %(n)d delivery was cancelled.",
        "The rule is deleted, %(n)d deliveries were cancelled.",
        cancelled,
    )
    messages.success(request, text % {"n": cancelled})
    return redirect("rules")


@admin_required
@require_POST
def condition(request: PageRequest) -> HttpResponse:
    """A row of the conditions: a new one, or the one that is given with what its field allows."""
    row = next(iter(rows_from(request.POST)), None) or make_row(offered_fields())
    row.forget_strangers()
    return render(request, "automations/_condition.html", {"row": row})


class TrialForm(forms.Form):
    """With which deal to try a rule or a destination."""

    deal = forms.ModelChoiceField(Deal.objects.all())
    event = forms.ChoiceField(choices=Event.choices)
    destination = forms.ModelChoiceField(Destination.objects.present())


@admin_required
@require_POST
def preview(request: PageRequest) -> HttpResponse:
    """What the rule, as it is filled in, would send for the chosen deal, and whether it would run."""
    draft, deal = _draft(request), _chosen_deal(request)
    problems = [problem for several in problems_with(draft).values() for problem in several]
    found = preview_rule(rule=draft, deal=deal) if deal and not problems else None
    payload = json.dumps(found["payload"], indent=2, ensure_ascii=False) if found else ""
    context = {
        "draft": draft,
        "sentence": describe_rule(draft),
        "preview": found,
        "payload": payload,
        "problems": problems,
        "faults": _faults(draft) if problems else [],
    }
    return render(request, "automations/_preview.html", context)


def _draft(request: PageRequest) -> Rule:
    """The rule as it is filled in, under its own number where it is there already."""
    form = RuleForm(request.POST)
    form.is_valid()
    number = read_id(request.POST.get("rule", ""))
    return form.draft(saved=Rule.objects.present().filter(pk=number).first() if number else None)


def _faults(draft: Rule) -> list[tuple[str, int]]:
    """The inputs of expressions that cannot be read, by their ids, each with the offset of the character at fault."""
    written = {
        "id_condition_expression": draft.conditions.get("expression"),
        "id_expression": draft.payload.get("expression"),
    }
    found = [(field, fault_at(text)) for field, text in written.items() if text is not None]
    return [(field, offset) for field, offset in found if offset is not None]


def _chosen_deal(request: PageRequest) -> Deal | None:
    return Deal.objects.filter(pk=read_id(request.POST.get("deal", "")) or 0).first()


@admin_required
@require_POST
def document(request: PageRequest) -> HttpResponse:
    """What an expression can name for the chosen deal and event."""
    deal = _chosen_deal(request)
    lines = list(lines_of(sample(_draft(request), deal))) if deal else []
    return render(request, "automations/_document.html", {"lines": lines})


@admin_required
@require_safe
def find_deals(request: PageRequest) -> HttpResponse:
    """The options of the deals to try things with: what `?find=` finds, else the newest open ones."""
    text = request.GET.get("find", "").strip()
    deals = find(text=text, user=request.user).deals if text else offered_deals()
    return render(request, "automations/_deal_options.html", {"deals": deals})


@admin_required
@require_POST
def test_send(request: PageRequest) -> HttpResponse:
    """Send what the rule, as it is filled in, makes of a deal to its destination, now; show what came of it."""
    form = TrialForm(request.POST)
    if not form.is_valid():
        return render(request, "automations/_trial.html", {"missing": True}, status=422)
    try:
        delivery = send_test(
            destination_id=form.cleaned_data["destination"].pk,
            event=Event(form.cleaned_data["event"]),
            deal=form.cleaned_data["deal"],
            actor=Actor.user(request.user),
            rule=_draft(request),
        )
    except PayloadError as error:
        return render(request, "automations/_trial.html", {"problem": str(error)}, status=422)
    attempt = delivery.attempts.get()
    context = {
        "delivery": delivery,
        "attempt": attempt,
        "explanation": explain_attempt(attempt),
        "advice": advise(attempt),
        "phases": phases_of(attempt),
        "signature": dict(attempt.request_headers).get("webhook-signature", ""),
        "payload": pretty_json(bytes(delivery.body).decode()),
        "response_body": pretty_json(attempt.response_body),
    }
    return render(request, "automations/_trial.html", context)
