"""Every way in which a sender proves who it is, with signatures made here, apart from the code that judges them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.webhooks.conftest import states
from webhooks.endpoints import create_endpoint, rotate_secret
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.verification import Signed, is_verified

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECONDS = str(int(NOW.timestamp()))
SECRET = "a secret of theirs"
BODY = '{"id": 7, "name": "João"}'.encode()
URL = "https://crm.example.com/in/key/?a=1"


def mac(content: bytes, *, secret: str = SECRET, algorithm: str = "sha256") -> bytes:
    return hmac.new(secret.encode(), content, getattr(hashlib, algorithm)).digest()


def text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


Sign = Callable[[bytes, str, str], dict[str, str]]


@dataclass(frozen=True)
class Case:
    """`sign` gives the headers that a sender with this secret adds to a body, at a time in seconds."""

    verification: Mapping[str, Any]
    sign: Sign
    has_timestamp: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    def signed(self, body: bytes = BODY, *, secret: str = SECRET, at: str = SECONDS) -> Signed:
        headers = {name.lower(): value for name, value in self.sign(body, secret, at).items()}
        made = Signed(body=body, headers=headers, query={}, now=NOW, url=URL, content_type="application/json")
        return replace(made, **self.more)


def covering_the_body(header: str, write: Callable[[bytes], str]) -> Sign:
    def sign(body: bytes, secret: str, _at: str) -> dict[str, str]:
        return {header: write(mac(body, secret=secret))}

    return sign


def showing_the_secret(header: str, prefix: str = "") -> Sign:
    def sign(_body: bytes, secret: str, _at: str) -> dict[str, str]:
        return {header: prefix + secret}

    return sign


def _hubspot(body: bytes, secret: str, at: str) -> dict[str, str]:
    stamp = f"{at}000"
    content = b"POST" + URL.encode() + body + stamp.encode()
    return {
        "X-HubSpot-Signature-v3": text(mac(content, secret=secret)),
        "X-HubSpot-Request-Timestamp": stamp,
    }


def _slack(body: bytes, secret: str, at: str) -> dict[str, str]:
    signature = mac(b"v0:" + at.encode() + b":" + body, secret=secret).hex()
    return {"X-Slack-Signature": f"v0={signature}", "X-Slack-Request-Timestamp": at}


def _stripe(body: bytes, secret: str, at: str) -> dict[str, str]:
    good = mac(at.encode() + b"." + body, secret=secret).hex()
    return {"Stripe-Signature": f"t={at},v1={'0' * 64},v0={'1' * 64},v1={good}"}


def _twilio_json(body: bytes, secret: str, _at: str) -> dict[str, str]:
    return {"X-Twilio-Signature": text(mac(URL.encode(), secret=secret, algorithm="sha1"))}


def _custom(body: bytes, secret: str, at: str) -> dict[str, str]:
    signature = mac(at.encode() + b"." + body, secret=secret, algorithm="sha512")
    return {"X-Signature": "sha512=" + text(signature), "X-Timestamp": at}


def _parts(body: bytes, secret: str, at: str) -> dict[str, str]:
    return {"X-Parts": f"ts={at};h1={mac(at.encode() + b':' + body, secret=secret).hex()}"}


def _everything(body: bytes, secret: str, _at: str) -> dict[str, str]:
    content = f"POST {URL} paid {json.loads(body)['id']}".encode()
    return {"X-Event": "paid", "X-Signature": mac(content, secret=secret).hex()}


def _basic(_body: bytes, secret: str, _at: str) -> dict[str, str]:
    return {"Authorization": "Basic " + text(f"erp:{secret}".encode())}


CUSTOM = {
    "scheme": "hmac",
    "header": "X-Signature",
    "algorithm": "sha512",
    "encoding": "base64",
    "prefix": "sha512=",
    "template": "{timestamp}.{body}",
    "timestamp_header": "X-Timestamp",
}
PARTS = {
    "scheme": "hmac",
    "header": "X-Parts",
    "template": "{timestamp}:{body}",
    "signature_part": "h1",
    "timestamp_part": "ts",
    "separator": ";",
}
EVERYTHING = {"scheme": "hmac", "template": "{method} {url} {header:X-Event} {field:id}"}
BY_BODY: dict[str, Case] = {
    "github": Case(
        {"scheme": "github"}, covering_the_body("X-Hub-Signature-256", lambda made: f"sha256={made.hex()}")
    ),
    "meta": Case(
        {"scheme": "meta"}, covering_the_body("X-Hub-Signature-256", lambda made: f"sha256={made.hex()}")
    ),
    "shopify": Case({"scheme": "shopify"}, covering_the_body("X-Shopify-Hmac-Sha256", text)),
    "woocommerce": Case({"scheme": "woocommerce"}, covering_the_body("X-WC-Webhook-Signature", text)),
    "typeform": Case(
        {"scheme": "typeform"}, covering_the_body("Typeform-Signature", lambda made: f"sha256={text(made)}")
    ),
    "stripe": Case({"scheme": "stripe"}, _stripe, has_timestamp=True),
    "slack": Case({"scheme": "slack"}, _slack, has_timestamp=True),
    "hubspot": Case({"scheme": "hubspot"}, _hubspot, has_timestamp=True),
    "hmac": Case(CUSTOM, _custom, has_timestamp=True),
    "hmac in parts": Case(PARTS, _parts, has_timestamp=True),
    "hmac of everything": Case(EVERYTHING, _everything),
    "twilio": Case(
        {"scheme": "twilio"},
        _twilio_json,
        more={"query": {"a": "1", "bodySHA256": hashlib.sha256(BODY).hexdigest()}},
    ),
}
UNSIGNED: dict[str, Case] = {
    "token": Case({"scheme": "token", "name": "X-Key"}, showing_the_secret("X-Key")),
    "bearer": Case(
        {"scheme": "token", "name": "Authorization", "prefix": "Bearer "},
        showing_the_secret("Authorization", "Bearer "),
    ),
    "basic": Case({"scheme": "basic", "username": "erp"}, _basic),
}
ALL = {**BY_BODY, **UNSIGNED}
each = pytest.mark.parametrize("case", ALL.values(), ids=ALL)


def endpoint_for(case: Case) -> InboundEndpoint:
    return create_endpoint(
        fields={"name": "Theirs", "verification": {**case.verification, "secret": SECRET}}, created_by=None
    )


@each
def test_what_the_sender_signed_is_let_in(db: None, case: Case) -> None:
    assert is_verified(endpoint_for(case), case.signed())


@each
def test_another_secret_is_not(db: None, case: Case) -> None:
    endpoint = endpoint_for(case)
    assert not is_verified(endpoint, case.signed(secret="a secret of others"))
    assert not is_verified(endpoint, case.signed(secret=SECRET[:-1]))
    assert not is_verified(endpoint, case.signed(secret=""))


@each
def test_nothing_at_all_is_not(db: None, case: Case) -> None:
    assert not is_verified(endpoint_for(case), replace(case.signed(), headers={}))


@each
def test_an_endpoint_without_a_secret_lets_nobody_in(db: None, case: Case) -> None:
    endpoint = endpoint_for(case)
    endpoint.secret = None
    assert not is_verified(endpoint, case.signed(secret=""))


@pytest.mark.parametrize("case", BY_BODY.values(), ids=BY_BODY)
def test_a_body_that_was_changed_on_the_way_is_not(db: None, case: Case) -> None:
    changed = replace(case.signed(), body=BODY.replace(b"7", b"8"))
    assert not is_verified(endpoint_for(case), changed)


@pytest.mark.parametrize("case", BY_BODY.values(), ids=BY_BODY)
def test_a_signature_is_taken_letter_by_letter(db: None, case: Case) -> None:
    endpoint, signed = endpoint_for(case), case.signed()
    for name in signed.headers:
        for written in (signed.headers[name] + "=", signed.headers[name][:-1], "é"):
            assert not is_verified(endpoint, replace(signed, headers={**signed.headers, name: written}))


@pytest.mark.parametrize(
    "case", [case for case in BY_BODY.values() if case.has_timestamp], ids=lambda case: str(case.verification)
)
@pytest.mark.parametrize(("seconds", "fits"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_clocks_may_differ_by_five_minutes(db: None, case: Case, seconds: int, fits: bool) -> None:
    at = str(int(NOW.timestamp()) + seconds)
    assert is_verified(endpoint_for(case), case.signed(at=at)) is fits


@pytest.mark.parametrize("at", ["", "soon", "1e9", "-1", "٣", " 1", "9" * 40])
def test_a_timestamp_that_is_no_number_is_refused(db: None, at: str) -> None:
    case = BY_BODY["stripe"]
    assert not is_verified(endpoint_for(case), case.signed(at=at))


def test_a_tolerance_of_ones_own_counts(db: None) -> None:
    case = replace(BY_BODY["hmac"], verification={**CUSTOM, "tolerance_seconds": 5})
    endpoint = endpoint_for(case)
    for seconds, fits in ((5, True), (6, False)):
        at = str(int(NOW.timestamp()) - seconds)
        assert is_verified(endpoint, case.signed(at=at)) is fits


@each
def test_while_a_secret_is_replaced_both_are_honoured(db: None, case: Case) -> None:
    rotated = rotate_secret(
        endpoint_id=endpoint_for(case).pk, overlap=timedelta(hours=1), now=NOW, given="another secret"
    )
    for secret in (SECRET, "another secret"):
        assert is_verified(rotated, case.signed(secret=secret))
    rotated.previous_secret_until = NOW
    assert not is_verified(rotated, case.signed())
    assert is_verified(rotated, case.signed(secret="another secret"))


@pytest.mark.parametrize(
    "verification",
    [
        {},
        {"scheme": "rot13"},
        {"scheme": "token"},
        {"scheme": "basic"},
        {"scheme": "hmac", "algorithm": "md5"},
        {"scheme": "hmac", "header": 5},
        {"scheme": "hmac", "template": "{body}{more}", "header": "X"},
    ],
)
def test_a_scheme_that_is_unknown_or_incomplete_lets_nobody_in(verification: dict[str, Any]) -> None:
    endpoint = InboundEndpoint(verification=verification, secret=SECRET)
    signed = Signed(body=b"", headers={"x": mac(b"").hex(), "x-token": SECRET}, query={}, now=NOW)
    assert not is_verified(endpoint, signed)


# ---- What vendors and standards print ----

SLACKS_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
    b"%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
PUBLISHED = [
    (
        "github",
        "It's a Secret to Everybody",
        b"Hello, World!",
        {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        1,
    ),
    (
        "slack",
        "8f742231b10e8888abcd99yyyzzz85a5",
        SLACKS_BODY,
        {
            "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            "x-slack-request-timestamp": "1531420618",
        },
        1531420618,
    ),
    (
        "standard_webhooks",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b'{"test": 2432232314}',
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        1614265330,
    ),
]


@pytest.mark.parametrize(("scheme", "secret", "body", "headers", "at"), PUBLISHED)
def test_published_examples_are_let_in(
    scheme: str, secret: str, body: bytes, headers: dict[str, str], at: int
) -> None:
    endpoint = InboundEndpoint(verification={"scheme": scheme}, secret=secret)
    signed = Signed(body=body, headers=headers, query={}, now=datetime.fromtimestamp(at, UTC))
    assert is_verified(endpoint, signed)


def test_the_older_names_of_the_standards_headers_are_taken_too() -> None:
    (_scheme, secret, body, headers, at) = PUBLISHED[2]
    endpoint = InboundEndpoint(verification={"scheme": "standard_webhooks"}, secret=secret)
    older = {name.replace("webhook", "svix"): value for name, value in headers.items()}
    signed = Signed(body=body, headers=older, query={}, now=datetime.fromtimestamp(at, UTC))
    assert is_verified(endpoint, signed)
    mixed = {"webhook-id": headers["webhook-id"], **older}
    assert not is_verified(endpoint, replace(signed, headers=mixed))


def test_the_example_of_twilios_documentation_is_let_in() -> None:
    signed = Signed(
        body=b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309",
        headers={"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
        query={"foo": "1", "bar": "2"},
        now=NOW,
        url="https://mycompany.com/myapp.php?foo=1&bar=2",
        content_type="application/x-www-form-urlencoded",
    )
    endpoint = InboundEndpoint(verification={"scheme": "twilio"}, secret="12345")
    assert is_verified(endpoint, signed)
    for other in (
        {"url": "https://mycompany.com/myapp.php?foo=1&bar=3"},
        {"url": "http://mycompany.com/myapp.php?foo=1&bar=2"},
        {"body": signed.body + b"&More=1"},
        {"body": b"CallSid=%ff"},
        {"content_type": "application/json"},
    ):
        assert not is_verified(endpoint, replace(signed, **other))


ZADARMA = [  # each signature made with openssl, in the way of the vendor's library
    (
        b"event=NOTIFY_END&call_start=2026-11-24+10%3A15%3A07&caller_id=%2B5511955500115&called_did=551140001234",
        "N2JiOWMzNjU0OGM5OGQ4ZGE0NTA5Y2JkZWVlNzJiNDAzNzY1Y2NmMQ==",
    ),
    (
        b"event=NOTIFY_OUT_END&call_start=2026-11-24+11%3A00%3A00&destination=5521955500116&internal=100",
        "MTI2YzBlZjFiNWM2Yjc5ZTM2NmY1ZTk1OGVkMTRlYzU1ZGViMzllNw==",
    ),
    (
        b"event=NOTIFY_RECORD&call_id_with_rec=1795516507.1&pbx_call_id=in_0123456789abcdef0123456789abcdef01234567",
        "OWRkMTJlOWExNzRlYWU2ZDhhZjIwZDcwYmQ4MzY3NmM4NDcxYWQwOA==",
    ),
]


@pytest.mark.parametrize(("body", "signature"), ZADARMA)
def test_zadarma_signs_the_fields_that_its_event_has(body: bytes, signature: str) -> None:
    signed = Signed(
        body=body,
        headers={"signature": signature},
        query={},
        now=NOW,
        content_type="application/x-www-form-urlencoded",
    )
    endpoint = InboundEndpoint(verification={"scheme": "zadarma"}, secret=SECRET)
    assert is_verified(endpoint, signed)
    others: list[dict[str, Any]] = [
        {"body": body.replace(b"=NOTIFY_", b"=NOTIFIED_")},
        {"body": body.replace(b"55", b"56").replace(b"1795", b"1796")},
        {"body": b"event=NOTIFY_END"},
        {"body": b'["event"]', "content_type": "application/json"},
        {"body": b"{", "content_type": "application/json"},
        {"headers": {"signature": base64.b64decode(signature).decode()}},
        {"headers": {}},
    ]
    for other in others:
        assert not is_verified(endpoint, replace(signed, **other))
    assert not is_verified(InboundEndpoint(verification={"scheme": "zadarma"}, secret=""), signed)


# ---- At the door ----


def test_the_address_that_is_signed_is_the_public_one(db: None, settings: Any) -> None:
    settings.PUBLIC_URL = "https://crm.example.com"
    endpoint = create_endpoint(
        fields={"name": "HubSpot", "verification": {"scheme": "hubspot", "secret": SECRET}}, created_by=None
    )
    at = str(int(timezone.now().timestamp() * 1000))
    for path in (f"/in/{endpoint.key}/?q=a%3Ab&c=d%20e", f"/in/{endpoint.key}?q=a:b"):
        content = b"POST" + f"https://crm.example.com{path}".encode() + b"{}" + at.encode()
        headers = {"X-HubSpot-Signature-v3": text(mac(content)), "X-HubSpot-Request-Timestamp": at}
        response = Client().post(path, b"{}", content_type="application/json", headers=headers)
        assert response.status_code == 422


def test_hubspot_signs_some_characters_of_the_address_decoded() -> None:
    endpoint = InboundEndpoint(verification={"scheme": "hubspot"}, secret=SECRET)
    as_signed = "https://crm.example.com/in/key/?q=a:b"
    content = b"POST" + as_signed.encode() + BODY + SECONDS.encode()
    headers = {"x-hubspot-signature-v3": text(mac(content)), "x-hubspot-request-timestamp": SECONDS}
    signed = Signed(body=BODY, headers=headers, query={}, now=NOW, url=as_signed.replace("a:b", "a%3Ab"))
    assert is_verified(endpoint, signed)
    assert not is_verified(endpoint, replace(signed, url=as_signed.replace("a:b", "a%20b")))


def test_two_tokens_in_one_query_are_as_good_as_none(endpoint: InboundEndpoint) -> None:
    endpoint.verification, endpoint.secret = {"scheme": "token", "in": "query", "name": "key"}, SECRET
    endpoint.save()
    path = f"/in/{endpoint.key}/?key={SECRET}&key=x".replace(" ", "+")
    response = Client().post(path, b"{}", content_type="application/json")
    assert response.status_code == 401


def test_the_body_of_an_unknown_sender_is_kept_in_test_mode_only(endpoint: InboundEndpoint) -> None:
    endpoint.verification, endpoint.secret = {"scheme": "github"}, SECRET
    for test_mode in (False, True):
        endpoint.test_mode = test_mode
        endpoint.save()
        response = Client().post(f"/in/{endpoint.key}/", BODY, content_type="application/json")
        assert response.status_code == 401
    assert states() == [("rejected", "signature")] * 2
    bodies = InboundRequest.objects.order_by("received_at", "id").values_list("body", flat=True)
    assert [bytes(body) for body in bodies] == [b"", BODY]
