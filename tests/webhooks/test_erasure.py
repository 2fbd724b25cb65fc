"""What stored requests still say of a person who was erased: nothing."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from crm.actors import Actor
from crm.erasure import erase_contact
from crm.models import Contact, Deal
from tests.webhooks.conftest import Sender, states
from webhooks.models import InboundRequest
from webhooks.replays import NotReplayable, replay

MARIA = {"name": "Maria", "emails": ["Maria@Example.com"], "phones": ["(11) 91234-5678"]}
TRACES = ("maria", "912345678", "91234-5678")


@pytest.fixture
def erase(sender: Sender) -> Callable[[], None]:
    """Maria writes, and is erased when the test says so."""
    assert sender.post({"event_id": "e1", "contact": MARIA}).json()["status"] == "applied"

    def erase() -> None:
        erase_contact(contact_id=Contact.objects.get(name="Maria").pk, actor=Actor.system())

    return erase


def stored() -> str:
    rows = list(InboundRequest.objects.values())
    return json.dumps([{**row, "body": bytes(row["body"]).decode()} for row in rows], default=str).lower()


def test_all_that_named_the_person_is_gone_and_a_repeat_is_still_one(
    sender: Sender, erase: Callable[[], None]
) -> None:
    form = b"contact[emails][]=maria%40example.com&deal[title]=x"
    said = [
        sender.post({"deal": {"stage": "Nowhere"}, "contact": MARIA}),
        sender.post(form, content_type="application/x-www-form-urlencoded"),
        sender.post({"deal": {"colour": 1}, "contact": {"phones": ["+55 11912345678"]}}),
    ]
    assert [answer.status_code for answer in said] == [422, 200, 422]
    erase()
    assert not any(trace in stored() for trace in TRACES)
    assert states() == [("applied", ""), ("rejected", "invalid"), ("applied", ""), ("rejected", "invalid")]
    assert sender.post({"event_id": "e1", "contact": MARIA}).json()["status"] == "duplicate"


def test_a_key_that_names_the_person_goes_too(sender: Sender, erase: Callable[[], None]) -> None:
    sender.endpoint.dedupe = {"keys": ["body:contact.emails[0]"]}
    sender.endpoint.save()
    sender.post({"contact": MARIA})
    assert "maria@example.com" in stored()
    erase()
    assert "maria@example.com" not in stored()


def test_other_requests_stay_as_they_are(sender: Sender, erase: Callable[[], None]) -> None:
    other: dict[str, Any] = {"contact": {"name": "João", "emails": ["joao@example.com"]}}
    sender.post(other)
    before = InboundRequest.objects.filter(deal__title="João").values().get()
    erase()
    assert InboundRequest.objects.filter(deal__title="João").values().get() == before


def test_what_still_waits_is_dropped_and_what_is_erased_is_not_replayed(
    sender: Sender, erase: Callable[[], None]
) -> None:
    sender.endpoint.response_mode = "accept"
    sender.endpoint.save()
    waiting = sender.post({"contact": MARIA, "deal": {"title": "again"}}).json()["id"]
    erase()
    request = InboundRequest.objects.get(pk=waiting)
    assert (request.state, request.reason, request.next_try_at) == ("ignored", "erased", None)
    assert Deal.objects.count() == 1
    with pytest.raises(NotReplayable):
        replay(request_id=waiting, now=request.received_at)
