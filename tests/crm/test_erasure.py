"""Erasing a person: what is taken away, what stays, and who may do it."""

from decimal import Decimal
from typing import Any

import pytest

from crm.actors import Actor
from crm.contacts import create_contact, update_contact
from crm.deals import create_deal, update_deal
from crm.erasure import erase_contact
from crm.history import deal_timeline
from crm.models import Activity, Change, Contact, Deal, Stage, User
from crm.signals import contact_erased
from tests.crm.api import ApiClient
from tests.crm.conftest import actor, alice, pipeline, stages

__all__ = ["actor", "alice", "pipeline", "stages"]


@pytest.fixture
def maria(actor: Actor) -> Contact:
    fields = {
        "name": "Maria Souza",
        "emails": ["maria@example.com"],
        "phones": ["+5511912345678"],
        "tax_id": "11144477735",
        "job_title": "Buyer",
        "tags": ["vip"],
        "external_ids": {"erp": "77"},
    }
    made = create_contact(actor=actor, fields=fields)
    return update_contact(contact_id=made.pk, actor=actor, fields={"name": "Maria S."})


@pytest.fixture
def deal(actor: Actor, stages: list[Stage], maria: Contact) -> Deal:
    made = create_deal(actor=actor, stage=stages[0], title="Maria S.", fields={"contact": maria, "value": 50})
    Activity.objects.create(deal=made, kind="note", body="asked for a quote")
    return made


def test_nothing_says_any_more_who_it_was_and_the_deal_stays(
    actor: Actor, alice: User, stages: list[Stage], maria: Contact, deal: Deal
) -> None:
    update_deal(deal_id=deal.pk, actor=actor, stage=stages[1])
    erased = erase_contact(contact_id=maria.pk, actor=actor)
    assert (erased.name, erased.emails, erased.phones, erased.tax_id) == ("Erased contact", [], [], "")
    assert (erased.job_title, erased.company, list(erased.tags.all())) == ("", None, [])
    assert list(erased.external_id_rows.all()) == []
    deal.refresh_from_db()
    assert (deal.title, deal.value, deal.stage) == ("Erased contact", Decimal(50), stages[1])
    assert deal.contact == erased
    kept = str(list(Change.objects.values())) + str(list(Contact.objects.values()))
    kept += str(deal_timeline(deal, reader=alice))
    for trace in ("Maria", "maria@", "912345678", "11144477735"):
        assert trace not in kept
    moved = Change.objects.get(entity="deal", field="stage")
    assert moved.after == {"id": stages[1].pk, "name": stages[1].name}


def test_a_title_that_is_not_the_name_stays(actor: Actor, maria: Contact, deal: Deal) -> None:
    update_deal(deal_id=deal.pk, actor=actor, fields={"title": "Ten chairs"})
    erase_contact(contact_id=maria.pk, actor=actor)
    assert Deal.objects.get().title == "Ten chairs"


def test_who_listens_sees_the_contact_as_it_was(actor: Actor, maria: Contact, deal: Deal) -> None:
    heard: list[tuple[str, list[int]]] = []

    def listen(contact: Contact, deal_ids: list[int], **_more: Any) -> None:
        heard.append((contact.name, deal_ids))

    contact_erased.connect(listen)
    try:
        erase_contact(contact_id=maria.pk, actor=actor)
    finally:
        contact_erased.disconnect(listen)
    assert heard == [("Maria S.", [deal.pk])]


def test_erasing_twice_is_as_good_as_once(actor: Actor, maria: Contact) -> None:
    erase_contact(contact_id=maria.pk, actor=actor)
    assert erase_contact(contact_id=maria.pk, actor=actor).name == "Erased contact"


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("manager", 403), ("rep", 403)])
def test_only_administrators_erase(maria: Contact, role: str, status: int) -> None:
    user = User.objects.create_user(f"{role}@example.com", name=role, role=role)
    answer = ApiClient(user).post(f"contacts/{maria.pk}/erase/")
    assert answer.status_code == status
    maria.refresh_from_db()
    assert (maria.name == "Erased contact") is (status == 200)
