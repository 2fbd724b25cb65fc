"""What goes through the door and what comes back: plain values that know nothing of libcurl."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from automations.http.errors import ErrorCode

MASK = "••••••"
MASKED_FROM = 6  # characters; a shorter text is too likely to stand somewhere by chance

METHODS = frozenset({"POST", "PUT", "PATCH"})
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
# They say how the message is framed and carried, which is not the caller's business.
REFUSED_HEADERS = frozenset(
    (
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    )
)


class BadRequest(ValueError):
    """A request that would not be one message on the wire, or not the message it seems to be."""


@dataclass(frozen=True, slots=True)
class Grant:
    """OAuth 2 client credentials, to be changed for the token that a request needs first."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sent. `timeout_seconds` is the limit for all of it, from the name to the last byte.

    `ca_bundle` (PEM) takes the place of the usual authorities, `client_certificate` is one with its key (PEM).
    `secrets` are texts that the exchange is not to show when the receiver echoes them.
    """

    url: str = field(repr=False)
    method: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    timeout_seconds: float
    ca_bundle: str = field(default="", repr=False)
    client_certificate: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    grant: Grant | None = None

    def check(self) -> None:
        """Raise BadRequest where method or headers could say something else on the wire than they do here."""
        if self.method not in METHODS:
            raise BadRequest(f"method {self.method!r}")
        for name, value in self.headers:
            _check_name(name)
            if not HEADER_VALUE.fullmatch(value):
                raise BadRequest(f"value of header {name!r}")


@functools.lru_cache(1024)
def _check_name(name: str) -> None:
    if not HEADER_NAME.fullmatch(name) or name.lower() in REFUSED_HEADERS:
        raise BadRequest(f"header name {name!r}")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What became of a request.

    `error_code` is "" when the answer was read as far as answers are read, else an ErrorCode; `status_code` may
    stand beside an error (a status, then silence). `response_body` has the first 20,000 bytes as they came,
    `truncated` says that there were more. `timings`, in ms: how long `dns`, `connect` and `tls` took,
    `first_byte` the wait for the answer, `total` all of it. `detail` is for a technician, in English.
    """

    status_code: int | None = None
    error_code: str = ""
    response_headers: tuple[tuple[str, str], ...] = ()
    response_body: bytes = b""
    truncated: bool = False
    duration_ms: int = 0
    timings: dict[str, int] = field(default_factory=dict)
    resolved_ip: str = ""
    detail: str = ""

    @classmethod
    def unsent(cls, error_code: ErrorCode, *, detail: str, resolved_ip: str = "", waited_ms: int = 0) -> Self:
        """The exchange of a request for which no connection was opened, after `waited_ms` for its name."""
        return cls(
            error_code=error_code,
            duration_ms=waited_ms,
            timings={"dns": waited_ms, "connect": 0, "tls": 0, "first_byte": 0, "total": waited_ms},
            resolved_ip=resolved_ip,
            detail=detail,
        )

    def without(self, secrets: Sequence[str]) -> Self:
        """The same, with a mask wherever one of the secrets stands."""
        hidden = sorted({text for text in secrets if len(text) >= MASKED_FROM}, key=len, reverse=True)
        if not hidden:
            return self
        pattern = re.compile("|".join(map(re.escape, hidden)))
        in_bytes = re.compile(b"|".join(re.escape(text.encode()) for text in hidden))
        return replace(
            self,
            response_headers=tuple(
                (pattern.sub(MASK, name), pattern.sub(MASK, value)) for name, value in self.response_headers
            ),
            response_body=in_bytes.sub(MASK.encode(), self.response_body),
            detail=pattern.sub(MASK, self.detail),
        )

    @property
    def succeeded(self) -> bool:
        """Whether the receiver took it: an answer with a 2xx status."""
        return not self.error_code and self.status_code is not None and 200 <= self.status_code < 300
