"""Twilio: HMAC-SHA1 of the URL and the form's fields in the order of their names.

A body that is no form is covered by its SHA-256, which then stands in the URL.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from webhooks.bodies.types import Kind, read_type
from webhooks.verification.schemes import Scheme, Signed, is_equal, no_options, their_secret

_MOST_FIELDS = 2_000


def _verify(signed: Signed, _options: Mapping[str, Any], secret: str) -> bool:
    fields = _fields(signed)
    if fields is None:
        return False
    content = signed.url + "".join(name + value for name, value in fields)
    digest = hmac.new(secret.encode(), content.encode(), hashlib.sha1).digest()
    expected = base64.b64encode(digest).decode()
    return bool(secret) and is_equal(signed.headers.get("x-twilio-signature", ""), expected)


def _fields(signed: Signed) -> list[tuple[str, str]] | None:
    """What is signed besides the URL, each pair once; None where the signature would not cover the body."""
    hashed = signed.query.get("bodySHA256")
    if hashed is not None:
        return [] if is_equal(hashlib.sha256(signed.body).hexdigest(), hashed) else None
    if not signed.body:
        return []
    declared = read_type(signed.content_type)
    if declared is None or declared.kind != Kind.FORM:
        return None
    try:
        pairs = parse_qsl(
            signed.body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        return None
    return sorted(set(pairs))


TWILIO = Scheme(_verify, no_options, secrets.token_urlsafe, their_secret)
