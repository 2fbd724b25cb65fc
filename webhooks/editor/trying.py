"""Beside the editor: waiting for a first sample, and what a mapping would have made of the requests that came."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST, require_safe

from crm.views.access import PageRequest, admin_required
from webhooks.editor.forms import drafted, fingerprint
from webhooks.editor.samples import offered_requests, sample_of, with_bodies
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.preview import preview
from webhooks.problems import in_readers_language

MOST_TRIED = 20
State = InboundRequest.State


@dataclass(frozen=True, slots=True)
class Trial:
    """A request that came, and the state it would have now with the first thing that is wrong with it."""

    request: InboundRequest
    state: State
    problem: str


def choice_context(endpoint: InboundEndpoint) -> dict[str, Any]:
    """The samples on offer; where there is none, what came last and why it is not one."""
    offered = offered_requests(endpoint)
    last = None if offered else endpoint.requests.newest_first().first()
    return {"offered": offered, "unkept": last}


@admin_required
@require_safe
def mapping_arrivals(request: PageRequest, endpoint_id: int) -> HttpResponse:
    """What a page shows that waits for its first sample: that it waits, or the sample, chosen already."""
    endpoint = _found(endpoint_id)
    context = {"endpoint": endpoint, **choice_context(endpoint)}
    return render(request, "webhooks/_mapping_arrivals.html", context)


@admin_required
@require_POST
def mapping_trial(request: PageRequest, endpoint_id: int) -> HttpResponse:
    """What the mapping as it is filled in would make of the last requests, each by itself; nothing is written."""
    endpoint = _found(endpoint_id)
    draft, wrong = drafted(request.POST, endpoint)
    came = with_bodies(endpoint)[:MOST_TRIED] if draft else []
    trials = [_try(draft, each) for each in came if draft]
    context = {
        "trials": trials,
        "wrong": wrong,
        "fit": sum(each.state == State.APPLIED for each in trials),
        "seen": fingerprint(draft) if draft and endpoint.setting_up else "",
    }
    return render(request, "webhooks/_mapping_trial.html", context)


def _found(endpoint_id: int) -> InboundEndpoint:
    return get_object_or_404(InboundEndpoint.objects.present(), pk=endpoint_id)


def _try(draft: InboundEndpoint, came: InboundRequest) -> Trial:
    sample = sample_of(came)
    outcome = preview(
        endpoint=draft, body=sample.body, content_type=sample.content_type, headers=sample.headers
    )
    problems = in_readers_language(outcome["errors"])
    told = problems[0]["message"] if problems else outcome["detail"]
    return Trial(came, State(outcome["status"]), told)
