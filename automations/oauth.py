"""OAuth 2 client credentials: requests that need a token get it first, through the same door.

The token's request is one more exchange in the door, within the time limit of the request it is for, so a slow token
server holds up only its own destination. Tokens live in memory, one per grant and process, until shortly before they
expire; an answer of 401 drops them.
"""

import base64
import json
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote_plus, urlencode

from django.conf import settings

from automations.http import ErrorCode, Exchange, Grant, HttpDoor, Request
from automations.http.exchanges import HEADER_VALUE

DEFAULT_LIFE = 300  # seconds, where the server does not say
EARLY = 30  # seconds before a token expires it is not used any more, at most a tenth of its life
UNAUTHORIZED = 401
# RFC 6749, section 5.2; only these are repeated, because a server might put anything into its answer.
TOKEN_ERRORS = frozenset(
    (
        *("invalid_request", "invalid_client", "invalid_grant", "invalid_scope"),
        *("unauthorized_client", "unsupported_grant_type"),
    )
)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    until: float


@dataclass(frozen=True, slots=True)
class _Fetch:
    """The key of a token's exchange. Servers that take no Basic authentication are asked again with the body."""

    grant: Grant
    ca_bundle: str
    client_certificate: str
    in_body: bool


@dataclass(frozen=True, slots=True)
class _Waiting:
    key: Hashable
    request: Request
    since: float


_tokens: dict[Grant, _Token] = {}


class AuthorisedDoor(HttpDoor):
    """A door that fetches the tokens requests need; from outside it is one exchange for each request."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._waiting: dict[_Fetch, list[_Waiting]] = {}
        self._granted: dict[Hashable, tuple[Grant, str]] = {}

    def start(self, key: Hashable, request: Request) -> None:
        """As HttpDoor's; a request with a grant waits for its token within its own time limit."""
        if request.grant is None:
            super().start(key, request)
        elif token := _known(request.grant):
            self._start_granted(key, request, token)
        else:
            self._fetch(_Waiting(key, request, time.monotonic()))

    def step(
        self, timeout_seconds: float, also: Sequence[int] = ()
    ) -> tuple[list[tuple[Hashable, Exchange]], set[int]]:
        """As HttpDoor's; may return without an exchange when a token has come."""
        ended, ready = super().step(timeout_seconds, also)
        shown: list[tuple[Hashable, Exchange]] = []
        for key, exchange in ended:
            if isinstance(key, _Fetch):
                shown += self._take_token(key, exchange)
            else:
                self._drop_refused(key, exchange)
                shown.append((key, exchange))
        return shown, ready

    def _fetch(self, waiting: _Waiting) -> None:
        request = waiting.request
        assert request.grant is not None  # noqa: S101  # for the type checker: `start` looked
        fetch = _Fetch(request.grant, request.ca_bundle, request.client_certificate, in_body=False)
        other = replace(fetch, in_body=True)
        if other in self._waiting:
            fetch = other
        if fetch not in self._waiting:
            super().start(fetch, _token_request(fetch, timeout_seconds=request.timeout_seconds))
        self._waiting.setdefault(fetch, []).append(waiting)

    def _take_token(self, fetch: _Fetch, exchange: Exchange) -> list[tuple[Hashable, Exchange]]:
        waiting = self._waiting.pop(fetch)
        token, problem = _read(exchange)
        if token:
            _keep(fetch.grant, token)
            return [failed for one in waiting if (failed := self._go_on(one, token.text))]
        left = max(_left(one) for one in waiting)
        if not fetch.in_body and exchange.status_code in (400, UNAUTHORIZED) and left > 0:
            again = replace(fetch, in_body=True)
            super().start(again, _token_request(again, timeout_seconds=left))
            self._waiting[again] = waiting
            return []
        return [(one.key, _failure(problem, one, exchange)) for one in waiting]

    def _go_on(self, waiting: _Waiting, token: str) -> tuple[Hashable, Exchange] | None:
        left = _left(waiting)
        if left <= 0:
            return waiting.key, _failure("no token in time", waiting, Exchange())
        self._start_granted(waiting.key, replace(waiting.request, timeout_seconds=left), token)
        return None

    def _start_granted(self, key: Hashable, request: Request, token: str) -> None:
        assert request.grant is not None  # noqa: S101  # for the type checker: `start` looked
        self._granted[key] = (request.grant, token)
        headers = (*request.headers, ("Authorization", f"Bearer {token}"))
        super().start(key, replace(request, headers=headers, secrets=(*request.secrets, token)))

    def _drop_refused(self, key: Hashable, exchange: Exchange) -> None:
        grant, token = self._granted.pop(key, (None, ""))
        if grant and exchange.status_code == UNAUTHORIZED and _known(grant) == token:
            _tokens.pop(grant, None)


def open_door(*, max_in_flight: int) -> AuthorisedDoor:
    """The door of this installation, with the networks, the proxy and the leave for http its operator gave."""
    return AuthorisedDoor(
        allowed_networks=settings.ALLOWED_PRIVATE_NETWORKS,
        allow_http=settings.ALLOW_HTTP,
        proxy=settings.OUTGOING_PROXY,
        max_in_flight=max_in_flight,
    )


def send(request: Request) -> Exchange:
    """Send one request, and its token's before where it needs one, and wait for what becomes of it."""
    with open_door(max_in_flight=1) as door:
        door.start(None, request)
        ended: list[tuple[Hashable, Exchange]] = []
        while not ended:
            ended, _ready = door.step(request.timeout_seconds)
        return ended[0][1]


def _token_request(fetch: _Fetch, *, timeout_seconds: float) -> Request:
    grant = fetch.grant
    form = {"grant_type": "client_credentials"}
    if grant.scope:
        form["scope"] = grant.scope
    headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Accept", "application/json"),
        ("User-Agent", f"Stagehook/{settings.VERSION}"),
    ]
    if fetch.in_body:
        form |= {"client_id": grant.client_id, "client_secret": grant.client_secret}
    else:
        pair = f"{quote_plus(grant.client_id)}:{quote_plus(grant.client_secret)}"
        headers.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
    return Request(
        url=grant.token_url,
        method="POST",
        headers=tuple(headers),
        body=urlencode(form).encode(),
        timeout_seconds=timeout_seconds,
        ca_bundle=fetch.ca_bundle,
        client_certificate=fetch.client_certificate,
    )


def _read(exchange: Exchange) -> tuple[_Token | None, str]:
    """The token in the server's answer, or none and why."""
    if exchange.error_code:
        return None, f"{exchange.error_code} {exchange.detail}"
    try:
        answer = json.loads(exchange.response_body)
    except (ValueError, RecursionError):
        answer = None
    given = answer if isinstance(answer, dict) else {}
    if not exchange.succeeded:
        error = given.get("error")
        why = f" {error}" if isinstance(error, str) and error in TOKEN_ERRORS else ""
        return None, f"status {exchange.status_code}{why}"
    text, life = given.get("access_token"), given.get("expires_in", DEFAULT_LIFE)
    if not isinstance(text, str) or not text or not HEADER_VALUE.fullmatch(text):
        return None, "no access_token in the answer"
    if str(given.get("token_type", "bearer")).lower() != "bearer":
        return None, "not a bearer token"
    return _Token(text, time.time() + _seconds_of_use(life)), ""


def _seconds_of_use(life: object) -> float:
    try:
        seconds = min(max(float(str(life)), 0), 86_400)
    except ValueError:
        seconds = DEFAULT_LIFE
    return seconds - min(EARLY, seconds / 10)


def _known(grant: Grant) -> str:
    token = _tokens.get(grant)
    return token.text if token and time.time() < token.until else ""


def _keep(grant: Grant, token: _Token) -> None:
    for old in [known for known, kept in list(_tokens.items()) if kept.until <= time.time()]:
        _tokens.pop(old, None)
    _tokens[grant] = token


def _left(waiting: _Waiting) -> float:
    return waiting.since + waiting.request.timeout_seconds - time.monotonic()


def _failure(problem: str, waiting: _Waiting, exchange: Exchange) -> Exchange:
    """The exchange of a request that never left, with the times and the address of its token's."""
    return Exchange(
        error_code=ErrorCode.TOKEN_FAILED,
        detail=f"token server: {problem}",
        duration_ms=round((time.monotonic() - waiting.since) * 1000),
        timings=exchange.timings,
        resolved_ip=exchange.resolved_ip,
    )
