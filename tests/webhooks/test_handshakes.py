"""The questions of systems that want an address proved first, and that nobody else gets an answer."""

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from crm.models import Deal
from tests.webhooks.conftest import states
from webhooks.endpoints import create_endpoint, update_endpoint
from webhooks.models import InboundEndpoint, InboundRequest

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Answer
else:
    Answer = Any

SECRET = "a secret of theirs"


def endpoint_with(**fields: Any) -> InboundEndpoint:
    fields = {"verification": {"scheme": "none"}, **fields}
    return create_endpoint(fields={"name": "Theirs", **fields}, created_by=None)


def ask(
    endpoint: InboundEndpoint, query: str = "", *, method: str = "GET", body: bytes = b"", **more: Any
) -> Answer:
    return Client().generic(method, f"/in/{endpoint.key}/{query}", body, **more)


def is_plain(answer: Answer, text: str) -> bool:
    return (
        answer.status_code == 200
        and answer.content.decode() == text
        and answer["Content-Type"] == "text/plain; charset=utf-8"
        and answer["X-Content-Type-Options"] == "nosniff"
    )


def test_slack_gets_its_challenge_back_once_its_signature_is_right(db: None) -> None:
    endpoint = endpoint_with(verification={"scheme": "slack", "secret": SECRET})
    body, at = b'{"type": "url_verification", "challenge": "3eZbrw1a"}', str(int(time.time()))
    for secret, status in ((SECRET, 200), ("another secret", 401)):
        signature = hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
        headers = {"X-Slack-Signature": f"v0={signature}", "X-Slack-Request-Timestamp": at}
        answer = ask(endpoint, method="POST", body=body, content_type="application/json", headers=headers)
        assert answer.status_code == status
        assert (b"3eZbrw1a" in answer.content) is (status == 200)
    assert states() == [("ignored", "handshake"), ("rejected", "signature")]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=our+own+token", "1158201444"),
        (
            "hub.mode=subscribe&hub.verify_token=our+own+token&hub.challenge=%3Cscript%3Ealert(1)%3C/script%3E",
            "<script>alert(1)</script>",
        ),
        ("hub.mode=subscribe&hub.challenge=1&hub.verify_token=a+secret+of+theirs", None),
        ("hub.mode=subscribe&hub.challenge=1&hub.verify_token=", None),
        ("hub.mode=subscribe&hub.challenge=1", None),
        ("hub.challenge=1&hub.verify_token=our+own+token", None),
        ("hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=our+own+token", None),
    ],
)
def test_meta_gets_its_challenge_back_with_our_token(db: None, query: str, text: str | None) -> None:
    verification = {"scheme": "meta", "secret": SECRET, "verify_token": "our own token"}
    answer = ask(endpoint_with(verification=verification), f"?{query}")
    if text is None:
        assert (answer.status_code, answer.content) == (403, b"")
        assert states() == [("rejected", "signature")]
    else:
        assert is_plain(answer, text)
        assert states() == [("ignored", "handshake")]
    assert "own" not in InboundRequest.objects.get().query


def test_where_no_token_was_agreed_with_meta_the_secret_is_it(db: None) -> None:
    endpoint = endpoint_with(verification={"scheme": "meta", "secret": SECRET})
    query = "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=a+secret+of+theirs"
    assert is_plain(ask(endpoint, query), "1")


def test_another_scheme_answers_nothing_to_metas_question(db: None) -> None:
    query = "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=a+secret+of+theirs"
    assert ask(endpoint_with(verification={"scheme": "github", "secret": SECRET}), query).status_code == 405


def test_microsoft_gets_its_token_back(db: None) -> None:
    endpoint = endpoint_with()
    query = "?validationToken=Validation%3A+Testing+%3Cb%3E"
    answer = ask(endpoint, query, method="POST", content_type="text/plain; charset=utf-8")
    assert is_plain(answer, "Validation: Testing <b>")
    with_body = ask(endpoint, query, method="POST", body=b"{}", content_type="application/json")
    assert with_body.status_code == 422
    assert states() == [("ignored", "handshake"), ("rejected", "invalid")]


def test_omie_gets_its_pong(db: None) -> None:
    answer = ask(endpoint_with(), method="POST", body=b'{"ping": "omie"}', content_type="application/json")
    assert (answer.status_code, answer.json()) == (200, {"ping": "pong"})
    assert states() == [("ignored", "handshake")]


def test_omie_gets_none_where_its_token_is_wrong(db: None) -> None:
    endpoint = endpoint_with(verification={"scheme": "token", "secret": SECRET})
    answer = ask(endpoint, method="POST", body=b'{"ping": "omie"}', content_type="application/json")
    assert answer.status_code == 401


def test_zadarma_gets_its_echo(db: None) -> None:
    assert is_plain(ask(endpoint_with(), "?zd_echo=abc<i>"), "abc<i>")


def test_a_probe_is_answered_where_the_endpoint_says_so(db: None) -> None:
    endpoint = endpoint_with(handshakes=["probe"])
    assert [ask(endpoint, method=method).status_code for method in ("GET", "HEAD")] == [200, 200]
    assert ask(endpoint, "?a=1").status_code == 405
    assert ask(endpoint_with()).status_code == 405


def test_woocommerce_may_try_an_address_with_a_number_and_nothing_else(db: None) -> None:
    endpoint = endpoint_with(verification={"scheme": "woocommerce", "secret": SECRET})
    form = "application/x-www-form-urlencoded"
    assert ask(endpoint, method="POST", body=b"webhook_id=5", content_type=form).status_code == 200
    assert ask(endpoint, method="POST", body=b"webhook_id=5&a=1", content_type=form).status_code == 401


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [("GET", "?zd_echo=1", b""), ("POST", "?validationToken=1", b""), ("POST", "", b'{"ping": "omie"}')],
)
def test_what_is_switched_off_is_not_answered(db: None, method: str, query: str, body: bytes) -> None:
    endpoint = endpoint_with()
    update_endpoint(endpoint_id=endpoint.pk, fields={"handshakes": []})
    answer = ask(endpoint, query, method=method, body=body, content_type="application/json")
    assert answer.status_code in {405, 415, 422}
    assert ("ignored", "handshake") not in states()


def test_an_endpoint_that_is_switched_off_answers_no_question(db: None) -> None:
    endpoint = endpoint_with(enabled=False)
    assert ask(endpoint, "?zd_echo=1").status_code == 410


def test_a_get_may_say_what_a_form_says_where_the_endpoint_allows_it(db: None, pipeline: Any) -> None:
    verification = {"scheme": "token", "in": "query", "name": "key", "secret": SECRET}
    endpoint = endpoint_with(verification=verification, allow_get=True)
    query = "?key=a+secret+of+theirs&deal[title]=From+a+call&contact[phones][]=%2B5511912345678"
    answer = ask(endpoint, query)
    assert answer.json()["status"] == "applied"
    assert Deal.objects.get().title == "From a call"
    request = InboundRequest.objects.get()
    assert request.method == "GET"
    assert b"secret" not in bytes(request.body)
    assert "secret" not in request.query
    assert "deal[title]=From+a+call" in request.query
    assert ask(endpoint, query).json()["status"] == "duplicate"
    assert ask(endpoint, "?deal[title]=x").status_code == 401
    assert ask(endpoint, method="HEAD").status_code == 405
