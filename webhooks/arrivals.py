"""What is kept of a request besides its body: who sent it, how, with which headers. Secrets are masked."""

import re
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

from django.http import HttpRequest

from webhooks.masking import MASK, is_secret, masked_query
from webhooks.models import InboundEndpoint
from webhooks.requests import Arrival

_CHAIN = re.compile(r"([0-9a-f-]{36});([0-9]{1,4})")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
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
        query=_masked_query(request.META.get("QUERY_STRING", ""), secret_name=secret_name),
        headers=_masked_headers(request.headers, secret_name=secret_name),
        content_type=_storable(request.META.get("CONTENT_TYPE", ""))[:200],
        remote_address=request.META.get("REMOTE_ADDR", "")[:45],
        chain=chain,
        depth=depth,
    )


def _masked_query(query: str, *, secret_name: str) -> str:
    masked = masked_query(query[:_LONGEST_QUERY], hides=lambda name: is_secret(name, secret_name))
    return _storable(masked)[:_LONGEST_QUERY]


def _masked_headers(headers: Mapping[str, str], *, secret_name: str) -> dict[str, str]:
    return {
        name: MASK if is_secret(name, secret_name) else _storable(value)[:_LONGEST_HEADER]
        for name, value in list(headers.items())[:_MOST_HEADERS]
    }


def _chain(header: str) -> tuple[UUID, int]:
    """The chain that the request continues, one step deeper; a chain of its own where it names none."""
    found = _CHAIN.fullmatch(header)
    try:
        return (UUID(found[1]), int(found[2]) + 1) if found else (uuid4(), 0)
    except ValueError:
        return uuid4(), 0


def _storable(text: str) -> str:
    return _UNPRINTABLE.sub("�", text)
