"""May this request in? The checks in their order, the cheapest first; none reads more than it must."""

import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError

from webhooks import handshakes, landing
from webhooks.addresses import is_within
from webhooks.bodies import FORM_TYPE, Malformed, is_readable, parse_body, without_file_contents
from webhooks.contents import event_id_in
from webhooks.dedupe import dedupe_key
from webhooks.documents import Problem, problem
from webhooks.models import InboundRequest
from webhooks.requests import Arrival
from webhooks.verification import Signed, is_verified

Reason = InboundRequest.Reason

_MINUTE = timedelta(minutes=1)


@dataclass
class Refused(Exception):
    """The request goes no further. `body` is kept where its sender is known to be the right one."""

    reason: InboundRequest.Reason
    problems: list[Problem]
    body: bytes = b""
    retry_after: int = 0  # seconds


@dataclass
class Answered(Exception):
    """There is nothing to apply; `response` is the answer, None for the usual one."""

    reason: InboundRequest.Reason
    response: HttpResponse | None
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Admitted:
    """`content_type` says how `body` is read again."""

    body: bytes
    content_type: str
    dedupe_key: str


def admit(request: HttpRequest, arrival: Arrival) -> Admitted:
    """Raises Refused and Answered."""
    _check_envelope(request, arrival)
    response = handshakes.answer_unsigned(request, arrival.endpoint, now=arrival.received_at)
    if response is not None:
        reason = Reason.HANDSHAKE if response.status_code < 400 else Reason.SIGNATURE
        raise Answered(reason, response)
    _check_form(request, arrival)
    body = _read(request, most=arrival.endpoint.max_body_bytes)
    signed = _signed(request, arrival, body)
    _verify(signed, arrival)
    return _understand(request, signed, arrival)


def _require(fits: bool, reason: InboundRequest.Reason, *, body: bytes = b"") -> None:
    if not fits:
        raise Refused(reason, [problem(reason.value, "", reason.label)], body=body)


# ---- Before anything is read ----


def _check_envelope(request: HttpRequest, arrival: Arrival) -> None:
    endpoint = arrival.endpoint
    is_query = request.method == "GET" and endpoint.allow_get
    taken = (
        request.method == "POST"
        or is_query
        or (request.method in {"GET", "HEAD"} and handshakes.takes_get(request, endpoint))
    )
    _require(taken, Reason.METHOD)
    _require(endpoint.enabled, Reason.DISABLED)
    _require(_announced_length(request) <= endpoint.max_body_bytes, Reason.SIZE)
    _require(_may_come_from(arrival.remote_address, endpoint.allowed_networks), Reason.ADDRESS)
    _check_rate(arrival)


def _announced_length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isascii() and text.isdigit() else 0


def _may_come_from(address: str, networks: list[str]) -> bool:
    return not networks or is_within(address, map(ipaddress.ip_network, networks))


def _check_rate(arrival: Arrival) -> None:
    page = landing.landing_of(arrival.endpoint)
    if arrival.endpoint.rate_limit_per_minute is not None:
        _check_limit(arrival, arrival.endpoint.rate_limit_per_minute)
    if page is not None:
        _check_limit(arrival, page.rate_per_address, remote_address=arrival.remote_address)


def _check_limit(arrival: Arrival, limit: int, **counted: str) -> None:
    last_minute = InboundRequest.objects.filter(
        endpoint=arrival.endpoint, received_at__gt=arrival.received_at - _MINUTE, **counted
    ).exclude(reason=Reason.RATE)
    # The one that has to grow older than a minute before there is room again.
    times = last_minute.newest_first().values_list("received_at", flat=True)
    in_the_way = next(iter(times[limit - 1 : limit]), None)
    if in_the_way is None:
        return
    wait = (in_the_way + _MINUTE - arrival.received_at).total_seconds()
    problems = [problem(Reason.RATE.value, "", Reason.RATE.label)]
    raise Refused(Reason.RATE, problems, retry_after=max(1, math.ceil(wait)))


def _check_form(request: HttpRequest, arrival: Arrival) -> None:
    page = landing.landing_of(arrival.endpoint)
    _require(page is None or landing.is_allowed(page, request), Reason.ORIGIN)
    if request.method == "GET":
        return
    _require(is_readable(arrival.content_type), Reason.CONTENT_TYPE)
    # Standard Webhooks are JSON and say so; what calls it plain text is a page that makes a browser post.
    is_standard = arrival.endpoint.verification.get("scheme") == "standard_webhooks"
    _require(not (is_standard and request.content_type == "text/plain"), Reason.CONTENT_TYPE)
    _require(request.headers.get("Content-Encoding", "identity") == "identity", Reason.CONTENT_TYPE)


# ---- From the bytes on ----


def _read(request: HttpRequest, *, most: int) -> bytes:
    if request.method == "GET":
        return b""
    try:
        body: bytes = (
            request.body
        )  # of what the web server hands on, at most a byte more than any endpoint takes
    except UnreadablePostError as error:
        raise Refused(Reason.MALFORMED, [problem("malformed", "", Reason.MALFORMED.label)]) from error
    _require(len(body) <= most, Reason.SIZE)
    return body


def _signed(request: HttpRequest, arrival: Arrival, body: bytes) -> Signed:
    query = request.META.get("QUERY_STRING", "")
    return Signed(
        body=body,
        headers={name.lower(): value for name, value in request.headers.items()},
        query={name: values[0] for name, values in request.GET.lists() if len(values) == 1},
        now=arrival.received_at,
        method=request.method or "",
        url=f"{settings.PUBLIC_URL}{request.path}{'?' if query else ''}{query}",
        content_type=arrival.content_type,
    )


def _verify(signed: Signed, arrival: Arrival) -> None:
    endpoint = arrival.endpoint
    if is_verified(endpoint, signed):
        return
    if handshakes.is_woocommerce_ping(endpoint, signed.body):
        raise Answered(Reason.HANDSHAKE, HttpResponse(status=200))
    _require(False, Reason.SIGNATURE, body=signed.body if endpoint.test_mode else b"")


def _understand(request: HttpRequest, signed: Signed, arrival: Arrival) -> Admitted:
    endpoint, body, content_type = arrival.endpoint, signed.body, arrival.content_type
    if request.method == "GET":
        body, content_type = _query_as_form(request, arrival), FORM_TYPE
    try:
        value = parse_body(body=body, content_type=content_type)
        body = without_file_contents(body=body, content_type=content_type)
    except Malformed as error:
        raise Refused(Reason.MALFORMED, [problem("malformed", "", str(error))], body=body) from error
    response = handshakes.answer_signed(endpoint, value)
    if response is not None:
        raise Answered(Reason.HANDSHAKE, response, body=body)
    page = landing.landing_of(endpoint)
    if page is not None and landing.is_trapped(page, value):
        raise Answered(Reason.HONEYPOT, None, body=body)
    return Admitted(body=body, content_type=content_type, dedupe_key=_key(value, signed, arrival))


def _query_as_form(request: HttpRequest, arrival: Arrival) -> bytes:
    """What a GET says, without the token that let it in."""
    verification: Mapping[str, Any] = arrival.endpoint.verification
    token = verification.get("name") if verification.get("in") == "query" else None
    query = request.GET.copy()
    query.pop(str(token), None)
    return query.urlencode().encode()


def _key(value: Any, signed: Signed, arrival: Arrival) -> str:
    endpoint = arrival.endpoint
    names_events = endpoint.mapping is not None and not (endpoint.dedupe or {}).get("keys")
    return dedupe_key(
        value,
        setting=endpoint.dedupe,
        scheme=endpoint.verification.get("scheme", ""),
        headers=signed.headers,
        query=signed.query,
        event_id=event_id_in(value, mapping=endpoint.mapping, headers=signed.headers)
        if names_events
        else None,
    )
