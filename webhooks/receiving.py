"""`/in/<key>/`: takes requests in and answers. Which may come in is judged in `admission`; `requests` does the work.

In two steps, because the second one has to wait for its turn where many come at once: see `webhooks.door`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from webhooks import landing
from webhooks.admission import Admitted, Answered, Refused, admit
from webhooks.arrivals import arrival_of
from webhooks.dedupe import window
from webhooks.documents import problem
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.presets.answers import in_their_words
from webhooks.problems import in_readers_language
from webhooks.remembered import EndpointChanged, confirm, read, remember
from webhooks.requests import Arrival, apply_request, hand_over, keep, store

Reason, State = InboundRequest.Reason, InboundRequest.State

_STATUS = {
    Reason.METHOD: 405,
    Reason.DISABLED: 410,
    Reason.SIZE: 413,
    Reason.ADDRESS: 403,
    Reason.RATE: 429,
    Reason.ORIGIN: 403,
    Reason.CONTENT_TYPE: 415,
    Reason.SIGNATURE: 401,
    Reason.MALFORMED: 400,
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that is on disk and still to be applied, and what its sender asked."""

    asked: HttpRequest
    stored: InboundRequest

    @property
    def until(self) -> datetime:
        """When it has waited long enough for its turn."""
        return self.stored.received_at + timedelta(milliseconds=settings.ANSWER_WITHIN_MS)


@csrf_exempt
def receive(request: HttpRequest, key: str) -> HttpResponse:
    """The whole way of an inbound request; see the contract's table of answers."""
    taken = take_in(request, key)
    return apply_in_turn(taken) if isinstance(taken, Waiting) else taken


def take_in(request: HttpRequest, key: str) -> HttpResponse | Waiting:
    """Judge a request and store it. What is to be applied before it is answered has been claimed by us."""
    endpoint = remember(key) or read(key)
    while endpoint is not None:
        try:
            taken = _asked(request, endpoint) or _taken_in(request, endpoint)
        except EndpointChanged:  # all is judged anew
            endpoint = read(key)
        else:
            return taken if isinstance(taken, Waiting) else _dressed(taken, request, endpoint)
    return _unknown()


def _asked(request: HttpRequest, endpoint: InboundEndpoint) -> HttpResponse | None:
    """The answer to a browser that asks whether a page may post here."""
    page = landing.landing_of(endpoint)
    if page is None or request.method != "OPTIONS":
        return None
    confirm(endpoint)
    return landing.preflight(page, request)


def apply_in_turn(waiting: Waiting) -> HttpResponse:
    """Apply what was taken in, and answer."""
    stored = apply_request(request=waiting.stored, now=waiting.stored.received_at)
    return _dressed(answer(stored), waiting.asked, stored.endpoint)


def leave_to_task(waiting: Waiting) -> HttpResponse:
    """Leave what was taken in to a task, because so many others are at it that the sender would wait too long."""
    stored = waiting.stored
    hand_over(request_id=stored.pk, now=timezone.now())
    return _dressed(answer(stored), waiting.asked, stored.endpoint)


def _dressed(response: HttpResponse, request: HttpRequest, endpoint: InboundEndpoint) -> HttpResponse:
    page = landing.landing_of(endpoint)
    return response if page is None else landing.dressed(response, page, request)


def _taken_in(request: HttpRequest, endpoint: InboundEndpoint) -> HttpResponse | Waiting:
    arrival = arrival_of(request, endpoint, now=timezone.now())
    try:
        admitted = admit(request, arrival)
    except Refused as refusal:
        confirm(endpoint)
        return _refusal(arrival, refusal)
    except Answered as answered:
        confirm(endpoint)
        return _settled(arrival, answered)
    arrival = replace(arrival, content_type=admitted.content_type)
    if endpoint.setting_up:
        confirm(endpoint)
        return answer(_kept_for_later(arrival, admitted))
    waits = endpoint.response_mode == InboundEndpoint.ResponseMode.WAIT
    stored = store(
        arrival,
        body=admitted.body,
        dedupe_key=admitted.dedupe_key,
        window=window(endpoint.dedupe),
        at_work=waits,
    )
    return Waiting(request, stored) if waits and stored.state == State.RECEIVED else answer(stored)


def _kept_for_later(arrival: Arrival, admitted: Admitted) -> InboundRequest:
    """To be looked at while the endpoint is set up, and applied once it is switched on if somebody wants it."""
    return keep(
        arrival,
        state=State.IGNORED,
        reason=Reason.SETTING_UP,
        body=admitted.body,
        dedupe_key=admitted.dedupe_key,
    )


def answer(stored: InboundRequest) -> JsonResponse:
    """What the sender is told of a stored request."""
    status, told = _told(stored)
    return JsonResponse(in_their_words(told, preset=stored.endpoint.preset), status=status)


def _told(stored: InboundRequest) -> tuple[int, dict[str, Any]]:
    told: dict[str, Any] = {"id": stored.pk, "status": stored.state}
    match stored.state:
        case InboundRequest.State.APPLIED:
            return 200, {**told, "deal": stored.deal_id, "changes": stored.changes}
        case InboundRequest.State.DUPLICATE:
            return 200, {**told, "id": stored.first_request_id}
        case InboundRequest.State.IGNORED:
            detail = {"detail": stored.detail} if stored.detail else {}
            return 200, {**told, "reason": stored.reason, **detail}
        case InboundRequest.State.REJECTED:
            return 422, {**told, "errors": in_readers_language(stored.errors)}
    return 202, {**told, "status": "received"}


def _refusal(arrival: Arrival, refusal: Refused) -> JsonResponse:
    stored = keep(
        arrival, state=State.REJECTED, reason=refusal.reason, problems=refusal.problems, body=refusal.body
    )
    told = {"id": stored.pk, "status": stored.state, "errors": in_readers_language(stored.errors)}
    response = JsonResponse(told, status=_STATUS[refusal.reason])
    if refusal.reason == Reason.RATE:
        response["Retry-After"] = str(refusal.retry_after)
    if refusal.reason == Reason.METHOD:
        response["Allow"] = "GET, POST" if arrival.endpoint.allow_get else "POST"
    return response


def _settled(arrival: Arrival, answered: Answered) -> HttpResponse:
    """For what is answered and not applied. Who fell into the trap is told what all others are told."""
    state = State.REJECTED if answered.reason == Reason.SIGNATURE else State.IGNORED
    stored = keep(arrival, state=state, reason=answered.reason, body=answered.body)
    if answered.response is not None:
        return answered.response
    return JsonResponse({"id": stored.pk, "status": "received"}, status=202)


def _unknown() -> JsonResponse:
    """For what reaches no endpoint, and so is not kept either."""
    told = {"status": "rejected", "errors": [problem("not_found", "", "Unknown address.")]}
    return JsonResponse(told, status=404)
