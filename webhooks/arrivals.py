"""What is kept of a request besides its body: who sent it, how, with which headers. Secrets are masked."""

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote_plus, unquote_plus
from uuid import UUID, uuid4

from django.http import HttpRequest

from webhooks.models import InboundEndpoint
from webhooks.requests import Arrival

MASK = "•••"
_CHAIN = re.compile(r"([0-9a-f-]{36});([0-9]{1,4})")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_SECRET = re.compile(
    r"auth(?!ors?\b)|cookie|token|secret|passw|api[_-]?key|access[_-]?key|credential|session|senha|\A(key|chave|pwd|pin)\Z",
    re.IGNORECASE,
)
_MOST_HEADERS = 100
_LONGEST_HEADER = 1000
_LONGEST_QUERY = 2000


def arrival_of(request: HttpRequest, endpoint: InboundEndpoint, *, now: datetime) -> Arrival:
    chain, depth = _chain(request.headers.get("Stagehook-Chain", ""))
    secret_name = str(endpoint.verification.get("name", "")).lower()
    return Arrival(
        endpoint=endpoint,
        received_at=now,
        method=(request.method or "")[:7],
        query=masked_query(request.META.get("QUERY_STRING", ""), secret_name=secret_name),
        headers=_masked_headers(request.headers, secret_name=secret_name),
        content_type=_storable(request.META.get("CONTENT_TYPE", ""))[:200],
        remote_address=request.META.get("REMOTE_ADDR", "")[:45],
        chain=chain,
        depth=depth,
    )


def masked_query(query: str, *, secret_name: str) -> str:
    """The query with the values of what is or sounds like a secret masked."""
    pieces = [piece.partition("=") for piece in query[:_LONGEST_QUERY].split("&")]
    shown = [
        f"{name}{sign}{quote_plus(MASK)}"
        if _is_secret(unquote_plus(name), secret_name)
        else name + sign + value
        for name, sign, value in pieces
    ]
    return _storable("&".join(shown))[:_LONGEST_QUERY]


def _masked_headers(headers: Mapping[str, str], *, secret_name: str) -> dict[str, str]:
    return {
        name: MASK if _is_secret(name, secret_name) else _storable(value)[:_LONGEST_HEADER]
        for name, value in list(headers.items())[:_MOST_HEADERS]
    }


def _is_secret(name: str, configured: str) -> bool:
    return (configured != "" and name.lower() == configured) or _SECRET.search(name) is not None


def _chain(header: str) -> tuple[UUID, int]:
    """The chain that the request continues, one step deeper; a chain of its own where it names none."""
    found = _CHAIN.fullmatch(header)
    try:
        return (UUID(found[1]), int(found[2]) + 1) if found else (uuid4(), 0)
    except ValueError:
        return uuid4(), 0


def _storable(text: str) -> str:
    return _UNPRINTABLE.sub("�", text)
