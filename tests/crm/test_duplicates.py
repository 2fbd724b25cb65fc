"""Contacts and companies that may be the same one twice: what finds them, and what is remembered of it."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.utils import timezone

from crm.actors import Actor
from crm.contacts import create_company, create_contact, update_contact
from crm.duplicates import compare_changed, dismiss, duplicates_of, pairs_to_decide
from crm.erasure import erase_contact
from crm.models import Company, Contact, User

NOBODY_HURRIES = 60.0


def contact(actor: Actor, name: str, **fields: Any) -> Contact:
    return create_contact(actor=actor, fields={"name": name, **fields})


def company(actor: Actor, name: str, **fields: Any) -> Company:
    return create_company(actor=actor, fields={"name": name, **fields})


def pairs(model: type[Contact | Company] = Contact) -> list[tuple[str, str, list[str]]]:
    compare_changed(now=timezone.now(), for_seconds=NOBODY_HURRIES)
    return [
        (pair.one.name, pair.other.name, pair.signs) for pair in pairs_to_decide(model).order_by("-score")
    ]


@pytest.mark.parametrize(
    ("one", "other", "signs"),
    [
        ({"emails": ["a@example.com"]}, {"emails": ["x@example.com", "A@Example.com"]}, ["email"]),
        ({"phones": ["(11) 91234-5678"]}, {"phones": ["(11) 1234-5678", "(11) 91234-5678"]}, ["phone"]),
        ({"phones": ["(11) 91234-5678"]}, {"phones": ["+55 11 9 1234-5678"]}, ["phone"]),
        ({"emails": ["a@example.com"]}, {"emails": ["b@example.com"]}, None),
    ],
)
def test_contacts_are_found_by_what_reaches_them(
    actor: Actor, one: Mapping[str, Any], other: Mapping[str, Any], signs: list[str] | None
) -> None:
    contact(actor, "Maria Souza", **one)
    contact(actor, "Grupo Alfa", **other)
    assert pairs() == ([("Maria Souza", "Grupo Alfa", signs)] if signs else [])


def test_a_name_alone_finds_what_is_spelled_alike_unless_something_says_that_they_are_two(
    actor: Actor,
) -> None:
    employer, another = company(actor, "Padaria do Sol"), company(actor, "Metal Norte")
    maria = contact(actor, "Maria Aparecida Souza", company=employer)
    twin = contact(actor, "maria aparecida sousa")
    contact(actor, "Maria Aparecida Souza", company=another)
    assert [found.row for found in duplicates_of(maria)] == [twin]


def test_companies_are_found_by_the_root_of_their_cnpj_their_domain_and_their_name(actor: Actor) -> None:
    one = company(actor, "Padaria do Sol", tax_id="11.222.333/0001-81", domain="sol.example")
    branch = company(actor, "Filial Sul", tax_id="11.222.333/0002-62")
    site = company(actor, "Loja virtual", domain="www.sol.example")
    alike = company(actor, "Padaria Sol")
    company(actor, "Padaria do Sol", tax_id="11.444.777/0001-61")
    found = {each.row: each.signs for each in duplicates_of(one)}
    assert found == {branch: ["tax_id"], site: ["domain"], alike: ["name"]}
    assert duplicates_of(one)[0].row == branch


def test_the_surest_pair_comes_first_and_each_is_kept_once(actor: Actor) -> None:
    contact(actor, "Rui Alves", emails=["rui@example.com"], phones=["(11) 91234-5678"])
    contact(actor, "Rui Alves", emails=["rui@example.com"])
    contact(actor, "Loja", phones=["(11) 91234-5678"])
    expected = [("Rui Alves", "Rui Alves", ["email", "name"]), ("Rui Alves", "Loja", ["phone"])]
    assert pairs() == expected
    assert pairs() == expected
    assert compare_changed(now=timezone.now(), for_seconds=NOBODY_HURRIES) == 0


def test_a_pair_that_nothing_speaks_for_any_more_goes(actor: Actor) -> None:
    one, other = contact(actor, "Rui", emails=["a@b.example"]), contact(actor, "Ana", emails=["a@b.example"])
    assert len(pairs()) == 1
    update_contact(contact_id=other.pk, actor=actor, fields={"emails": ["ana@b.example"]})
    assert pairs() == []
    assert duplicates_of(one) == []


def test_what_was_dismissed_is_not_offered_again(actor: Actor, alice: User) -> None:
    one, other = contact(actor, "Rui", emails=["a@b.example"]), contact(actor, "Ana", emails=["a@b.example"])
    dismiss(one=other, other=one, user=alice, now=timezone.now())
    assert pairs() == []
    update_contact(contact_id=one.pk, actor=actor, fields={"job_title": "Buyer"})
    assert pairs() == []
    assert duplicates_of(one) == duplicates_of(other) == []


def test_the_erased_are_nobodys_duplicates(actor: Actor) -> None:
    for name in ("Rui", "Ana"):
        erase_contact(contact_id=contact(actor, name).pk, actor=actor)
    assert pairs() == []
