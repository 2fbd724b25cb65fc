"""Is it them? One small function a scheme, each judging the bytes as they came.

A scheme is an entry in `SCHEMES`: `verify` says whether one secret fits, `clean` brings the scheme's options into
order, `new_secret` makes a secret where the admin brings none. A scheme that is not there lets nobody in.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from webhooks.models import InboundEndpoint
from webhooks.verification.hmacs import HMAC
from webhooks.verification.plain import BASIC, NONE, TOKEN
from webhooks.verification.schemes import InvalidVerification, Scheme, Signed
from webhooks.verification.standard import STANDARD_WEBHOOKS
from webhooks.verification.twilio import TWILIO
from webhooks.verification.vendors import (
    GITHUB,
    HUBSPOT,
    META,
    SHOPIFY,
    SLACK,
    STRIPE,
    TYPEFORM,
    WOOCOMMERCE,
)
from webhooks.verification.zadarma import ZADARMA

__all__ = [
    "SCHEMES",
    "InvalidVerification",
    "Scheme",
    "Signed",
    "check_secret",
    "clean_verification",
    "honoured_secrets",
    "is_verified",
    "new_secret",
]

SCHEMES: dict[str, Scheme] = {
    "none": NONE,
    "token": TOKEN,
    "basic": BASIC,
    "hmac": HMAC,
    "standard_webhooks": STANDARD_WEBHOOKS,
    "github": GITHUB,
    "stripe": STRIPE,
    "shopify": SHOPIFY,
    "slack": SLACK,
    "twilio": TWILIO,
    "hubspot": HUBSPOT,
    "meta": META,
    "typeform": TYPEFORM,
    "woocommerce": WOOCOMMERCE,
    "zadarma": ZADARMA,
}


def is_verified(endpoint: InboundEndpoint, signed: Signed) -> bool:
    """Whether the request fits the endpoint's secret, or the former one while that is still honoured."""
    scheme = SCHEMES.get(endpoint.verification.get("scheme", ""))
    if scheme is None:
        return False
    try:
        return any(
            scheme.verify(signed, endpoint.verification, secret)
            for secret in honoured_secrets(endpoint, now=signed.now)
        )
    except (AttributeError, LookupError, TypeError, ValueError):  # written past `clean_verification`
        return False


def honoured_secrets(endpoint: InboundEndpoint, *, now: datetime) -> list[str]:
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
