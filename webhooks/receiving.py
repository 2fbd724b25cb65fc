"""`POST /in/<key>/`: checks a request, the cheapest check first, and answers. The work is in `webhooks.requests`."""

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from webhooks.bodies import Malformed, is_readable, parse_body
from webhooks.documents import Problem, problem
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.problems import in_readers_language
from webhooks.requests import Arrival, apply_request, refuse, store
from webhooks.verification import Signed, is_verified

Reason = InboundRequest.Reason

_STATUS = {
    Reason.DISABLED: 410,
    Reason.ADDRESS: 403,
    Reason.RATE: 429,
    Reason.SIZE: 413,
    Reason.CONTENT_TYPE: 415,
    Reason.SIGNATURE: 401,
    Reason.MALFORMED: 400,
}
_CHAIN = re.compile(r"([0-9a-f-]{36});([0-9]{1,4})")
_MESSAGE_ID = re.compile(r"[\x21-\x7e]{1,255}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_SECRET_HEADERS = {"authorization", "proxy-authorization", "cookie", "x-api-key"}
_MASK = "•••"
_MOST_HEADERS = 100
_LONGEST_HEADER = 1000
_MINUTE = timedelta(minutes=1)


@dataclass
class Refused(Exception):
    """The request goes no further. `body` is kept where its sender is known to be the right one."""

    reason: InboundRequest.Reason
    problems: list[Problem]
    body: bytes = b""


@csrf_exempt
def receive(request: HttpRequest, key: str) -> HttpResponse:
    """The whole way of an inbound request; see the contract's table of answers."""
    if request.method != "POST":
        return _bare_refusal(405, "method_not_allowed", allow="POST")
    endpoint = InboundEndpoint.objects.present().filter(key=key).first()
    if endpoint is None:
        return _bare_refusal(404, "not_found")
    arrival = _arrival(request, endpoint, now=timezone.now())
    try:
        body, dedupe_key = _admit(request, arrival)
    except Refused as refusal:
        return _refusal(arrival, refusal)
    waits = endpoint.response_mode == InboundEndpoint.ResponseMode.WAIT
    stored = store(arrival, body=body, dedupe_key=dedupe_key, at_work=waits)
    if waits and stored.state == InboundRequest.State.RECEIVED:
        stored = apply_request(request_id=stored.pk, now=arrival.received_at)
    return answer(stored)


def answer(stored: InboundRequest) -> JsonResponse:
    """What the sender is told of a stored request."""
    told: dict[str, Any] = {"id": stored.pk, "status": stored.state}
    match stored.state:
        case InboundRequest.State.APPLIED:
            return JsonResponse({**told, "deal": stored.deal_id, "changes": stored.changes})
        case InboundRequest.State.DUPLICATE:
            return JsonResponse({**told, "id": stored.first_request_id})
        case InboundRequest.State.IGNORED:
            detail = {"detail": stored.detail} if stored.detail else {}
            return JsonResponse({**told, "reason": stored.reason, **detail})
        case InboundRequest.State.REJECTED:
            return JsonResponse({**told, "errors": in_readers_language(stored.errors)}, status=422)
    return JsonResponse({**told, "status": "received"}, status=202)


def _refusal(arrival: Arrival, refusal: Refused) -> JsonResponse:
    stored = refuse(arrival, reason=refusal.reason, problems=refusal.problems, body=refusal.body)
    told = {"id": stored.pk, "status": stored.state, "errors": stored.errors}
    response = JsonResponse(told, status=_STATUS[refusal.reason])
    if refusal.reason == Reason.RATE:
        response["Retry-After"] = "60"
    return response


def _bare_refusal(status: int, code: str, **headers: str) -> JsonResponse:
    """For what reaches no endpoint, and so is not kept either."""
    message = {404: "Unknown address.", 405: "POST only."}[status]
    told = {"status": "rejected", "errors": [problem(code, "", message)]}
    return JsonResponse(told, status=status, headers={name.title(): value for name, value in headers.items()})


# ---- The checks, cheapest first ----


def _admit(request: HttpRequest, arrival: Arrival) -> tuple[bytes, str]:
    """The body and the key by which a repeat is recognised. Raises Refused."""
    endpoint = arrival.endpoint
    _require(endpoint.enabled, Reason.DISABLED)
    _require(_is_allowed(arrival.remote_address, endpoint.allowed_networks), Reason.ADDRESS)
    _require(_announced_length(request) <= endpoint.max_body_bytes, Reason.SIZE)
    _require(not _is_too_fast(arrival), Reason.RATE)
    _require(is_readable(arrival.content_type), Reason.CONTENT_TYPE)
    _require(request.headers.get("Content-Encoding", "identity") == "identity", Reason.CONTENT_TYPE)
    body = _read(request, most=endpoint.max_body_bytes)
    headers = {name.lower(): value for name, value in request.headers.items()}
    signed = Signed(body=body, headers=headers, query=request.GET.dict(), now=arrival.received_at)
    _require(is_verified(endpoint, signed), Reason.SIGNATURE)
    value = _understand(body, arrival.content_type)
    return body, _dedupe_key(value, body, headers)


def _require(fits: bool, reason: InboundRequest.Reason) -> None:
    if not fits:
        raise Refused(reason, [problem(reason.value, "", str(reason.label))])


def _is_allowed(address: str, networks: list[str]) -> bool:
    if not networks:
        return True
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in ipaddress.ip_network(network) for network in networks)


def _announced_length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isascii() and text.isdigit() else 0


def _is_too_fast(arrival: Arrival) -> bool:
    limit = arrival.endpoint.rate_limit_per_minute
    if limit is None:
        return False
    recent = InboundRequest.objects.filter(
        endpoint=arrival.endpoint, received_at__gt=arrival.received_at - _MINUTE
    )
    return recent.exclude(reason=Reason.RATE)[:limit].count() >= limit


def _read(request: HttpRequest, *, most: int) -> bytes:
    try:
        body: bytes = request.read(most + 1)
    except UnreadablePostError as error:
        raise Refused(Reason.MALFORMED, [problem("malformed", "", str(Reason.MALFORMED.label))]) from error
    _require(len(body) <= most, Reason.SIZE)
    return body


def _understand(body: bytes, content_type: str) -> Any:
    """The value in the body. Raises Refused for one that is malformed; its content is judged when it is applied."""
    try:
        return parse_body(body=body, content_type=content_type)
    except Malformed as error:
        raise Refused(Reason.MALFORMED, [problem("malformed", "", str(error))], body=body) from error


def _dedupe_key(value: Any, body: bytes, headers: Mapping[str, str]) -> str:
    """The sender's own name for the event, else for the message, else what the bytes amount to."""
    event_id = value.get("event_id") if isinstance(value, dict) else None
    if isinstance(event_id, str) and 1 <= len(event_id) <= 200:
        return f"event_id:{event_id.strip()}"
    message_id = headers.get("webhook-id", "")
    if _MESSAGE_ID.fullmatch(message_id):
        return f"webhook-id:{message_id}"
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


# ---- What is kept of the request ----


def _arrival(request: HttpRequest, endpoint: InboundEndpoint, *, now: datetime) -> Arrival:
    chain, depth = _chain(request.headers.get("Stagehook-Chain", ""))
    return Arrival(
        endpoint=endpoint,
        received_at=now,
        headers=_masked(request.headers, endpoint),
        content_type=_storable(request.META.get("CONTENT_TYPE", ""))[:200],
        remote_address=request.META.get("REMOTE_ADDR", "")[:45],
        chain=chain,
        depth=depth,
    )


def _chain(header: str) -> tuple[UUID, int]:
    """The chain that the request continues, one step deeper; a chain of its own where it names none."""
    found = _CHAIN.fullmatch(header)
    try:
        return (UUID(found[1]), int(found[2]) + 1) if found else (uuid4(), 0)
    except ValueError:
        return uuid4(), 0


def _masked(headers: Mapping[str, str], endpoint: InboundEndpoint) -> dict[str, str]:
    secret = _SECRET_HEADERS | {str(endpoint.verification.get("name", "")).lower()}
    return {
        name: _MASK if name.lower() in secret else _storable(value)[:_LONGEST_HEADER]
        for name, value in list(headers.items())[:_MOST_HEADERS]
    }


def _storable(text: str) -> str:
    return _UNPRINTABLE.sub("�", text)
