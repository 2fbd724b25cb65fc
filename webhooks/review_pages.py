"""The pages on which people see to requests by hand: choosing the deal that is meant, and trying many once more."""

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from crm.ids import read_id
from crm.refusals import InvalidFields
from crm.views.access import PageRequest, admin_required
from webhooks.models import InboundEndpoint, InboundRequest, ReplayJob
from webhooks.replays import cancel_replay, start_replay
from webhooks.review import NothingToDecide, decide, question_of, set_aside

PAGE = 50
NEW, NONE = "new", "none"


@admin_required
@require_safe
def review(request: PageRequest) -> HttpResponse:
    """What waits for somebody to choose its deal, oldest first; `?endpoint=` shows one endpoint's."""
    waiting = InboundRequest.objects.to_review().select_related("endpoint").defer("headers")
    endpoint = read_id(request.GET.get("endpoint", ""))
    if endpoint is not None:
        waiting = waiting.filter(endpoint=endpoint)
    found = list(waiting.order_by("received_at")[:PAGE])
    return render(request, "webhooks/review.html", {"requests": found, **tab_context()})


def tab_context() -> dict[str, int]:
    """How much waits for a person, for the tabs above every list of the inbound side."""
    return {"to_review": InboundRequest.objects.to_review().count()}


@admin_required
@require_POST
def decide_request(request: PageRequest, request_id: str) -> HttpResponse:
    """Apply a request to the deal that was chosen, to a new one, or set it aside."""
    found = get_object_or_404(InboundRequest, pk=request_id)
    chosen, number = request.POST.get("deal", ""), request.POST.get("number", "0")
    deal_id, now = read_id(chosen), timezone.now()
    if chosen not in (NEW, NONE) and deal_id is None:
        messages.error(request, _("Choose a deal first."))
        return redirect(found)
    try:
        if chosen == NONE:
            decided = set_aside(request_id=found.pk, by=request.user, now=now)
        else:
            position = read_id(number) or 0
            decided = decide(request_id=found.pk, number=position, deal_id=deal_id, now=now)
    except NothingToDecide as refusal:
        messages.error(request, str(refusal))
        return redirect(found)
    _tell(request, decided)
    if decided.reason == InboundRequest.Reason.REVIEW:
        return redirect(found)
    following = InboundRequest.objects.to_review().order_by("received_at").first()
    return redirect(following or found)


def _tell(request: PageRequest, decided: InboundRequest) -> None:
    outcome = decided.get_state_display()
    if decided.state in (InboundRequest.State.APPLIED, InboundRequest.State.IGNORED):
        messages.success(request, _("Decided: %(outcome)s.") % {"outcome": outcome})
    elif decided.reason == InboundRequest.Reason.REVIEW:
        messages.success(request, _("One more is to be decided about this request."))
    else:
        messages.error(request, _("Decided: %(outcome)s.") % {"outcome": outcome})


def question_context(found: InboundRequest) -> dict[str, object]:
    """What the page of a request needs to ask which deal is meant; nothing where that is not the question."""
    if found.state != InboundRequest.State.RECEIVED or found.reason != InboundRequest.Reason.REVIEW:
        return {}
    return {"asks": True, "question": question_of(found)}


# ---- Trying many once more ----


class ReplayForm(forms.Form):
    days = forms.TypedChoiceField(
        label=gettext_lazy("Received"),
        choices=[
            (1, gettext_lazy("Last 24 hours")),
            (7, gettext_lazy("Last 7 days")),
            (30, gettext_lazy("Last 30 days")),
        ],
        coerce=int,
    )


@admin_required
@require_POST
def replay_many(request: PageRequest, endpoint_id: int) -> HttpResponse:
    """Begin to apply anew what an endpoint rejected or gave up."""
    endpoint = get_object_or_404(InboundEndpoint.objects.present(), pk=endpoint_id)
    form = ReplayForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose since when."))
        return redirect(endpoint)
    since = timezone.now() - timedelta(days=form.cleaned_data["days"]) + timedelta(minutes=1)
    try:
        start_replay(endpoint_id=endpoint.pk, since=since, by=request.user)
    except InvalidFields as refusal:
        messages.error(request, str(refusal))
    return redirect(f"{endpoint.get_absolute_url()}#replays")


@admin_required
@require_safe
def replay_job(request: PageRequest, job_id: int) -> HttpResponse:
    """A job as it stands, asked for again and again while it runs."""
    job = get_object_or_404(ReplayJob, pk=job_id)
    return render(request, "webhooks/_replay.html", {"job": job})


@admin_required
@require_POST
def stop_replay(request: PageRequest, job_id: int) -> HttpResponse:
    get_object_or_404(ReplayJob, pk=job_id)
    return render(request, "webhooks/_replay.html", {"job": cancel_replay(job_id=job_id)})
