"""Requests about somebody who was merged into somebody else, before or while the request is applied."""

from typing import Any

import pytest

from crm.actors import Actor
from crm.merging import merge_companies, merge_contacts
from crm.models import Company, Contact, Deal
from tests.webhooks.conftest import Sender
from webhooks import people

MARIA = {"name": "Maria", "emails": ["maria@example.com"], "external_ids": {"erp": "1"}}
TWIN = {"name": "M. Souza", "phones": ["+5511912345678"], "external_ids": {"erp": "2"}}


@pytest.fixture
def pair(sender: Sender) -> tuple[Contact, Contact]:
    for contact in (MARIA, TWIN):
        assert (
            sender.post({"contact": contact, "company": {"name": contact["name"]}}).json()["status"]
            == "applied"
        )
    one, other = Contact.objects.order_by("pk")
    return one, other


@pytest.mark.parametrize("said", [TWIN, {"emails": ["maria@example.com"]}, {"external_ids": {"erp": "2"}}])
def test_whatever_either_was_known_by_finds_the_one_that_was_kept(
    sender: Sender, pair: tuple[Contact, Contact], said: dict[str, Any]
) -> None:
    kept = merge_contacts(kept_id=pair[0].pk, other_id=pair[1].pk, actor=Actor.system())
    answer = sender.post({"contact": said, "deal": {"title": "Oven"}})
    assert answer.json()["status"] == "applied"
    assert Contact.objects.get() == kept
    assert set(Deal.objects.values_list("contact", flat=True)) == {kept.pk}


@pytest.mark.parametrize("told", [{"contact": TWIN}, {"company": {"name": "M. Souza"}}])
def test_a_merge_while_a_request_is_applied_leads_it_to_the_one_that_was_kept(
    sender: Sender,
    pair: tuple[Contact, Contact],
    told: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    companies = Company.objects.order_by("pk").values_list("pk", flat=True)
    pairs = {
        "contact": (merge_contacts, [row.pk for row in pair]),
        "company": (merge_companies, list(companies)),
    }
    part = next(iter(told))
    merge, ids = pairs[part]
    write = getattr(people, f"update_{part}")
    overtaken: list[int] = []

    def be_overtaken(**options: Any) -> Contact | Company:
        if not overtaken:
            overtaken.extend(ids)
            merge(kept_id=ids[0], other_id=ids[1], actor=Actor.system())
        return write(**options)  # type: ignore[no-any-return]  # one of the two doors

    monkeypatch.setattr(people, f"update_{part}", be_overtaken)
    assert sender.post(told | {"deal": {"title": "Oven"}}).json()["status"] == "applied"
    assert overtaken
    assert type(pair[0]).objects.count() == (1 if part == "contact" else 2)
    assert Company.objects.count() == (2 if part == "contact" else 1)
