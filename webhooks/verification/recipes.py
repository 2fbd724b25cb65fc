"""How senders sign with HMAC: they differ in where the signature stands, how it is written and what it covers."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass

from webhooks.bodies import Malformed, parse_body
from webhooks.paths import read_path, value_at
from webhooks.verification.schemes import TOLERANCE_SECONDS, Signed, is_equal, is_recent

ALGORITHMS = ("sha256", "sha1", "sha512", "sha384")
ENCODINGS = ("hex", "base64")
PLACEHOLDER = re.compile(r"\{(body|timestamp|url|method|header:[^{}]+|field:[^{}]+)\}")
_MOST_SIGNATURES = 10


@dataclass(frozen=True, slots=True)
class Recipe:
    """The signature is `prefix` + HMAC of the filled `template`, in a header, or in a field of the body.

    Where the header is a list such as "t=1700000000,v1=5f2c…", `signature_part` and `timestamp_part` name what is
    taken from it. Where there is a timestamp, it must be within `tolerance_seconds` of now.
    """

    header: str = ""
    field: str = ""
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    template: str = "{body}"
    timestamp_header: str = ""
    signature_part: str = ""
    timestamp_part: str = ""
    separator: str = ","
    tolerance_seconds: int = TOLERANCE_SECONDS

    @property
    def has_timestamp(self) -> bool:
        return bool(self.timestamp_header or self.timestamp_part)


def follows(signed: Signed, recipe: Recipe, secret: str) -> bool:
    """Whether one of the signatures given is the one that this secret makes."""
    try:
        told = (
            field_at(signed, recipe.field) if recipe.field else signed.headers.get(recipe.header.lower(), "")
        )
        timestamp = _timestamp(signed, recipe, told)
        content = b"".join(_filled(signed, recipe.template, timestamp))
    except (LookupError, Malformed):
        return False
    if recipe.has_timestamp and not is_recent(timestamp, now=signed.now, tolerance=recipe.tolerance_seconds):
        return False
    digest = hmac.new(secret.encode(), content, getattr(hashlib, recipe.algorithm)).digest()
    written = digest.hex() if recipe.encoding == "hex" else base64.b64encode(digest).decode()
    given = _parts(told, recipe.signature_part, recipe) if recipe.signature_part else [told]
    return bool(secret) and any(is_equal(each, recipe.prefix + written) for each in given[:_MOST_SIGNATURES])


def _timestamp(signed: Signed, recipe: Recipe, told: str) -> str:
    """The timestamp, "" where there is none. Raises LookupError where it ought to be there."""
    if recipe.timestamp_part:
        (timestamp,) = _parts(told, recipe.timestamp_part, recipe)[:1] or [""]
        return timestamp
    return signed.headers[recipe.timestamp_header.lower()] if recipe.timestamp_header else ""


def _parts(told: str, name: str, recipe: Recipe) -> list[str]:
    parts = [part.strip().partition("=") for part in told.split(recipe.separator)]
    return [value for key, _sign, value in parts if key == name]


def _filled(signed: Signed, template: str, timestamp: str) -> Iterator[bytes]:
    """The bytes that are signed. Raises LookupError for what is missing, Malformed for an unreadable body."""
    for number, piece in enumerate(PLACEHOLDER.split(template)):
        if number % 2 == 0:
            yield piece.encode()
            continue
        name, _colon, argument = piece.partition(":")
        if name == "body":
            yield signed.body
        elif name == "header":
            yield signed.headers[argument.lower()].encode()
        elif name == "field":
            yield field_at(signed, argument).encode()
        else:
            yield {"timestamp": timestamp, "url": signed.url, "method": signed.method}[name].encode()


def field_at(signed: Signed, path: str) -> str:
    """The text or number at a path of the body. Raises as `_filled` does."""
    body = parse_body(body=signed.body, content_type=signed.content_type)
    value = value_at(body, read_path(path))
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise LookupError(path)
