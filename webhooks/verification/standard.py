"""Standard Webhooks: HMAC-SHA256 of id.timestamp.body, see https://www.standardwebhooks.com.

The `svix-` headers of the standard's forerunner carry the same and are taken as well.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from webhooks.verification.schemes import InvalidVerification, Scheme, Signed, is_recent, no_options

_ID = re.compile(r"[\x21-\x7e]{1,255}")
_SECONDS = re.compile(r"[0-9]{1,11}", re.ASCII)
_MOST_SIGNATURES = 10


def _verify(signed: Signed, _options: Mapping[str, Any], secret: str) -> bool:
    """We judge the headers more strictly than the standard's own library, which takes fractions of seconds,
    other scripts' digits and loosely written base64, and cannot read a body that is not UTF-8."""
    family = "svix" if "webhook-id" not in signed.headers and "svix-id" in signed.headers else "webhook"
    message_id, timestamp, signatures = (
        signed.headers.get(f"{family}-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not _ID.fullmatch(message_id) or not _SECONDS.fullmatch(timestamp):
        return False
    if not is_recent(timestamp, now=signed.now):
        return False
    content = b"%s.%s.%s" % (message_id.encode(), timestamp.encode(), signed.body)
    digest = hmac.new(_key_of(secret), content, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    given = signatures.split(" ", _MOST_SIGNATURES)[:_MOST_SIGNATURES]
    return any(hmac.compare_digest(signature.encode(), expected) for signature in given)


def _key_of(secret: str) -> bytes:
    """The key in "whsec_<base64>". Raises InvalidVerification for a secret that is none."""
    try:
        text = secret.removeprefix("whsec_").rstrip("=")
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise InvalidVerification(_("The secret must be “whsec_” and 24 to 64 bytes in base64."))
    return key


def _check_secret(secret: str) -> None:
    _key_of(secret)


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


STANDARD_WEBHOOKS = Scheme(_verify, no_options, _new_secret, _check_secret)
