"""What is particular to a destination: its token, its URL's variables, its certificates, and what nobody may see."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from django.db import connection
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from automations import oauth
from automations.destinations import DestinationError, create_destination, update_destination
from automations.http import Grant, Request
from automations.models import Attempt, Destination, Event
from automations.trials import send_test
from crm.actors import Actor
from crm.models import Deal, User
from tests.receivers import Authority, Receiver, hang, status
from webhooks.addresses import AddressRefused, check_destination

pytestmark = pytest.mark.django_db(transaction=True)
OAUTH = {"client_id": "stagehook", "client_secret": "hush-client-secret", "scope": "write"}
TOKEN = status(200, json.dumps({"access_token": "hush-token-1", "expires_in": 3600}).encode())


@pytest.fixture(autouse=True)
def no_tokens() -> Iterator[None]:
    oauth._tokens.clear()
    yield
    oauth._tokens.clear()


@pytest.fixture
def try_out(deal: Deal, actor: Actor) -> Callable[[Destination], Attempt]:
    def send(destination: Destination) -> Attempt:
        delivery = send_test(destination_id=destination.pk, event=Event.DEAL_WON, deal=deal, actor=actor)
        return delivery.attempts.get()

    return send


Try = Callable[[Destination], Attempt]


def with_token(receiver: Receiver, **fields: object) -> Destination:
    credentials = {**OAUTH, "token_url": receiver.at("/token")}
    return create_destination(
        fields={"name": "ERP", "url": receiver.url, "auth": "oauth2", "credentials": credentials, **fields}
    )


# ---- OAuth 2 ----


def test_a_token_is_fetched_once_and_sent_with_each_request(receiver: Receiver, try_out: Try) -> None:
    receiver.answer(TOKEN, path="/token")
    destination = with_token(receiver)
    attempts = [try_out(destination), try_out(destination)]
    asked, first, second = receiver.wait_for(3)
    assert (asked.path, asked.body) == ("/token", b"grant_type=client_credentials&scope=write")
    assert asked.headers["authorization"].startswith("Basic ")
    assert first.headers["authorization"] == second.headers["authorization"] == "Bearer hush-token-1"
    assert [attempt.status_code for attempt in attempts] == [200, 200]


def test_a_server_that_wants_the_credentials_in_the_body_gets_them_there(
    receiver: Receiver, try_out: Try
) -> None:
    receiver.answer(status(401, b'{"error": "invalid_client"}'), TOKEN, path="/token")
    assert try_out(with_token(receiver)).status_code == 200
    _basic, in_body, _sent = receiver.wait_for(3)
    assert b"client_id=stagehook&client_secret=hush-client-secret" in in_body.body
    assert "authorization" not in in_body.headers


def test_an_answer_of_401_drops_the_token(receiver: Receiver, try_out: Try) -> None:
    receiver.answer(TOKEN, path="/token")
    receiver.answer(401, 200, path="/hook")
    destination = with_token(receiver)
    assert [try_out(destination).status_code for _ in range(2)] == [401, 200]
    assert [request.path for request in receiver.wait_for(4)] == ["/token", "/hook", "/token", "/hook"]


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (status(400, b'{"error": "invalid_scope"}'), "token server: status 400 invalid_scope"),
        (status(500, b"hush-client-secret"), "token server: status 500"),
        (status(200, b"[]"), "token server: no access_token in the answer"),
        (status(200, b"[" * 10_000), "token server: no access_token in the answer"),
        (hang, "token server: timeout"),
    ],
)
def test_without_a_token_nothing_is_sent_and_the_attempt_says_why(
    receiver: Receiver, try_out: Try, answer: Callable[..., None], detail: str
) -> None:
    receiver.answer(answer, path="/token")
    attempt = try_out(with_token(receiver, timeout_seconds=1))
    assert (attempt.status_code, attempt.error_code) == (None, "token_failed")
    assert attempt.detail.startswith(detail)
    assert {request.path for request in receiver.requests} == {"/token"}


def test_a_slow_token_server_holds_up_nobody_else(receiver: Receiver) -> None:
    receiver.answer(hang, path="/token")
    plain = Request(url=receiver.url, method="POST", headers=(), body=b"", timeout_seconds=1)
    grant = Grant(receiver.at("/token"), "stagehook", "hush-client-secret")
    with oauth.open_door(max_in_flight=8) as door:
        for number in range(3):
            door.start(("waits", number), replace(plain, grant=grant))
        door.start("plain", plain)
        first, _ready = door.step(5)
        assert [(key, exchange.status_code) for key, exchange in first] == [("plain", 200)]
        late, _ready = door.step(5)
    assert [(key, exchange.error_code) for key, exchange in late] == [
        (("waits", number), "token_failed") for number in range(3)
    ]
    assert sorted(request.path for request in receiver.requests) == ["/hook", "/token"]


def test_a_token_server_at_a_private_address_is_refused(receiver: Receiver) -> None:
    with pytest.raises(DestinationError) as refusal:
        create_destination(
            fields={
                "name": "ERP",
                "url": receiver.url,
                "auth": "oauth2",
                "credentials": {**OAUTH, "token_url": "http://169.254.169.254/token"},
            }
        )
    assert refusal.value.errors.keys() == {"credentials"}
    assert Destination.objects.count() == 0


# ---- Variables and masks ----


def test_nothing_secret_is_stored_in_the_clear_or_served(
    receiver: Receiver, try_out: Try, alice: User, client: Client
) -> None:
    receiver.answer(TOKEN, path="/token")
    echo = b"/hook/hush%2Fvar hush/var hush-header Bearer hush-token-1"
    receiver.answer(status(500, echo, {"X-Echo": "hush-header"}))
    receiver.answer(TOKEN, path="/token")
    destination = with_token(
        receiver,
        url=receiver.at("/hook/{key}"),
        variables={"key": "hush/var"},
        headers={"X-Key": "hush-header"},
    )
    attempt = try_out(destination)
    assert receiver.wait_for(2)[1].path == "/hook/hush%2Fvar"
    assert attempt.url == receiver.at("/hook/{key}")
    assert attempt.response_body == "/hook/•••••• •••••• •••••• Bearer ••••••"
    api = APIClient()
    api.force_authenticate(alice)
    client.force_login(alice)
    served = [
        api.get(f"/api/v1/destinations/{destination.pk}/").content,
        api.get(f"/api/v1/deliveries/{attempt.delivery_id}/").content,
        client.get(f"/automations/destinations/{destination.pk}/").content,
        client.get(f"/automations/deliveries/{attempt.delivery_id}/").content,
    ]
    assert all(b"key" in page or b"token_url" in page for page in served)
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(a::text, '') FROM automations_attempt a")
        stored = cursor.fetchone()[0]
        cursor.execute("SELECT string_agg(d::text, '') FROM automations_destination d")
        stored += cursor.fetchone()[0]
    for text in [stored, *(page.decode() for page in served)]:
        assert "hush" not in text


def test_the_filled_url_is_judged_not_the_template(receiver: Receiver) -> None:
    destination = create_destination(
        fields={"name": "ERP", "url": receiver.at("/{key}"), "variables": {"key": "x"}}
    )
    with pytest.raises(DestinationError) as refusal:
        update_destination(destination_id=destination.pk, fields={"variables": {"key": "é" * 1000}})
    assert refusal.value.errors.keys() == {"url"}
    destination.refresh_from_db()
    assert destination.variables == {"key": "x"}


# ---- TLS ----


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


def identity(certificate: trustme.LeafCert) -> str:
    return certificate.private_key_and_cert_chain_pem.bytes().decode()


def guarded(ca: trustme.CA) -> Receiver:
    """A receiver that demands a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return Receiver(tls=context)


def test_an_own_authority_and_a_client_certificate_open_the_door(ca: trustme.CA, try_out: Try) -> None:
    with closing(guarded(ca)) as receiver:
        bundle = ca.cert_pem.bytes().decode()
        fields = {"name": "ERP", "url": receiver.url, "ca_bundle": bundle}
        certificate = identity(ca.issue_cert("stagehook@example.com"))
        known = create_destination(fields={**fields, "client_certificate": certificate})
        unknown = create_destination(fields=fields)
        stranger = create_destination(fields={**fields, "ca_bundle": ""})
        assert try_out(known).status_code == 200
        assert try_out(unknown).status_code is None
        assert try_out(stranger).error_code == "tls_failed"
        assert len(receiver.wait_for(1)) == 1


def test_certificates_are_judged_when_they_are_saved(ca: trustme.CA, destination: Destination) -> None:
    first, second = ca.issue_cert("a.example"), ca.issue_cert("b.example")
    mixed = first.cert_chain_pems[0].bytes() + second.private_key_pem.bytes()
    alone = first.cert_chain_pems[0].bytes()
    for name, pem in [
        ("client_certificate", mixed),
        ("client_certificate", alone),
        ("ca_bundle", identity(first).encode()),
    ]:
        with pytest.raises(DestinationError) as refusal:
            update_destination(destination_id=destination.pk, fields={name: pem.decode()})
        assert refusal.value.errors.keys() == {name}


@pytest.mark.parametrize("kind", ["expired", "unknown", "wrong_host"])
def test_an_own_authority_does_not_excuse_a_bad_certificate(
    authority: Authority, tls_receiver: Callable[[str], Receiver], try_out: Try, kind: str
) -> None:
    receiver = tls_receiver(kind)
    bundle = Path(authority.bundle).read_text()
    attempt = try_out(create_destination(fields={"name": "ERP", "url": receiver.url, "ca_bundle": bundle}))
    assert (attempt.status_code, attempt.error_code) == (None, "tls_failed")
    assert receiver.requests == []


def test_one_door_never_lends_a_connection_to_another_identity(ca: trustme.CA) -> None:
    with closing(guarded(ca)) as receiver, oauth.open_door(max_in_flight=1) as door:
        bundle = ca.cert_pem.bytes().decode()
        plain = Request(
            url=receiver.url, method="POST", headers=(), body=b"", timeout_seconds=5, ca_bundle=bundle
        )
        certificate = identity(ca.issue_cert("stagehook@example.com"))
        statuses = []
        for request in (replace(plain, client_certificate=certificate), plain, replace(plain, ca_bundle="")):
            door.start(None, request)
            ((_key, exchange),), _ready = door.step(5)
            statuses.append(exchange.status_code)
        assert statuses == [200, None, None]


# ---- HTTP and the proxy ----


def test_http_is_refused_unless_the_operator_allows_it() -> None:
    public = "http://1.1.1.1/"
    with pytest.raises(AddressRefused) as refusal:
        check_destination(public, allowed=[], allow_http=False)
    assert refusal.value.code == "http"
    assert check_destination(public, allowed=[], allow_http=True).port == 80
    assert check_destination("https://1.1.1.1/", allowed=[], allow_http=False).port == 443


def test_a_waiting_url_without_encryption_is_refused_at_the_attempt(
    settings: Settings, destination: Destination, try_out: Try
) -> None:
    settings.ALLOW_HTTP = False
    Destination.objects.filter(pk=destination.pk).update(url="http://1.1.1.1/")
    attempt = try_out(destination)
    assert (attempt.error_code, attempt.detail) == ("address_refused", "http 1.1.1.1")


def test_requests_go_through_the_outgoing_proxy(
    settings: Settings, receiver: Receiver, destination: Destination, try_out: Try
) -> None:
    settings.OUTGOING_PROXY = receiver.base.replace("http://", "http://user:pass@")
    settings.ALLOW_HTTP = True
    Destination.objects.filter(pk=destination.pk).update(url="http://1.1.1.1/hook")
    attempt = try_out(destination)
    (request,) = receiver.wait_for(1)
    assert (attempt.status_code, request.path) == (200, "http://1.1.1.1/hook")
    assert request.headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"


def test_the_proxy_is_not_asked_for_what_may_not_be_called(
    settings: Settings, receiver: Receiver, destination: Destination, try_out: Try
) -> None:
    settings.OUTGOING_PROXY = receiver.base
    Destination.objects.filter(pk=destination.pk).update(url="https://10.0.0.1/hook")
    assert try_out(destination).error_code == "address_refused"
    assert receiver.connections == 0


def test_a_proxy_that_lets_nothing_through_is_named_and_sees_no_header(
    settings: Settings, receiver: Receiver, destination: Destination, try_out: Try
) -> None:
    settings.OUTGOING_PROXY = receiver.base
    receiver.answer(status(403))
    update_destination(destination_id=destination.pk, fields={"headers": {"X-Key": "hush"}})
    Destination.objects.filter(pk=destination.pk).update(url="https://1.1.1.1/hook")
    attempt = try_out(destination)
    assert (attempt.status_code, attempt.error_code) == (None, "proxy_failed")
    (request,) = receiver.wait_for(1)
    assert (request.method, request.path) == ("CONNECT", "1.1.1.1:443")
    assert "x-key" not in request.headers
