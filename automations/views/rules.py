"""Rules by pipeline and stage, the form of one with its preview, and test sends."""

import json
from dataclasses import dataclass
from itertools import groupby

from django import forms
from django.contrib import messages
from django.db.models import OuterRef, QuerySet, Subquery
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
from automations.rules import delete_rule, preview_rule, problems_with, update_rule
from automations.trials import send_test
from crm.actors import Actor
from crm.models import Deal, Pipeline, Stage
from crm.views.access import PageRequest, admin_required

OFFERED_DEALS = 20
_RELATED = ("destination", "pipeline", "stage__pipeline", "from_stage__pipeline")


@dataclass(frozen=True, slots=True)
class Group:
    """The rules of one stage, of a whole pipeline, or of everything (both None)."""

    pipeline: Pipeline | None
    stage: Stage | None
    rules: list[Rule]


@admin_required
@require_safe
def rules(request: PageRequest) -> HttpResponse:
    """All rules; `?stage=` shows those of one stage."""
    stage = request.GET.get("stage", "")
    shown = _with_last_state(Rule.objects.present().select_related(*_RELATED))
    if stage.isdecimal():
        shown = shown.filter(stage=int(stage))
    context = {
        "groups": _grouped(list(shown)),
        "stage": Stage.objects.filter(pk=int(stage)).first() if stage.isdecimal() else None,
    }
    return render(request, "automations/rules.html", context)


def _with_last_state(rules: QuerySet[Rule]) -> QuerySet[Rule]:
    newest = Delivery.objects.filter(rule=OuterRef("pk")).order_by("-id")
    return rules.annotate(last_state=Subquery(newest.values("state")[:1]))


def _grouped(rules: list[Rule]) -> list[Group]:
    """In the order of the board; rules for every pipeline come last."""

    def place(rule: Rule) -> tuple[int, ...]:
        stage, pipeline = rule.stage, _pipeline(rule)
        of_pipeline = (0, pipeline.position, pipeline.pk) if pipeline else (1,)
        return (*of_pipeline, *((stage.position, stage.pk) if stage else (-1, 0)))

    rules.sort(key=lambda rule: (place(rule), rule.position, rule.pk))
    return [
        Group(pipeline=_pipeline(members[0]), stage=members[0].stage, rules=members)
        for members in (list(group) for _place, group in groupby(rules, key=place))
    ]


def _pipeline(rule: Rule) -> Pipeline | None:
    return rule.stage.pipeline if rule.stage else rule.pipeline


@admin_required
@require_http_methods(["GET", "POST"])
def new_rule(request: PageRequest) -> HttpResponse:
    """An empty form, or one that a link from the board has begun to fill in."""
    form = RuleForm(request.POST or None, initial=initial_from_link(request.GET))
    return _edit(request, form, rule=None)


@admin_required
@require_http_methods(["GET", "POST"])
def rule(request: PageRequest, rule_id: int) -> HttpResponse:
    found = get_object_or_404(Rule.objects.present().select_related(*_RELATED), pk=rule_id)
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
def toggle_rule(request: PageRequest, rule_id: int) -> HttpResponse:
    """Switch a rule on or off; what it made already goes on its way."""
    found = get_object_or_404(_with_last_state(Rule.objects.present().select_related(*_RELATED)), pk=rule_id)
    found.enabled = update_rule(rule_id=found.pk, fields={"enabled": "enabled" in request.POST}).enabled
    return render(request, "automations/_rule_row.html", {"rule": found})


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
    form, chosen = RuleForm(request.POST), request.POST.get("deal", "")
    deal = Deal.objects.filter(pk=int(chosen)).first() if chosen.isdecimal() else None
    form.is_valid()
    draft = form.draft()
    problems = [problem for several in problems_with(draft).values() for problem in several]
    found = preview_rule(rule=draft, deal=deal) if deal and not problems else None
    payload = json.dumps(found["payload"], indent=2, ensure_ascii=False) if found else ""
    context = {
        "draft": draft,
        "sentence": describe_rule(draft),
        "preview": found,
        "payload": payload,
        "problems": problems,
    }
    return render(request, "automations/_preview.html", context)


@admin_required
@require_POST
def test_send(request: PageRequest) -> HttpResponse:
    """Send an event of a deal to a destination, now and once, and show what came of it."""
    form = TrialForm(request.POST)
    if not form.is_valid():
        return render(request, "automations/_trial.html", {"missing": True}, status=422)
    delivery = send_test(
        destination_id=form.cleaned_data["destination"].pk,
        event=Event(form.cleaned_data["event"]),
        deal=form.cleaned_data["deal"],
        actor=Actor.user(request.user),
    )
    attempt = delivery.attempts.get()
    context = {
        "delivery": delivery,
        "attempt": attempt,
        "explanation": explain_attempt(attempt),
        "advice": advise(attempt),
    }
    return render(request, "automations/_trial.html", context)
