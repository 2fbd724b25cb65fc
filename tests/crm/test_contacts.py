from typing import Any

import pytest
from django.db.models import ProtectedError

from crm import contacts, deals
from crm.actors import Actor
from crm.edits import external_ids
from crm.models import Change, Company, Contact, CustomField, Deal, ExternalId


def history(entity: str) -> list[tuple[str, str, Any, Any]]:
    rows = Change.objects.filter(entity=entity).order_by("id")
    return [(row.verb, row.field, row.before, row.after) for row in rows]


def test_a_contact_is_kept_in_one_form_whatever_the_way_of_writing(actor: Actor) -> None:
    CustomField.objects.create(entity="contact", key="birthday", label="Birthday", type="date")
    contact = contacts.create_contact(
        actor=actor,
        fields={
            "name": "Ana",
            "emails": ["Ana@Example.com", "ana@example.com", "office@example.com"],
            "phones": ["(11) 91234-5678", "+55 11 91234 5678"],
            "tax_id": "529.982.247-25",
            "tags": ["VIP", "vip"],
            "custom_fields": {"birthday": "1990-01-31"},
            "external_ids": {"omie": "7"},
        },
    )
    kept = Contact.objects.get(pk=contact.pk)
    assert kept.emails == ["ana@example.com", "office@example.com"]
    assert kept.phones == ["+5511912345678"]
    assert (kept.tax_id, kept.custom_fields) == ("52998224725", {"birthday": "1990-01-31"})
    assert [tag.name for tag in kept.tags.all()] == ["VIP"]
    assert external_ids(kept) == {"omie": "7"}
    assert history("contact") == [("created", "", None, None)]


def test_a_company_keeps_its_domain_bare_and_its_cnpj_as_digits(actor: Actor) -> None:
    fields = {"name": "Padaria", "domain": "https://www.Padaria.com.br/sobre", "tax_id": "11.222.333/0001-81"}
    company = contacts.create_company(actor=actor, fields=fields)
    assert (company.domain, company.tax_id) == ("padaria.com.br", "11222333000181")


def test_an_update_merges_and_writes_one_row_of_history_a_change(actor: Actor) -> None:
    contact = contacts.create_contact(
        actor=actor, fields={"name": "Ana", "external_ids": {"omie": "7", "old": "1"}}
    )
    Change.objects.all().delete()
    fields = {"name": "Ana", "emails": ["ana@example.com"], "external_ids": {"omie": "8", "old": None}}
    for _again in range(2):
        contacts.update_contact(contact_id=contact.pk, actor=actor, fields=fields)
    assert history("contact") == [
        ("changed", "emails", [], ["ana@example.com"]),
        ("changed", "external_ids.omie", "7", "8"),
        ("changed", "external_ids.old", "1", None),
    ]
    assert {row.actor_name for row in Change.objects.all()} == {"Alice"}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"emails": ["not an address"]},
        {"emails": "ana@example.com"},
        {"emails": None},
        {"phones": ["12"]},
        {"tax_id": "529.982.247-26"},
        {"tax_id": "529.982.247-25"},
        {"external_ids": {"": "1"}},
        {"external_ids": {"omie": "x" * 201}},
        {"custom_fields": {"unknown": 1}},
        {"tags": ["x" * 61]},
        {"created_at": None},
    ],
)
def test_a_bad_value_is_refused_by_name_and_nothing_is_written(actor: Actor, fields: dict[str, Any]) -> None:
    contacts.create_contact(actor=actor, fields={"name": "Somebody else", "tax_id": "52998224725"})
    contact = contacts.create_contact(actor=actor, fields={"name": "Ana"})
    Change.objects.all().delete()
    with pytest.raises(contacts.InvalidFields) as refusal:
        contacts.update_contact(
            contact_id=contact.pk, actor=actor, fields={"job_title": "Baker", "tags": ["new"], **fields}
        )
    assert list(refusal.value.errors) == list(fields)
    assert Contact.objects.get(pk=contact.pk).job_title == ""
    assert (history("contact"), ExternalId.objects.count(), contact.tags.count()) == ([], 0, 0)


def test_a_contact_refused_at_its_making_leaves_nothing(actor: Actor) -> None:
    with pytest.raises(contacts.InvalidFields):
        contacts.create_contact(actor=actor, fields={"name": "Ana", "phones": ["none"]})
    with pytest.raises(contacts.InvalidFields):
        contacts.create_company(actor=actor, fields={"domain": "example.com"})
    assert (Contact.objects.count(), Company.objects.count(), history("contact")) == (0, 0, [])


def test_a_tax_id_from_elsewhere_is_kept_as_letters_and_digits(actor: Actor) -> None:
    company = contacts.create_company(actor=actor, fields={"name": "Bäckerei", "tax_id": "de 123.456.789"})
    assert company.tax_id == "DE123456789"


def test_a_deleted_contact_keeps_its_history_and_one_with_deals_stays(actor: Actor, deal: Deal) -> None:
    contact = contacts.create_contact(actor=actor, fields={"name": "Ana"})
    deals.update_deal(deal_id=deal.pk, actor=actor, fields={"contact": contact})
    with pytest.raises(ProtectedError):
        contacts.delete_contact(contact_id=contact.pk, actor=actor)
    assert history("contact") == [("created", "", None, None)]
    deals.update_deal(deal_id=deal.pk, actor=actor, fields={"contact": None})
    contacts.delete_contact(contact_id=contact.pk, actor=actor)
    assert not Contact.objects.exists()
    assert [row[0] for row in history("contact")] == ["created", "deleted"]
