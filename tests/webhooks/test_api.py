"""The resources `inbound_endpoints/` and `inbound_requests/`."""

import base64
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from crm.actors import Actor
from crm.deals import update_deal
from crm.history import deal_timeline
from crm.models import Change, Contact, Deal, Pipeline, User
from tests.webhooks.conftest import SECRET, Sender
from webhooks.models import InboundEndpoint, InboundRequest

ENDPOINTS = "/api/v1/inbound_endpoints/"
REQUESTS = "/api/v1/inbound_requests/"


def client_of(role: User.Role) -> APIClient:
    client = APIClient()
    client.force_authenticate(
        User.objects.create_user(f"{role}@example.com", "secret word", role=role, name=role)
    )
    return client


@pytest.fixture
def admin(db: None) -> APIClient:
    return client_of(User.Role.ADMIN)


def test_a_new_endpoint_shows_its_secret_once_and_takes_what_is_signed_with_it(
    admin: APIClient, pipeline: Pipeline, deal: Deal
) -> None:
    made = admin.post(ENDPOINTS, {"name": "Omie", "defaults": {"pipeline": pipeline.pk}})
    assert made.status_code == 201, made.json()
    endpoint = InboundEndpoint.objects.get()
    assert made.json() == {
        "id": endpoint.pk,
        "name": "Omie",
        "enabled": True,
        "url": f"http://testserver/in/{endpoint.key}/",
        "preset": "",
        "verification": {"scheme": "standard_webhooks"},
        "secret": endpoint.secret,
        "recording_auth": {"scheme": "none"},
        "mapping": None,
        "matching": {"within": "all", "when_several": "newest", "if_missing": "create"},
        "writing": {
            "stage": "any",
            "status": "any",
            "unknown_fields": "refuse",
            "unknown_tags": "create",
            "owner": "fixed",
            "owners": [],
        },
        "dedupe": None,
        "defaults": {"pipeline": pipeline.pk, "stage": None, "owner": None, "source": None},
        "response_mode": "wait",
        "allowed_networks": [],
        "rate_limit_per_minute": None,
        "max_body_bytes": 1024 * 1024,
        "handshakes": ["microsoft", "omie", "zadarma"],
        "allow_get": False,
        "setting_up": False,
        "test_mode": False,
        "landing": None,
        "created_at": made.json()["created_at"],
    }
    assert len(base64.b64decode(endpoint.secret.removeprefix("whsec_"))) == 32
    assert len(endpoint.key) >= 32
    assert admin.get(f"{ENDPOINTS}{endpoint.pk}/").json() == {**made.json(), "secret": None}
    document = {"match": {"deal_id": deal.pk}, "deal": {"stage": "Won"}}
    response = Sender(endpoint).post_signed(document, secret=made.json()["secret"])
    assert response.json()["status"] == "applied"


def test_a_secret_is_kept_encrypted(admin: APIClient) -> None:
    secret = admin.post(ENDPOINTS, {"name": "Omie"}).json()["secret"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM webhooks_inboundendpoint")
        ((stored,),) = cursor.fetchall()
    assert stored
    assert secret not in stored


def test_a_secret_of_ones_own_is_taken_and_never_shown_in_the_verification(admin: APIClient) -> None:
    verification = {"scheme": "token", "in": "header", "name": "X-Omie", "secret": "a long secret"}
    made = admin.post(ENDPOINTS, {"name": "Omie", "verification": verification}).json()
    assert made["verification"] == {"scheme": "token", "in": "header", "name": "X-Omie"}
    assert made["secret"] == "a long secret"


@pytest.mark.parametrize(
    ("fields", "attr"),
    [
        ({}, "name"),
        ({"name": "x", "secret": "y"}, "secret"),
        ({"name": "x", "url": "y"}, "url"),
        ({"name": "x", "surprise": 1}, "surprise"),
        ({"name": "x", "verification": {"scheme": "rot13"}}, "verification"),
        ({"name": "x", "verification": {"scheme": ["none"]}}, "verification"),
        ({"name": "x", "verification": {"scheme": "none", "in": "header"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "none", "secret": "a long secret"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "token", "secret": "short"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "token", "secret": 5}}, "verification"),
        ({"name": "x", "verification": {"scheme": "token", "name": "a b"}}, "verification"),
        (
            {"name": "x", "verification": {"scheme": "standard_webhooks", "secret": "whsec_AAAA"}},
            "verification",
        ),
        ({"name": "x", "allowed_networks": ["everywhere"]}, "allowed_networks"),
        ({"name": "x", "max_body_bytes": 10**9}, "max_body_bytes"),
        ({"name": "x", "rate_limit_per_minute": 0}, "rate_limit_per_minute"),
        ({"name": "x", "defaults": {"stage": 10**9}}, "defaults.stage"),
        ({"name": "x", "defaults": {"color": 1}}, "defaults.color"),
        ({"name": "x", "mapping": {"fields": {}}}, "mapping.fields"),
        ({"name": "x", "mapping": {"fields": {"deal.titel": "name"}}}, "mapping.fields.deal.titel"),
        ({"name": "x", "mapping": {"fields": {"deal.title": "name["}}}, "mapping.fields.deal.title"),
        ({"name": "x", "mapping": [{"fields": {"deal.title": 1}}]}, "mapping.[0].fields.deal.title"),
        ({"name": "x", "mapping": []}, "mapping"),
        ({"name": "x", "mapping": "name"}, "mapping"),
        ({"name": "x", "mapping": {"fields": {"deal.title": "x"}, "if": "y"}}, "mapping.if"),
        ({"name": "x", "mapping": {"fields": {"deal.title": "x"}, "each": "a["}}, "mapping.each"),
        (
            {"name": "x", "mapping": {"fields": {"deal.title": "x"}, "only_if_empty": ["y"]}},
            "mapping.only_if_empty",
        ),
        ({"name": "x", "matching": {"within": "galaxy"}}, "matching"),
        ({"name": "x", "matching": {"where": "all"}}, "matching"),
        ({"name": "x", "writing": {"stage": "sideways"}}, "writing"),
        ({"name": "x", "writing": {"owners": [0]}}, "writing"),
        ({"name": "x", "writing": {"owners": ["ana"]}}, "writing"),
        ({"name": "x", "verification": {"scheme": "token", "in": "cookie"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "basic", "username": "a:b"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "basic"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "hmac", "algorithm": "md5"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "hmac", "template": "{secret}"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "hmac", "template": "fixed"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "hmac", "template": "{timestamp}.{body}"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "hmac", "field": "a..b"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "hmac", "field": "a", "header": "B"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "hmac", "tolerance_seconds": 0}}, "verification"),
        ({"name": "x", "verification": {"scheme": "github", "header": "X"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "github", "verify_token": "12345678"}}, "verification"),
        ({"name": "x", "verification": {"scheme": "meta", "verify_token": "short"}}, "verification"),
        ({"name": "x", "dedupe": []}, "dedupe"),
        ({"name": "x", "dedupe": {"key": "body:id"}}, "dedupe"),
        ({"name": "x", "dedupe": {"keys": "body:id"}}, "dedupe"),
        ({"name": "x", "dedupe": {"keys": ["cookie:id"]}}, "dedupe"),
        ({"name": "x", "dedupe": {"keys": ["body:a..b"]}}, "dedupe"),
        ({"name": "x", "dedupe": {"ignore": ["[0]"]}}, "dedupe"),
        ({"name": "x", "dedupe": {"window_days": 0}}, "dedupe"),
        ({"name": "x", "dedupe": {"window_days": True}}, "dedupe"),
        ({"name": "x", "handshakes": ["tango"]}, "handshakes.0"),
        ({"name": "x", "landing": {}}, "landing"),
        ({"name": "x", "landing": {"allowed_origins": ["*"]}}, "landing"),
        ({"name": "x", "landing": {"allowed_origins": ["https://a.example/path"]}}, "landing"),
        ({"name": "x", "landing": {"allowed_origins": ["https://a.example"], "color": 1}}, "landing"),
        (
            {
                "name": "x",
                "landing": {"allowed_origins": ["https://a.example"], "redirect_url": "javascript:x"},
            },
            "landing",
        ),
        (
            {"name": "x", "landing": {"allowed_origins": ["https://a.example"], "rate_per_address": 0}},
            "landing",
        ),
    ],
)
def test_an_endpoint_that_makes_no_sense_is_refused(
    admin: APIClient, fields: dict[str, Any], attr: str
) -> None:
    response = admin.post(ENDPOINTS, fields)
    assert response.status_code == 400
    assert [error["attr"] for error in response.json()["errors"]] == [attr]
    assert InboundEndpoint.objects.count() == 0


def test_a_change_keeps_the_secret_unless_the_scheme_changes(
    admin: APIClient, signing_sender: Sender
) -> None:
    url = f"{ENDPOINTS}{signing_sender.endpoint.pk}/"
    changed = admin.patch(url, {"name": "Bling", "verification": {"scheme": "standard_webhooks"}}).json()
    assert (changed["name"], changed["secret"]) == ("Bling", None)
    assert InboundEndpoint.objects.get().secret == SECRET
    changed = admin.patch(url, {"verification": {"scheme": "token"}}).json()
    assert changed["secret"] == InboundEndpoint.objects.get().secret != SECRET


def test_a_rotated_secret_leaves_the_former_one_valid_for_a_while(
    admin: APIClient, signing_sender: Sender, deal: Deal
) -> None:
    url = f"{ENDPOINTS}{signing_sender.endpoint.pk}/rotate_secret/"
    document = {"match": {"deal_id": deal.pk}, "deal": {"stage": "Won"}}
    new = admin.post(url, {"overlap_seconds": 60}).json()["secret"]
    assert signing_sender.post_signed(document, message_id="a").status_code == 200
    assert signing_sender.post_signed(document, message_id="b", secret=new).status_code == 200
    newest = admin.post(url, {"overlap_seconds": 0}).json()["secret"]
    assert signing_sender.post_signed(document, message_id="c", secret=new).status_code == 401
    assert signing_sender.post_signed(document, message_id="d", secret=newest).status_code == 200
    assert admin.post(url, {"overlap_seconds": -1}).status_code == 400


def test_a_rotated_url_makes_the_former_one_unknown(admin: APIClient, sender: Sender, deal: Deal) -> None:
    former = sender.endpoint.key
    url = admin.post(f"{ENDPOINTS}{sender.endpoint.pk}/rotate_url/").json()["url"]
    assert former not in url
    assert sender.post({"match": {"deal_id": deal.pk}, "deal": {"stage": "Won"}}).status_code == 404


def test_a_deleted_endpoint_is_unknown_and_its_requests_stay(
    admin: APIClient, sender: Sender, deal: Deal
) -> None:
    document = {"match": {"deal_id": deal.pk}, "deal": {"stage": "Won"}}
    sender.post(document)
    url = f"{ENDPOINTS}{sender.endpoint.pk}/"
    assert admin.delete(url).status_code == 204
    assert (admin.get(url).status_code, sender.post(document).status_code) == (404, 404)
    assert [row["endpoint"] for row in admin.get(REQUESTS).json()["results"]] == [sender.endpoint.pk]


@pytest.mark.parametrize("role", [User.Role.MANAGER, User.Role.REP])
def test_only_administrators_see_the_inbound_side(sender: Sender, role: User.Role) -> None:
    client = client_of(role)
    for url in (ENDPOINTS, f"{ENDPOINTS}{sender.endpoint.pk}/", REQUESTS):
        assert client.get(url).status_code == 403
    assert client.post(ENDPOINTS, {"name": "mine"}).status_code == 403
    assert InboundEndpoint.objects.count() == 1


def test_a_preview_says_what_would_happen_and_writes_nothing(
    admin: APIClient, sender: Sender, deal: Deal, django_capture_on_commit_callbacks: Any
) -> None:
    url = f"{ENDPOINTS}{sender.endpoint.pk}/preview/"
    history = Change.objects.count()
    with django_capture_on_commit_callbacks() as callbacks:
        moved = admin.post(url, {"payload": {"match": {"deal_id": deal.pk}, "deal": {"stage": "Won"}}})
        made = admin.post(
            url, {"payload": '{"contact": {"name": "Ana"}}', "content_type": "application/json"}
        )
        wrong = admin.post(url, {"payload": {"deal": {"stage": "Nowhere", "title": "x"}}})
        broken = admin.post(url, {"payload": "{"})
    assert moved.json() == {
        "status": "applied",
        "reason": "",
        "detail": "",
        "deal": deal.pk,
        "candidates": [],
        "changes": {"deal.stage": ["New", "Won"]},
        "errors": [],
        "documents": [{"match": {"deal_id": deal.pk}, "deal": {"stage": "Won"}}],
    }
    assert (made.json()["deal"], made.json()["changes"]["contact.name"]) == (None, [None, "Ana"])
    assert [error["path"] for error in wrong.json()["errors"]] == ["deal.stage"]
    assert [error["code"] for error in broken.json()["errors"]] == ["malformed"]
    assert callbacks == []
    assert (Deal.objects.get().version, Contact.objects.count(), Change.objects.count()) == (1, 0, history)
    assert InboundRequest.objects.count() == 0


def test_requests_are_listed_newest_first_filtered_and_replayed(
    admin: APIClient, sender: Sender, pipeline: Pipeline, deal: Deal
) -> None:
    first = sender.post(
        {"match": {"deal_id": deal.pk}, "deal": {"stage": "Paid"}}, Authorization="Bearer x"
    ).json()
    second = sender.post({"match": {"deal_id": deal.pk}, "deal": {"value": "1"}}).json()
    rows = admin.get(REQUESTS).json()["results"]
    assert [row["id"] for row in rows] == [second["id"], first["id"]]
    assert rows[1]["headers"]["Authorization"] == "•••"
    assert rows[1]["body"].startswith('{"match"')

    def listed(**asked: Any) -> list[str]:
        return [row["id"] for row in admin.get(REQUESTS, asked).json()["results"]]

    assert listed(state="rejected") == [first["id"]]
    assert listed(deal=deal.pk) == [second["id"]]
    assert listed(endpoint=sender.endpoint.pk, received_after=timezone.now().isoformat()) == []
    pipeline.stages.filter(name="Won").update(name="Paid")
    replayed = admin.post(f"{REQUESTS}{first['id']}/replay/")
    assert (replayed.status_code, replayed.json()["state"]) == (200, "applied")
    again = admin.post(f"{REQUESTS}{first['id']}/replay/")
    assert (again.status_code, again.json()["errors"][0]["code"]) == (422, "not_replayable")


def test_the_deals_timeline_tells_of_its_requests(sender: Sender, deal: Deal) -> None:
    answer = sender.post({"match": {"deal_id": deal.pk}, "deal": {"stage": "Won"}}).json()
    update_deal(deal_id=deal.pk, actor=Actor.system(), fields={"title": "x"})
    entries = [entry for entry in deal_timeline(deal, reader=User(role="admin")) if entry.icon == "inbound"]
    assert [(entry.text, entry.url) for entry in entries] == [
        ("Omie: Applied", f"/webhooks/requests/{answer['id']}/")
    ]
