"""Builds the request of an attempt: the frozen bytes, and headers made fresh from the destination as it is now."""

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from django.conf import settings

from automations.http import Grant, Request
from automations.http.exchanges import MASK
from automations.models import Destination
from automations.signing import signed_headers

__all__ = ["MASK", "build_request", "fill_url", "masked_headers", "private_headers", "variables_in"]

VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,39})\}")

SECRET_CREDENTIALS = frozenset({"password", "token", "value", "client_secret"})


def build_request(  # noqa: PLR0913  # an attempt is all of this, and all by name
    *,
    destination: Destination,
    delivery_id: str,
    event: str,
    body: bytes,
    content_type: str,
    number: int,
    trigger: str,
    chain: UUID,
    depth: int,
    now: datetime,
) -> Request:
    """The signed request of attempt `number`; see docs/receiving.md for its headers."""
    headers = (
        ("Content-Type", content_type),
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
        url=fill_url(destination.url, destination.variables),
        method=destination.method,
        headers=headers,
        body=body,
        timeout_seconds=destination.timeout_seconds,
        ca_bundle=destination.ca_bundle,
        client_certificate=destination.client_certificate,
        secrets=_secrets(destination),
        grant=_grant(destination),
    )


def variables_in(url: str) -> list[str]:
    """The names that stand in braces."""
    return VARIABLE.findall(url)


def fill_url(url: str, variables: Mapping[str, str]) -> str:
    """The URL that is called. Only the template of it is ever shown or written down."""
    return VARIABLE.sub(lambda found: quote(variables[found[1]], safe=""), url)


def _grant(destination: Destination) -> Grant | None:
    return Grant(**destination.credentials) if destination.auth == Destination.Auth.OAUTH2 else None


def _secrets(destination: Destination) -> tuple[str, ...]:
    """What no log is to show, in the forms in which a receiver may echo it."""
    plain = [*destination.headers.values(), *destination.variables.values()]
    plain += [value for name, value in destination.credentials.items() if name in SECRET_CREDENTIALS]
    plain += [value.removeprefix("Basic ") for value in private_headers(destination).values()]
    return tuple({form for text in plain for form in (text, quote(text, safe=""), json.dumps(text)[1:-1])})


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
    shown = [(name, MASK if name.lower() in hidden else value) for name, value in request.headers]
    return [*shown, ("Authorization", MASK)] if request.grant else shown
