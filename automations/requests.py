"""Builds the request of an attempt: the frozen bytes, and headers made fresh from the destination as it is now."""

import base64
from datetime import datetime
from uuid import UUID

from django.conf import settings

from automations.http import Request
from automations.models import Destination
from automations.signing import signed_headers

MASK = "••••••"


def build_request(  # noqa: PLR0913  # an attempt is all of this, and all by name
    *,
    destination: Destination,
    delivery_id: str,
    event: str,
    body: bytes,
    number: int,
    trigger: str,
    chain: UUID,
    depth: int,
    now: datetime,
) -> Request:
    """The signed request of attempt `number`; see docs/receiving.md for its headers."""
    headers = (
        ("Content-Type", "application/json"),
        ("User-Agent", f"Stagehook/{settings.VERSION}"),
        *signed_headers(delivery_id=delivery_id, body=body, secrets=destination.secrets_at(now), at=now),
        ("Idempotency-Key", delivery_id),
        ("Stagehook-Event", event),
        ("Stagehook-Attempt", str(number)),
        ("Stagehook-Trigger", trigger),
        ("Stagehook-Chain", f"{chain};{depth}"),
        *private_headers(destination).items(),
    )
    return Request(
        url=destination.url,
        method=destination.method,
        headers=headers,
        body=body,
        timeout_seconds=destination.timeout_seconds,
    )


def private_headers(destination: Destination) -> dict[str, str]:
    """The admin's own headers and the authentication, whose values nobody sees again."""
    given = destination.credentials
    if destination.auth == Destination.Auth.BASIC:
        pair = f"{given['username']}:{given['password']}".encode()
        return {**destination.headers, "Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    if destination.auth == Destination.Auth.BEARER:
        return {**destination.headers, "Authorization": f"Bearer {given['token']}"}
    if destination.auth == Destination.Auth.HEADER:
        return {**destination.headers, given["name"]: given["value"]}
    return dict(destination.headers)


def masked_headers(request: Request, destination: Destination) -> list[tuple[str, str]]:
    """The request's headers as they may be shown."""
    hidden = {name.lower() for name in private_headers(destination)}
    return [(name, MASK if name.lower() in hidden else value) for name, value in request.headers]
