"""The answers of `POST /in/<key>/`, and that a refusal changes nothing."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook

from crm.models import Change, Deal, Pipeline
from tests.webhooks.conftest import SECRET, Sender, states
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.requests import apply_due

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NothingChanges = Callable[[], None]


def to_won(deal: Deal, **more: Any) -> dict[str, Any]:
    return {"match": {"deal_id": deal.pk}, "deal": {"stage": "Won", **more}}


def test_a_request_moves_the_deal_and_says_what_changed(sender: Sender, deal: Deal) -> None:
    response = sender.post(to_won(deal, value="10.50", add_tags=["paid"], external_ids={"omie": "77"}))
    (request,) = InboundRequest.objects.all()
    assert response.status_code == 200
    assert response.json() == {
        "id": request.pk,
        "status": "applied",
        "deal": deal.pk,
        "changes": {
            "deal.stage": ["New", "Won"],
            "deal.value": ["0.00", "10.50"],
            "deal.tags": [[], ["paid"]],
            "deal.external_ids.omie": [None, "77"],
        },
    }
    assert request.pk.startswith("req_")
    assert (request.state, request.deal_id, request.changes) == (
        "applied",
        deal.pk,
        response.json()["changes"],
    )
    written = Change.objects.filter(object_id=deal.pk, field="stage").get()
    assert (written.actor_kind, written.actor_id, written.actor_name) == (
        "inbound",
        sender.endpoint.pk,
        "Omie",
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_anything_but_a_post_is_405(sender: Sender, method: str, nothing_changes: NothingChanges) -> None:
    response = Client().generic(method, f"/in/{sender.endpoint.key}/")
    assert response.status_code == 405
    assert response["Allow"] == "POST"
    assert states() == [("rejected", "method")]
    assert InboundRequest.objects.get().method == method[:7]
    nothing_changes()


@pytest.mark.parametrize("change", ["x", "swapped", "short", "deleted", "long", "nul"])
def test_an_unknown_key_is_404(
    sender: Sender, change: str, deal: Deal, nothing_changes: NothingChanges
) -> None:
    key = sender.endpoint.key
    if change == "deleted":
        InboundEndpoint.objects.update(deleted_at=timezone.now())
    path = {"x": key + "x", "swapped": key.swapcase(), "short": "a", "long": "a" * 5000, "nul": key + "%00"}
    response = Client().post(f"/in/{path.get(change, key)}/", to_won(deal), content_type="application/json")
    assert response.status_code == 404
    assert states() == []
    nothing_changes()


def test_the_last_slash_may_be_left_out(sender: Sender, deal: Deal) -> None:
    response = Client().post(f"/in/{sender.endpoint.key}", to_won(deal), content_type="application/json")
    assert response.json()["status"] == "applied"


@pytest.mark.parametrize(
    ("setting", "status", "reason"),
    [
        ({"enabled": False}, 410, "disabled"),
        ({"allowed_networks": ["10.0.0.0/8", "2001:db8::/32"]}, 403, "address"),
        ({"max_body_bytes": 20}, 413, "size"),
        ({"verification": {"scheme": "rot13"}}, 401, "signature"),
        ({"verification": {"scheme": "token"}, "secret": "a long secret"}, 401, "signature"),
    ],
)
def test_a_refused_request_is_kept_without_its_body_and_changes_nothing(
    sender: Sender,
    deal: Deal,
    nothing_changes: NothingChanges,
    setting: dict[str, Any],
    status: int,
    reason: str,
) -> None:
    for name, value in setting.items():
        setattr(sender.endpoint, name, value)
    sender.endpoint.save()
    response = sender.post(to_won(deal))
    (request,) = InboundRequest.objects.all()
    assert response.status_code == status
    (error,) = request.errors
    told = {name: error[name] for name in ("code", "path", "message")}
    assert response.json() == {"id": request.pk, "status": "rejected", "errors": [told]}
    assert (error["code"], error["messages"].keys()) == (reason, {"en", "pt-br"})
    assert (request.state, request.reason, bytes(request.body)) == ("rejected", reason, b"")
    nothing_changes()


def test_what_is_set_at_an_endpoint_holds_for_the_very_next_request(sender: Sender, deal: Deal) -> None:
    titles = map(str, count())

    def answer(**settings: Any) -> int:
        InboundEndpoint.objects.filter(pk=sender.endpoint.pk).update(name="Omie", **settings)
        return sender.post(to_won(deal, title=next(titles))).status_code

    assert answer() == 200
    assert answer(enabled=False) == 410
    assert answer(enabled=True) == 200
    assert answer(response_mode="accept") == 202
    assert answer(verification={"scheme": "token", "in": "header", "name": "X-Token"}, secret="s3cret") == 401
    sender.headers["X-Token"] = "s3cret"
    assert answer() == 202
    assert answer(max_body_bytes=10) == 413
    assert answer(max_body_bytes=1000, allowed_networks=["10.0.0.0/8"]) == 403
    assert answer(allowed_networks=[]) == 202
    assert answer(deleted_at=timezone.now()) == 404


def test_an_allowed_address_gets_in(sender: Sender, deal: Deal) -> None:
    sender.endpoint.allowed_networks = ["127.0.0.0/8"]
    sender.endpoint.save()
    assert sender.post(to_won(deal)).status_code == 200


def test_more_requests_a_minute_than_allowed_are_429(
    sender: Sender, deal: Deal, nothing_changes: NothingChanges
) -> None:
    sender.endpoint.rate_limit_per_minute = 2
    sender.endpoint.save()
    for number in range(2):
        assert sender.post({"deal": {"stage": f"no stage {number}"}}).status_code == 422
    InboundRequest.objects.update(received_at=timezone.now() - timedelta(seconds=20))
    response = sender.post(to_won(deal))
    assert response.status_code == 429
    assert 35 <= int(response["Retry-After"]) <= 40
    nothing_changes()
    InboundRequest.objects.update(received_at=timezone.now() - timedelta(minutes=1))
    assert sender.post(to_won(deal)).status_code == 200


def test_a_body_over_the_limit_is_413(sender: Sender, nothing_changes: NothingChanges) -> None:
    assert sender.post(b" " * (1024 * 1024 + 1)).status_code == 413
    assert states() == [("rejected", "size")]
    nothing_changes()


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "application/json;CHARSET=UTF-8", "Application/JSON"]
)
def test_json_in_utf_8_is_taken(sender: Sender, deal: Deal, content_type: str) -> None:
    assert sender.post(to_won(deal), content_type=content_type).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "text/json",
        "application/xml",
        "application/octet-stream",
        "application/+json",
        "application/x-www-form-urlencoded; charset=utf-7",
        "multipart/form-data",
        "multipart/form-data; boundary=é",
        "multipart/mixed; boundary=x",
        "text/plain; charset=utf-16",
        "application/json; charset=utf-16",
        "application/json; charset=bogus",
        "application/json; charset=utf-8; charset=utf-16",
        "",
    ],
)
def test_any_other_content_type_is_415(
    sender: Sender, deal: Deal, nothing_changes: NothingChanges, content_type: str
) -> None:
    assert sender.post(to_won(deal), content_type=content_type).status_code == 415
    assert states() == [("rejected", "content_type")]
    nothing_changes()


def test_a_compressed_body_is_415(sender: Sender, deal: Deal, nothing_changes: NothingChanges) -> None:
    assert sender.post(to_won(deal), Content_Encoding="gzip").status_code == 415
    nothing_changes()


@pytest.mark.parametrize(
    "body",
    [
        b" ",
        b"{",
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":1}x',
        b'{"a":1}{"a":1}',
        b'{"a":012}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":1e-999}',
        b'{"a":1' + b"0" * 18 + b"}",
        b'{"a":0.' + b"1" * 100_000 + b"}",
        b'{"a":' + b"9" * 4_000 + b"}",
        b'{"a":1,"a":2}',
        b'{"deal":{"title":"a","title":"b"}}',
        b'{"deal":{"title":"\\u0000"}}',
        b'{"deal":{"title":"\\ud800"}}',
        b'{"deal":{"title":"\\udfff"}}',
        b'{"\\ud800":1}',
        b'{"deal":{"title":"\x00"}}',
        b'\xef\xbb\xbf{"deal":{"title":"a"}}',
        b'{"deal":{"title":"\xff"}}',
        '{"deal":{"title":"a"}}'.encode("utf-16"),
        b"[" * 33 + b"]" * 33,
        b'{"deal":{"custom_fields":{"a":' + b"[" * 31 + b"]" * 31 + b"}}}",
        b"[" * 5_000 + b"]" * 5_000,
        b"[" * 400_000,
        b'{"a":' * 100_000,
        b"\x1f\x8b\x08\x00",
    ],
)
def test_what_is_not_proper_json_is_400(sender: Sender, nothing_changes: NothingChanges, body: bytes) -> None:
    response = sender.post(body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "malformed"
    (request,) = InboundRequest.objects.all()
    assert (request.state, request.reason, bytes(request.body)) == ("rejected", "malformed", body)
    nothing_changes()


def test_nesting_of_32_levels_is_read(sender: Sender, nothing_changes: NothingChanges) -> None:
    assert sender.post(b"[" * 32 + b"]" * 32).status_code == 422
    nothing_changes()


# ---- Standard Webhooks ----


def test_a_signed_request_is_applied(signing_sender: Sender, deal: Deal) -> None:
    assert signing_sender.post_signed(to_won(deal)).json()["status"] == "applied"


def test_one_good_signature_among_others_is_enough(signing_sender: Sender, deal: Deal) -> None:
    signatures = f"v1a,AAAA v1,AAAA {_signature(to_won(deal), 'msg_1')}"
    response = signing_sender.post_signed(to_won(deal), changed={"webhook-signature": signatures})
    assert response.json()["status"] == "applied"


def _signature(message: dict[str, Any], message_id: str) -> str:
    return Webhook(SECRET).sign(message_id, datetime.now(UTC), json.dumps(message))


@pytest.mark.parametrize("seconds", [-300, -240, 60, 300])
def test_clocks_may_differ_by_five_minutes(signing_sender: Sender, deal: Deal, seconds: int) -> None:
    with time_machine.travel(NOON, tick=False):
        response = signing_sender.post_signed(to_won(deal), at=NOON + timedelta(seconds=seconds))
    assert response.status_code == 200


@pytest.mark.parametrize("seconds", [-86_400, -301, 301, 86_400])
def test_clocks_that_differ_by_more_are_refused(
    signing_sender: Sender, deal: Deal, nothing_changes: NothingChanges, seconds: int
) -> None:
    with time_machine.travel(NOON, tick=False):
        response = signing_sender.post_signed(to_won(deal), at=NOON + timedelta(seconds=seconds))
    assert response.status_code == 401
    nothing_changes()


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "no comma"},
        {"webhook-signature": "v1," + "A" * 50_000},
        {"webhook-signature": " ".join(["v1,AAAA"] * 5_000)},
        {"webhook-id": ""},
        {"webhook-id": "msg_2"},
        {"webhook-id": "msg_1,msg_1"},
        {"webhook-id": "msg\x01"},
        {"webhook-id": "m" * 5_000},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "0"},
        {"webhook-timestamp": "2026-01-01T00:00:00Z"},
        {"webhook-timestamp": "0x6000"},
        {"webhook-timestamp": "nan"},
    ],
)
def test_a_request_that_was_tampered_with_is_401(
    signing_sender: Sender, deal: Deal, nothing_changes: NothingChanges, changed: dict[str, str]
) -> None:
    assert signing_sender.post_signed(to_won(deal), changed=changed).status_code == 401
    nothing_changes()


@pytest.mark.parametrize("write", ["{}.0", "+{}", " {}", "{}.5"])
def test_a_timestamp_is_digits_only(
    signing_sender: Sender, deal: Deal, nothing_changes: NothingChanges, write: str
) -> None:
    timestamp = write.format(int(datetime.now(UTC).timestamp()))
    assert (
        signing_sender.post_signed(to_won(deal), changed={"webhook-timestamp": timestamp}).status_code == 401
    )
    nothing_changes()


@pytest.mark.parametrize("ending", ["=", "-_", ","])
def test_a_loosely_written_signature_is_401(
    signing_sender: Sender, deal: Deal, nothing_changes: NothingChanges, ending: str
) -> None:
    signature = _signature(to_won(deal), "msg_1") + ending
    assert (
        signing_sender.post_signed(to_won(deal), changed={"webhook-signature": signature}).status_code == 401
    )
    nothing_changes()


def test_an_unsigned_malformed_body_is_401_and_not_400(signing_sender: Sender) -> None:
    assert signing_sender.post(b"{").status_code == 401
    assert signing_sender.post(b"\xff").status_code == 401


def test_during_a_rotation_both_secrets_are_honoured(signing_sender: Sender, deal: Deal) -> None:
    endpoint = signing_sender.endpoint
    endpoint.previous_secret, endpoint.secret = SECRET, "whsec_" + "B" * 32
    endpoint.previous_secret_until = timezone.now() + timedelta(minutes=1)
    endpoint.save()
    assert signing_sender.post_signed(to_won(deal), message_id="a").status_code == 200
    assert (
        signing_sender.post_signed(to_won(deal), message_id="b", secret="whsec_" + "B" * 32).status_code
        == 200
    )
    endpoint.previous_secret_until = timezone.now() - timedelta(seconds=1)
    endpoint.save()
    assert signing_sender.post_signed(to_won(deal), message_id="c").status_code == 401


@pytest.mark.parametrize(("place", "name"), [("header", "X-Omie"), ("query", "key")])
def test_a_token_opens_in_its_place_and_is_masked_in_the_log(
    endpoint: InboundEndpoint, deal: Deal, place: str, name: str
) -> None:
    endpoint.verification, endpoint.secret = {"scheme": "token", "in": place, "name": name}, "a long secret"
    endpoint.save()
    body = json.dumps(to_won(deal))
    for token, status in (("a long secret", 200), ("a long secreT", 401), ("", 401), ("ã", 401)):
        query = f"?{name}={token}" if place == "query" else ""
        headers = {name: token} if place == "header" else {}
        response = Client().post(
            f"/in/{endpoint.key}/{query}", body, content_type="application/json", headers=headers
        )
        assert response.status_code == status
    kept = json.dumps(list(InboundRequest.objects.values_list("headers", flat=True)))
    assert "a long secret" not in kept


# ---- Repeats ----


def test_a_repeat_is_answered_with_the_first_request_and_not_applied(sender: Sender, deal: Deal) -> None:
    document = {"event_id": "e1", **to_won(deal)}
    first = sender.post(document).json()
    second = sender.post({**document, "deal": {"stage": "Proposal"}})
    assert (second.status_code, second.json()) == (200, {"id": first["id"], "status": "duplicate"})
    assert Deal.objects.get().stage.name == "Won"
    assert states() == [("applied", ""), ("duplicate", "")]


def test_without_an_event_id_the_message_id_and_then_the_bytes_tell_a_repeat(
    sender: Sender, deal: Deal
) -> None:
    document = to_won(deal)
    answers = [
        sender.post(document, webhook_id="m1"),
        sender.post({**document, "if_missing": "reject"}, webhook_id="m1"),
        sender.post(document, webhook_id="m2"),
        sender.post(document),
        sender.post(document),
    ]
    said = [answer.json()["status"] for answer in answers]
    assert said == ["applied", "duplicate", "applied", "applied", "duplicate"]


def test_after_thirty_days_an_event_may_come_again(sender: Sender, deal: Deal) -> None:
    document = {"event_id": "e1", **to_won(deal)}
    sender.post(document)
    InboundRequest.objects.update(received_at=timezone.now() - timedelta(days=31))
    assert sender.post(document).json()["status"] == "applied"
    assert sender.post(document).json()["status"] == "duplicate"


def test_another_endpoint_has_its_own_events(sender: Sender, pipeline: Pipeline, deal: Deal) -> None:
    other = Sender(InboundEndpoint.objects.create(name="Bling", verification={"scheme": "none"}))
    document = {"event_id": "e1", **to_won(deal)}
    assert [who.post(document).json()["status"] for who in (sender, other)] == ["applied", "applied"]


def test_a_rejected_request_may_be_mended_and_sent_again(
    sender: Sender, deal: Deal, nothing_changes: NothingChanges
) -> None:
    response = sender.post({"event_id": "e1", **to_won(deal), "deal": {"stage": "Nowhere"}})
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"code": "unknown", "path": "deal.stage", "message": "There is no stage “Nowhere” in “Sales”."}
    ]
    nothing_changes()
    assert sender.post({"event_id": "e1", **to_won(deal)}).json()["status"] == "applied"


# ---- Accepting at once ----


def test_an_endpoint_may_answer_at_once_and_apply_afterwards(
    sender: Sender, deal: Deal, nothing_changes: NothingChanges
) -> None:
    sender.endpoint.response_mode = "accept"
    sender.endpoint.save()
    response = sender.post(to_won(deal))
    (request,) = InboundRequest.objects.all()
    assert (response.status_code, response.json()) == (202, {"id": request.pk, "status": "received"})
    nothing_changes()
    assert apply_due(now=timezone.now()) == 1
    assert Deal.objects.get().stage.name == "Won"


def test_where_the_answer_comes_at_once_bad_content_is_found_afterwards_and_a_bad_body_at_once(
    sender: Sender, nothing_changes: NothingChanges
) -> None:
    sender.endpoint.response_mode = "accept"
    sender.endpoint.save()
    assert sender.post(b"{").status_code == 400
    assert sender.post({"deal": {"colour": "red"}}).status_code == 202
    assert apply_due(now=timezone.now()) == 1
    assert states() == [("rejected", "malformed"), ("rejected", "invalid")]
    nothing_changes()


def test_a_request_goes_on_with_the_chain_it_names(sender: Sender, deal: Deal) -> None:
    chain = "01890a5d-ac96-774b-bcce-b302099a8057"
    sender.post(to_won(deal), Stagehook_Chain=f"{chain};2")
    (request,) = InboundRequest.objects.all()
    assert (str(request.chain), request.depth) == (chain, 3)
    assert {str(change.chain) for change in Change.objects.filter(actor_kind="inbound")} == {chain}


@pytest.mark.parametrize("chain", ["", "x", "01890a5d-ac96-774b-bcce-b302099a8057", "-" * 36 + ";1"])
def test_a_chain_that_is_none_begins_a_new_one(sender: Sender, deal: Deal, chain: str) -> None:
    assert sender.post(to_won(deal), Stagehook_Chain=chain).status_code == 200
    assert InboundRequest.objects.get().depth == 0


def test_a_request_without_a_query_is_kept_without_one(sender: Sender, deal: Deal) -> None:
    sender.post(to_won(deal))
    assert InboundRequest.objects.get().query == ""
