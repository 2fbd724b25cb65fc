import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from automations.signing import generate_secret, signed_headers

BODY = '{"title": "Ação"}'.encode()


def test_the_standard_s_own_library_verifies_what_is_signed() -> None:
    secret = generate_secret()
    headers = signed_headers(delivery_id="msg_1", body=BODY, secrets=[secret], at=datetime.now(UTC))
    assert Webhook(secret).verify(BODY, dict(headers)) == {"title": "Ação"}
    with pytest.raises(WebhookVerificationError):
        Webhook(generate_secret()).verify(BODY, dict(headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", dict(headers))


def test_the_signature_is_over_id_time_and_body() -> None:
    key = bytes(range(32))
    secret = "whsec_" + base64.b64encode(key).decode()
    at = datetime(2026, 11, 24, 12, 0, 0, 999_999, tzinfo=UTC)
    signature = hmac.digest(key, b"msg_1.1795521600." + BODY, hashlib.sha256)
    assert signed_headers(delivery_id="msg_1", body=BODY, secrets=[secret], at=at) == (
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", "1795521600"),
        ("webhook-signature", "v1," + base64.b64encode(signature).decode()),
    )


def test_the_moment_signed_does_not_depend_on_the_time_zone() -> None:
    secret = generate_secret()
    at = datetime.now(UTC)
    there = at.astimezone(timezone(timedelta(hours=-3)))
    here_and_there = [
        signed_headers(delivery_id="msg_1", body=BODY, secrets=[secret], at=moment) for moment in (at, there)
    ]
    assert here_and_there[0] == here_and_there[1]


def test_while_a_secret_is_replaced_both_sign_the_newest_first() -> None:
    new, old = generate_secret(), generate_secret()
    headers = dict(signed_headers(delivery_id="msg_1", body=BODY, secrets=[new, old], at=datetime.now(UTC)))
    first, second = headers["webhook-signature"].split(" ")
    Webhook(new).verify(BODY, headers | {"webhook-signature": first})
    Webhook(old).verify(BODY, headers | {"webhook-signature": second})
    for secret in (new, old):
        Webhook(secret).verify(BODY, headers)


def test_nothing_is_sent_unsigned() -> None:
    with pytest.raises(ValueError, match="at least one"):
        signed_headers(delivery_id="msg_1", body=BODY, secrets=[], at=datetime.now(UTC))


def test_a_secret_is_32_random_bytes() -> None:
    secrets = {generate_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(secret.startswith("whsec_") for secret in secrets)
    assert all(
        len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32 for secret in secrets
    )
