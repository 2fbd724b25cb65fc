"""Builds the request of an attempt: the frozen bytes, and headers made fresh from the destination as it is now."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from django.conf import settings

from automations.claims import Claimed
from automations.http import Grant, Request
from automations.http.exchanges import MASK
from automations.models import Destination
from automations.signing import signed_headers

__all__ = ["MASK", "Blueprint", "blueprint_of", "build_request", "fill_url", "masked_headers", "variables_in"]

VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,39})\}")

SECRET_CREDENTIALS = frozenset({"password", "token", "value", "client_secret"})


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What all requests to a destination, as it is now, have in common.

    `private` are the headers whose values nobody sees again: the admin's own and the authentication. `secrets` are
    texts that no log is to show.
    """

    destination: Destination
    url: str = field(repr=False)
    private: tuple[tuple[str, str], ...] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    grant: Grant | None


def blueprint_of(destination: Destination) -> Blueprint:
    """Fills in the URL and works out headers and secrets, once for many requests."""
    private = tuple(private_headers(destination).items())
    return Blueprint(
        destination=destination,
        url=fill_url(destination.url, destination.variables),
        private=private,
        secrets=_secrets(destination, private),
        grant=_grant(destination),
    )


def build_request(blueprint: Blueprint, claimed: Claimed, *, now: datetime) -> Request:
    """The signed request of one attempt; see docs/receiving.md for its headers."""
    destination, body = blueprint.destination, bytes(claimed.body)
    secrets = destination.secrets_at(now)
    headers = (
        ("Content-Type", claimed.content_type),
        ("User-Agent", f"Stagehook/{settings.VERSION}"),
        *signed_headers(delivery_id=claimed.id, body=body, secrets=secrets, at=now),
        ("Idempotency-Key", claimed.id),
        ("Stagehook-Event", claimed.event),
        ("Stagehook-Attempt", str(claimed.number)),
        ("Stagehook-Trigger", claimed.trigger),
        ("Stagehook-Chain", f"{claimed.chain};{claimed.depth}"),
        *blueprint.private,
    )
    return Request(
        url=blueprint.url,
        method=destination.method,
        headers=headers,
        body=body,
        timeout_seconds=destination.timeout_seconds,
        ca_bundle=destination.ca_bundle,
        client_certificate=destination.client_certificate,
        secrets=blueprint.secrets,
        grant=blueprint.grant,
    )


def masked_headers(request: Request, blueprint: Blueprint) -> list[tuple[str, str]]:
    """The request's headers as they may be shown."""
    shown = list(request.headers[: len(request.headers) - len(blueprint.private)])
    shown += [(name, MASK) for name, _value in blueprint.private]
    return [*shown, ("Authorization", MASK)] if request.grant else shown


def variables_in(url: str) -> list[str]:
    """The names that stand in braces."""
    return VARIABLE.findall(url)


def fill_url(url: str, variables: Mapping[str, str]) -> str:
    """The URL that is called. Only the template of it is ever shown or written down."""
    return VARIABLE.sub(lambda found: quote(variables[found[1]], safe=""), url)


def _grant(destination: Destination) -> Grant | None:
    return Grant(**destination.credentials) if destination.auth == Destination.Auth.OAUTH2 else None


def _secrets(destination: Destination, private: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """What no log is to show, in the forms in which a receiver may echo it."""
    plain = [*destination.headers.values(), *destination.variables.values()]
    plain += [value for name, value in destination.credentials.items() if name in SECRET_CREDENTIALS]
    plain += [value.removeprefix("Basic ") for _name, value in private]
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
