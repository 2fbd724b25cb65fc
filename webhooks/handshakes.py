"""What some systems ask before they send anything: that the address answers, and in their words.

What is handed back is the sender's own text, and goes as plain text, so that no browser makes a page of it.
"""

import re
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from webhooks.models import InboundEndpoint
from webhooks.verification import honoured_secrets
from webhooks.verification.schemes import is_equal

Handshake = InboundEndpoint.Handshake
_LONGEST = 2_000
_WOOCOMMERCE_PING = re.compile(rb"webhook_id=[0-9]{1,12}")
_META = "hub.challenge"


def takes_get(request: HttpRequest, endpoint: InboundEndpoint) -> bool:
    """Whether a GET or HEAD is a question that `answer_unsigned` has an answer to."""
    if request.method == "HEAD":
        return Handshake.PROBE in endpoint.handshakes
    asks_zadarma = "zd_echo" in request.GET and Handshake.ZADARMA in endpoint.handshakes
    asks_meta = _META in request.GET and endpoint.verification.get("scheme") == "meta"
    return asks_zadarma or asks_meta or (Handshake.PROBE in endpoint.handshakes and not request.GET)


def answer_unsigned(request: HttpRequest, endpoint: InboundEndpoint, *, now: Any) -> HttpResponse | None:
    """The answer to a question that comes without a signature, None where the request is something else."""
    if request.method in {"GET", "HEAD"}:
        return _answer_get(request, endpoint, now=now) if takes_get(request, endpoint) else None
    has_body = request.META.get("CONTENT_LENGTH") not in {None, "", "0"}
    token = request.GET.get("validationToken")
    if token is not None and not has_body and Handshake.MICROSOFT in endpoint.handshakes:
        return _plain(token)
    return None


def _answer_get(request: HttpRequest, endpoint: InboundEndpoint, *, now: Any) -> HttpResponse:
    if _META in request.GET:
        return _answer_meta(request, endpoint, now=now)
    return _plain(request.GET.get("zd_echo", ""))


def _answer_meta(request: HttpRequest, endpoint: InboundEndpoint, *, now: Any) -> HttpResponse:
    given = request.GET.get("hub.verify_token", "")
    known = [endpoint.verify_token] if endpoint.verify_token else honoured_secrets(endpoint, now=now)
    is_ours = any(is_equal(given, token) for token in known)
    if request.GET.get("hub.mode") != "subscribe" or not is_ours:
        return HttpResponse(status=403)
    return _plain(request.GET[_META])


def is_woocommerce_ping(endpoint: InboundEndpoint, body: bytes) -> bool:
    """WooCommerce tries an address with its webhook's number and nothing else, unsigned."""
    is_woocommerce = endpoint.verification.get("scheme") == "woocommerce"
    return is_woocommerce and _WOOCOMMERCE_PING.fullmatch(body) is not None


def answer_signed(endpoint: InboundEndpoint, value: Any) -> HttpResponse | None:
    """The answer to a question from a sender that was verified, None where the body is something else."""
    if not isinstance(value, dict):
        return None
    is_slack = endpoint.verification.get("scheme") == "slack"
    challenge = value.get("challenge")
    if is_slack and value.get("type") == "url_verification" and isinstance(challenge, str):
        return _plain(challenge)
    if Handshake.OMIE in endpoint.handshakes and value.get("ping") == "omie":
        return JsonResponse({"ping": "pong"})
    return None


def _plain(text: str) -> HttpResponse:
    response = HttpResponse(text[:_LONGEST], content_type="text/plain; charset=utf-8")
    response["X-Content-Type-Options"] = "nosniff"
    return response
