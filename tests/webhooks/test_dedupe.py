"""By what repeats are recognised, and for how long."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from crm.models import Activity, Deal
from tests.webhooks.conftest import Sender
from tests.webhooks.test_requests import at_once
from webhooks.dedupe import dedupe_key
from webhooks.models import InboundEndpoint, InboundRequest


def key_of(
    value: Any,
    setting: Mapping[str, Any] | None = None,
    *,
    scheme: str = "none",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> str:
    return dedupe_key(value, setting=setting, scheme=scheme, headers=headers or {}, query=query or {})


def test_the_first_key_that_is_there_decides() -> None:
    setting = {"keys": ["header:X-Event-Id", "query:id", "body:data.list[1].id"]}
    value = {"data": {"list": [{"id": 1}, {"id": 2}]}}
    found = [
        key_of(value, setting, headers={"x-event-id": "a"}, query={"id": "q"}),
        key_of(value, setting, query={"id": "q"}),
        key_of(value, setting),
    ]
    assert found == ["header:X-Event-Id:a", "query:id:q", "body:data.list[1].id:2"]


@pytest.mark.parametrize("nothing", [None, "", "  ", True, {}, [1]])
def test_a_key_without_a_value_is_passed_over(nothing: Any) -> None:
    assert key_of({"id": nothing}, {"keys": ["body:id"]}).startswith("sha256:")


def test_text_that_is_json_is_looked_into() -> None:
    value = {"rawRequest": '{"event_id": "e1"}'}
    assert key_of(value, {"keys": ["body:rawRequest.event_id"]}) == "body:rawRequest.event_id:e1"


def test_a_long_or_unprintable_key_is_kept_as_its_hash() -> None:
    keys = {
        key_of({"id": text}, {"keys": ["body:id"]}) for text in ("x" * 5_000, "x" * 5_001, "a\nb", "a\tb")
    }
    assert len(keys) == 4
    assert all(len(key) <= 300 and key.isprintable() for key in keys)


def test_without_a_key_what_the_body_says_counts_without_the_ignored_fields() -> None:
    setting = {"ignore": ["sent_at", "items.at", "meta.trace"]}
    first = {"id": 1, "sent_at": "a", "items": [{"n": 1, "at": "a"}, {"n": 2}], "meta": {"trace": 1, "b": 2}}
    again = {"meta": {"b": 2, "trace": 9}, "items": [{"n": 1}, {"n": 2, "at": "b"}], "sent_at": "b", "id": 1}
    other = {**again, "items": [{"n": 1}, {"n": 3}]}
    assert key_of(first, setting) == key_of(again, setting)
    assert key_of(first, setting) != key_of(other, setting)
    assert key_of(first) != key_of(again)


def test_a_message_id_that_nobody_signed_is_not_believed() -> None:
    headers = {"webhook-id": "m1"}
    assert key_of({}, scheme="standard_webhooks", headers=headers) == "webhook-id:m1"
    assert key_of({}, scheme="standard_webhooks", headers={"svix-id": "m1"}) == "webhook-id:m1"
    assert key_of({}, scheme="github", headers=headers).startswith("sha256:")


def test_a_captured_request_is_a_duplicate_when_it_is_sent_again(sender: Sender, deal: Deal) -> None:
    sender.endpoint.dedupe = {"keys": ["header:X-Event-Id", "body:activity.subject"], "ignore": []}
    sender.endpoint.save()
    document = {"match": {"deal_id": deal.pk}, "activity": {"subject": "s1", "body": "paid"}}
    said = [
        sender.post(document, X_Event_Id="e1"),
        sender.post(document, X_Event_Id="e1"),
        sender.post({**document, "activity": {"subject": "s2"}}, X_Event_Id="e1"),
        sender.post(document, X_Event_Id="e2"),
        sender.post(document),
        sender.post({**document, "activity": {"subject": "s1", "body": "other"}}),
    ]
    statuses = [answer.json()["status"] for answer in said]
    assert statuses == ["applied", "duplicate", "duplicate", "applied", "applied", "duplicate"]
    assert Activity.objects.count() == 3


def test_a_mapping_may_say_what_names_the_event(sender: Sender) -> None:
    sender.endpoint.mapping = {"fields": {"event_id": "order.id", "deal.title": "order.name"}}
    sender.endpoint.save()
    bodies = [
        {"order": {"id": 7, "name": "A"}},
        {"order": {"id": 7, "name": "B"}},
        {"order": {"id": 8, "name": "A"}},
    ]
    assert [sender.post(body).json()["status"] for body in bodies] == ["applied", "duplicate", "applied"]
    assert InboundRequest.objects.filter(dedupe_key="event_id:7").count() == 2


def test_spaces_and_the_order_of_keys_make_no_difference(sender: Sender, deal: Deal) -> None:
    document = {"match": {"deal_id": deal.pk}, "activity": {"body": "paid"}}
    other = json.dumps(dict(reversed(document.items())), indent=2).encode()
    assert [sender.post(body).json()["status"] for body in (document, other)] == ["applied", "duplicate"]


def test_after_the_window_the_key_is_free_again(sender: Sender, deal: Deal) -> None:
    sender.endpoint.dedupe = {"keys": ["body:event_id"], "window_days": 2, "ignore": []}
    sender.endpoint.save()
    document = {"event_id": "e1", "match": {"deal_id": deal.pk}, "activity": {"body": "paid"}}
    sender.post(document)
    for hours, status in ((47, "duplicate"), (49, "applied")):
        InboundRequest.objects.update(received_at=timezone.now() - timedelta(hours=hours))
        assert sender.post(document).json()["status"] == status


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_after_the_window_one_is_applied(endpoint: InboundEndpoint, deal: Deal) -> None:
    document = {"event_id": "e1", "match": {"deal_id": deal.pk}, "activity": {"body": "paid"}}
    Sender(endpoint).post(document)
    InboundRequest.objects.update(received_at=timezone.now() - timedelta(days=31))
    answers = at_once(20, lambda _number: Sender(endpoint).post(document).json())
    assert sorted(answer["status"] for answer in answers) == ["applied"] + ["duplicate"] * 19
    assert Activity.objects.count() == 2
    assert InboundRequest.objects.filter(holds_key=True).count() == 1
