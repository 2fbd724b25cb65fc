"""One verb for the deals that were chosen on a board or in the list. Before it happens the page says what it will send.

What it will send is found out by doing it and rolling it back: nothing is guessed, and conditions, hold-backs and
guards against loops are heeded as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from crm import formats
from crm.actors import Actor
from crm.deals import DealError, Outcome, undo_move
from crm.ids import read_id, read_ids
from crm.models import Deal, Pipeline, Stage, User
from crm.signals import sending_requested
from crm.timeline import Sending, answers_to
from crm.views.access import PageRequest
from crm.views.board import shown_deals, touched_answer
from crm.views.bulk_forms import FORMS, BulkForm

MOST = 1000
UNDOABLE = 100  # deals that are moved back at once
NAMED = 5  # deals that are named for each reason of a refusal


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why some deals stay as they are, and their titles as far as there is room."""

    reason: str
    titles: str


@login_required
@require_POST
def bulk(request: PageRequest, verb: str) -> HttpResponse:
    """`deal` many times and `step`: the form ("ask"), what it would do ("rehearse"), or its doing ("do").

    Done is told to the page by the browser event `board-done`: {"deals", "message", "undo"}. Deals that were refused
    are listed in the answer.
    """
    if verb not in FORMS:
        raise Http404
    deals = _chosen(request)
    step = request.POST.get("step", "ask")
    form = FORMS[verb](deals, None if step == "ask" else request.POST)
    context: dict[str, Any] = {"form": form, "deals": deals, "verb": verb}
    if step == "ask":
        return render(request, "crm/_bulk_form.html", {**context, **_worth(deals)})
    if step == "rehearse":
        return render(request, "crm/_bulk_forecast.html", _forecast(form, request.user))
    return _do(request, form, {**context, **_worth(deals)})


def _chosen(request: PageRequest) -> list[Deal]:
    """The deals named, as far as this person sees them."""
    wanted = read_ids(request.POST.getlist("deal"))[:MOST]
    return list(Deal.objects.visible_to(request.user).filter(pk__in=wanted))


def _worth(deals: Sequence[Deal]) -> dict[str, str]:
    sums: dict[str, Any] = {}
    for deal in deals:
        sums[deal.currency] = sums.get(deal.currency, 0) + deal.value
    return {"worth": formats.sums(tuple(sorted(sums.items())))}


def _forecast(form: BulkForm, user: User) -> dict[str, Any]:
    """What the verb would do, as far as the form says what that is."""
    if not form.is_valid():
        return {}
    actor, ids = Actor.user(user), [deal.pk for deal in form.deals]
    try:
        with transaction.atomic():
            outcome = form.do(ids, actor)
            told = answers_to(sending_requested, Deal, deal_ids=ids, chain=actor.chain)
            transaction.set_rollback(True)
    except DealError as error:
        return {"problem": str(error)}
    sending = [each for each in told if isinstance(each, Sending)]
    return {
        "text": forecast_text(
            deals=len(outcome.changed),
            rules=sum(each.rules for each in sending),
            requests=sum(each.requests for each in sending),
        ),
        "refusals": _refusals(outcome),
    }


def forecast_text(*, deals: int, rules: int, requests: int) -> str:
    """`23 deals, 2 rules: 46 requests will be sent`."""
    of_deals = ngettext("%(n)s deal", "%(n)s deals", deals) % {"n": formats.number(deals)}
    if not requests:
        return _("%(deals)s: nothing will be sent") % {"deals": of_deals}
    of_rules = ngettext("%(n)s rule", "%(n)s rules", rules) % {"n": formats.number(rules)}
    sent = ngettext("%(n)s request will be sent", "%(n)s requests will be sent", requests)
    return f"{of_deals}, {of_rules}: {sent % {'n': formats.number(requests)}}"


def _refusals(outcome: Outcome) -> list[Refusal]:
    titles: dict[str, list[str]] = {}
    for deal, refusal in outcome.refused:
        titles.setdefault(str(refusal), []).append(deal.title)
    return [
        Refusal(reason=reason, titles=", ".join(those[:NAMED]) + (" …" if len(those) > NAMED else ""))
        for reason, those in titles.items()
    ]


def _do(request: PageRequest, form: BulkForm, context: dict[str, Any]) -> HttpResponse:
    if not form.is_valid():
        return render(request, "crm/_bulk_form.html", context, status=422)
    try:
        outcome = form.do([deal.pk for deal in form.deals], Actor.user(request.user))
    except DealError as error:
        form.add_error(None, str(error))
        return render(request, "crm/_bulk_form.html", context, status=422)
    done = len(outcome.changed)
    message = ngettext("%(n)s deal changed", "%(n)s deals changed", done) % {"n": formats.number(done)}
    if context["verb"] == "move":
        message = _("%(n)s moved to “%(stage)s”") % {
            "n": formats.number(done),
            "stage": form.cleaned_data["stage"],
        }
    answer = render(request, "crm/_bulk_outcome.html", {"message": message, "refusals": _refusals(outcome)})
    event = {
        "deals": [deal.pk for deal in outcome.changed],
        "message": message,
        "undo": context["verb"] == "move" and 0 < done <= UNDOABLE,
        "refused": len(outcome.refused),
    }
    return trigger_client_event(answer, "board-done", event)


@login_required
@require_POST
def undo(request: PageRequest, pipeline_id: int | None = None) -> HttpResponse:
    """Take back the person's last move of each `deal`; `before` and `after` are the neighbours of a single one.

    Answers `message`, with 409 where some cannot be taken back, and to a pipeline's board like a move.
    """
    pipeline = get_object_or_404(Pipeline, pk=pipeline_id) if pipeline_id else None
    deals = _chosen(request)[:UNDOABLE]
    places = {
        name: neighbour
        for name in ("before", "after")
        if (neighbour := read_id(request.POST.get(name, ""))) is not None
    }
    actor, problems = Actor.user(request.user), list[str]()
    with transaction.atomic():
        for deal in deals:
            try:
                undo_move(deal_id=deal.pk, actor=actor, **(places if len(deals) == 1 else {}))
            except DealError as error:
                problems.append(str(error))
    answer = touched_answer(request, pipeline, [deal.pk for deal in deals]) if pipeline else {}
    return JsonResponse({"message": " ".join(problems), **answer}, status=409 if problems else 200)


@login_required
@require_safe
def deals_of_stage(request: PageRequest, stage_id: int) -> HttpResponse:
    """`{"deals": [ids]}`: the cards of a whole column, those that were not read yet included, up to `MOST`."""
    stage = get_object_or_404(Stage, pk=stage_id)
    cards = shown_deals(request).open().filter(stage=stage).in_column_order()
    return JsonResponse({"deals": list(cards.values_list("pk", flat=True)[:MOST])})
