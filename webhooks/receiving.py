"""`/in/<key>/`: takes requests in and answers. Which may come in is judged in `admission`; `requests` does the work."""

from dataclasses import replace
from datetime import timedelta
from threading import BoundedSemaphore
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from webhooks import landing
from webhooks.admission import Answered, Refused, admit
from webhooks.arrivals import arrival_of
from webhooks.dedupe import window
from webhooks.documents import problem
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.presets.answers import in_their_words
from webhooks.problems import in_readers_language
from webhooks.requests import Arrival, apply_request, hand_over, keep, store

Reason, State = InboundRequest.Reason, InboundRequest.State

# Requests that one process applies at a time. More of them only take each other's time: each is mostly Python.
_PLACES = BoundedSemaphore(2)
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


@csrf_exempt
def receive(request: HttpRequest, key: str) -> HttpResponse:
    """The whole way of an inbound request; see the contract's table of answers."""
    endpoint = InboundEndpoint.objects.present().filter(key=key).first()
    if endpoint is None:
        return _unknown()
    page = landing.landing_of(endpoint)
    if page is None:
        return _taken_in(request, endpoint)
    is_asking = request.method == "OPTIONS"
    response = landing.preflight(page, request) if is_asking else _taken_in(request, endpoint)
    return landing.dressed(response, page, request)


def _taken_in(request: HttpRequest, endpoint: InboundEndpoint) -> HttpResponse:
    arrival = arrival_of(request, endpoint, now=timezone.now())
    try:
        admitted = admit(request, arrival)
    except Refused as refusal:
        return _refusal(arrival, refusal)
    except Answered as answered:
        return _settled(arrival, answered)
    waits = endpoint.response_mode == InboundEndpoint.ResponseMode.WAIT
    stored = store(
        replace(arrival, content_type=admitted.content_type),
        body=admitted.body,
        dedupe_key=admitted.dedupe_key,
        window=window(endpoint.dedupe),
        at_work=waits,
    )
    if waits and stored.state == State.RECEIVED:
        stored = _applied_in_time(stored)
    return answer(stored)


def _applied_in_time(stored: InboundRequest) -> InboundRequest:
    """Apply it, unless so many others are at it that the sender would wait too long: then a task does."""
    patience = stored.received_at + timedelta(milliseconds=settings.ANSWER_WITHIN_MS) - timezone.now()
    if not _PLACES.acquire(timeout=max(0.0, patience.total_seconds())):
        hand_over(request_id=stored.pk, now=timezone.now())
        return stored
    try:
        return apply_request(request_id=stored.pk, now=stored.received_at, endpoint=stored.endpoint)
    finally:
        _PLACES.release()


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
