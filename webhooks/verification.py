"""Is it them? One small function a scheme, each judging the bytes as they came.

A scheme is an entry in `SCHEMES`: `verify` says whether one secret fits, `clean` brings the scheme's options into
order, `new_secret` makes a secret where the admin brings none. A scheme that is not there lets nobody in.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from webhooks.models import InboundEndpoint

TOLERANCE_SECONDS = 300
_ID = re.compile(r"[\x21-\x7e]{1,255}")
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_MOST_SIGNATURES = 10


class InvalidVerification(ValueError):
    """A scheme that does not exist or lacks something. The message is fit for the admin."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What there is to judge a request by. Header names are in lower case; several of one name arrive joined
    with a comma, and fit nothing."""

    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]
    now: datetime


@dataclass(frozen=True, slots=True)
class Scheme:
    """`check_secret` raises InvalidVerification for a secret that can never fit anything."""

    verify: Callable[[Signed, Mapping[str, Any], str], bool]
    clean: Callable[[Mapping[str, Any]], dict[str, Any]]
    new_secret: Callable[[], str]
    check_secret: Callable[[str], None]


def is_verified(endpoint: InboundEndpoint, signed: Signed) -> bool:
    """Whether the request fits the endpoint's secret, or the former one while that is still honoured."""
    scheme = SCHEMES.get(endpoint.verification.get("scheme", ""))
    if scheme is None:
        return False
    secrets_honoured = _honoured(endpoint, signed.now)
    try:
        return any(scheme.verify(signed, endpoint.verification, secret) for secret in secrets_honoured)
    except (InvalidVerification, KeyError):  # an endpoint that was written past `clean_verification`
        return False


def _honoured(endpoint: InboundEndpoint, now: datetime) -> list[str]:
    honoured = [endpoint.secret or ""]
    until = endpoint.previous_secret_until
    if endpoint.previous_secret and until is not None and now < until:
        honoured.append(endpoint.previous_secret)
    return honoured


def clean_verification(verification: Mapping[str, Any]) -> dict[str, Any]:
    """`{"scheme": …}` with the options that the scheme knows. Raises InvalidVerification."""
    name = verification.get("scheme")
    options = {key: value for key, value in verification.items() if key != "scheme"}
    return {"scheme": name, **_scheme(name).clean(options)}


def new_secret(scheme_name: str) -> str:
    """A fresh secret for a scheme, "" where it has none."""
    return _scheme(scheme_name).new_secret()


def check_secret(scheme_name: str, secret: str) -> None:
    """Raises InvalidVerification for a secret that a scheme cannot work with."""
    _scheme(scheme_name).check_secret(secret)


def _scheme(name: Any) -> Scheme:
    scheme = SCHEMES.get(name) if isinstance(name, str) else None
    if scheme is None:
        known = ", ".join(SCHEMES)
        raise InvalidVerification(_("The scheme is one of: %(known)s.") % {"known": known})
    return scheme


def _no_options(options: Mapping[str, Any]) -> dict[str, Any]:
    if options:
        raise InvalidVerification(_("This scheme has no “%(option)s”.") % {"option": next(iter(options))})
    return {}


def _any_text(secret: str) -> None:
    if not 8 <= len(secret) <= 500:
        raise InvalidVerification(_("A secret has 8 to 500 characters."))


# ---- none: whoever knows the URL ----


def _verify_none(_signed: Signed, _options: Mapping[str, Any], _secret: str) -> bool:
    return True


def _no_secret(secret: str) -> None:
    if secret:
        raise InvalidVerification(_("This scheme has no secret."))


# ---- token: a fixed text in a header or in the query ----


def _verify_token(signed: Signed, options: Mapping[str, Any], secret: str) -> bool:
    place, name = options["in"], options["name"]
    given = signed.headers.get(name.lower(), "") if place == "header" else signed.query.get(name, "")
    return bool(secret) and hmac.compare_digest(given.encode(), secret.encode())


def _clean_token(options: Mapping[str, Any]) -> dict[str, Any]:
    _no_options({key: value for key, value in options.items() if key not in {"in", "name"}})
    place, name = options.get("in", "header"), options.get("name", "X-Token")
    if place not in {"header", "query"}:
        raise InvalidVerification(_("“in” is “header” or “query”."))
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        raise InvalidVerification(_("“name” is the name of a header or of a parameter."))
    return {"in": place, "name": name}


# ---- standard_webhooks: HMAC-SHA256 of id.timestamp.body, see https://www.standardwebhooks.com ----


def _verify_standard_webhooks(signed: Signed, _options: Mapping[str, Any], secret: str) -> bool:
    """We judge the headers more strictly than the standard's own library, which takes fractions of seconds,
    other scripts' digits and loosely written base64, and cannot read a body that is not UTF-8."""
    message_id = signed.headers.get("webhook-id", "")
    timestamp = signed.headers.get("webhook-timestamp", "")
    if not _ID.fullmatch(message_id) or not _SECONDS.fullmatch(timestamp):
        return False
    if abs(signed.now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    content = b"%s.%s.%s" % (message_id.encode(), timestamp.encode(), signed.body)
    digest = hmac.new(_key_of(secret), content, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    given = signed.headers.get("webhook-signature", "").split(" ", _MOST_SIGNATURES)[:_MOST_SIGNATURES]
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


def _check_standard_secret(secret: str) -> None:
    _key_of(secret)


def _new_standard_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


SCHEMES: dict[str, Scheme] = {
    "none": Scheme(_verify_none, _no_options, str, _no_secret),
    "token": Scheme(_verify_token, _clean_token, secrets.token_urlsafe, _any_text),
    "standard_webhooks": Scheme(
        _verify_standard_webhooks, _no_options, _new_standard_secret, _check_standard_secret
    ),
}
