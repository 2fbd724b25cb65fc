"""Signatures of what we send, after Standard Webhooks: made anew for each attempt, over bytes that never change."""

import base64
import functools
import secrets as randomness
from collections.abc import Sequence
from datetime import UTC, datetime
from math import floor

from standardwebhooks import Webhook

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with is no secret
SECRET_BYTES = 32


def signed_headers(
    *, delivery_id: str, body: bytes, secrets: Sequence[str], at: datetime
) -> tuple[tuple[str, str], ...]:
    """The three `webhook-*` headers of an attempt made `at` an aware time.

    Each secret gives one signature, in the order of `secrets` (newest first while one replaces another); none
    is a ValueError, because nothing leaves unsigned.
    """
    if not secrets:
        raise ValueError("a delivery needs at least one signing secret")
    # The library replaces the time zone instead of converting, so it is given UTC.
    moment = at.astimezone(UTC)
    text = body.decode()
    signatures = [_signer(secret).sign(delivery_id, moment, text) for secret in secrets]
    return (
        ("webhook-id", delivery_id),
        ("webhook-timestamp", str(floor(moment.timestamp()))),
        ("webhook-signature", " ".join(signatures)),
    )


@functools.lru_cache(256)
def _signer(secret: str) -> Webhook:
    return Webhook(secret)


def generate_secret() -> str:
    """A new signing secret: "whsec_" and the base64 of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(randomness.token_bytes(SECRET_BYTES)).decode()
