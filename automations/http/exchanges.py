"""What goes through the door and what comes back: plain values that know nothing of libcurl."""

import re
from dataclasses import dataclass, field
from typing import Self

from automations.http.errors import ErrorCode

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
class Request:
    """What is to be sent. `timeout_seconds` is the limit for all of it, from the name to the last byte."""

    url: str
    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout_seconds: float

    def check(self) -> None:
        """Raise BadRequest where method or headers could say something else on the wire than they do here."""
        if self.method not in METHODS:
            raise BadRequest(f"method {self.method!r}")
        for name, value in self.headers:
            if not HEADER_NAME.fullmatch(name) or name.lower() in REFUSED_HEADERS:
                raise BadRequest(f"header name {name!r}")
            if not HEADER_VALUE.fullmatch(value):
                raise BadRequest(f"value of header {name!r}")


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

    @property
    def succeeded(self) -> bool:
        """Whether the receiver took it: an answer with a 2xx status."""
        return not self.error_code and self.status_code is not None and 200 <= self.status_code < 300
