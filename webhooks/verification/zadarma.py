"""Zadarma: HMAC-SHA1 of a few fields of each event, its hexadecimal digits once more in Base64.

After the vendor's own library, https://github.com/zadarma/user-api-v1 (`lib/Webhook/Notify*.php`), which says for each
event what is signed. The rest of a body is not covered, and neither is the time.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

from webhooks.bodies import Malformed, parse_body
from webhooks.verification.schemes import Scheme, Signed, is_equal, no_options, their_secret

_CALLED = ("caller_id", "called_did", "call_start")
_ANSWERED = ("caller_id", "destination", "call_start")
_DIALLED = ("internal", "destination", "call_start")
_SIGNED: dict[str, tuple[str, ...]] = {
    "NOTIFY_START": _CALLED,
    "NOTIFY_IVR": _CALLED,
    "NOTIFY_INTERNAL": _CALLED,
    "NOTIFY_ANSWER": _ANSWERED,
    "NOTIFY_END": _CALLED,
    "NOTIFY_OUT_START": _DIALLED,
    "NOTIFY_OUT_END": _DIALLED,
    "NOTIFY_RECORD": ("pbx_call_id", "call_id_with_rec"),
    "SPEECH_RECOGNITION": ("result",),
    "SMS": ("result",),
}


def _verify(signed: Signed, _options: Mapping[str, Any], secret: str) -> bool:
    try:
        body = parse_body(body=signed.body, content_type=signed.content_type)
    except Malformed:
        return False
    names = _SIGNED.get(str(body.get("event"))) if isinstance(body, dict) else None
    if not names:
        return False
    content = "".join(_text(body.get(name)) for name in names)
    digits = hmac.new(secret.encode(), content.encode(), hashlib.sha1).hexdigest()
    expected = base64.b64encode(digits.encode()).decode()
    return bool(secret) and is_equal(signed.headers.get("signature", ""), expected)


def _text(value: Any) -> str:
    """A field that is not there signs as an empty one."""
    return value if isinstance(value, str) else ""


ZADARMA = Scheme(_verify, no_options, secrets.token_urlsafe, their_secret)
