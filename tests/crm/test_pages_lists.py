"""The lists of deals, contacts and companies, and the pages of the latter two."""

import pytest
from django.test import Client

from crm.actors import Actor
from crm.deals import create_deal
from crm.models import Company, Contact, Deal, Stage, User
from tests.crm.pages import browser_of, texts


@pytest.fixture
def as_alice(alice: User) -> Client:
    return browser_of(alice)


def rows(client: Client, address: str) -> list[str]:
    return texts(client.get(address).content.decode(), "row-link")


def test_deals_are_found_by_title_company_and_contact(
    as_alice: Client, stages: list[Stage], actor: Actor
) -> None:
    company, contact = Company.objects.create(name="Good Bread"), Contact.objects.create(name="Rui Alves")
    create_deal(actor=actor, stage=stages[0], title="Oven")
    create_deal(actor=actor, stage=stages[0], title="Mixer", fields={"company": company})
    create_deal(actor=actor, stage=stages[0], title="Scale", fields={"contact": contact})
    assert rows(as_alice, "/deals/") == ["Scale", "Mixer", "Oven"]
    assert rows(as_alice, "/deals/?q=ove") == ["Oven"]
    assert rows(as_alice, "/deals/?q=bread") == ["Mixer"]
    assert rows(as_alice, "/deals/?q=alves") == ["Scale"]
    assert rows(as_alice, "/deals/?status=won") == []
    assert "No deal fits" in as_alice.get("/deals/?q=nothing").content.decode()


def test_a_long_list_is_read_page_by_page_and_nothing_twice(
    as_alice: Client, stages: list[Stage], actor: Actor
) -> None:
    for number in range(120):
        create_deal(actor=actor, stage=stages[0], title=f"Deal {number}")
    seen, address = [], "?q=Deal"
    while address:
        page = as_alice.get(f"/deals/{address}").context["page"]
        seen += [deal.title for deal in page.rows]
        address = page.next_url
    assert seen == [f"Deal {number}" for number in reversed(range(120))]


def test_a_rep_finds_own_deals_only(stages: list[Stage], actor: Actor, bob: User, deal: Deal) -> None:
    create_deal(actor=actor, stage=stages[0], title="Bob's own", fields={"owner": bob})
    assert rows(browser_of(bob), "/deals/") == ["Bob&#x27;s own"]


def test_contacts_are_found_by_name_mail_and_company(as_alice: Client) -> None:
    company = Company.objects.create(name="Good Bread")
    Contact.objects.create(name="Rui Alves", emails=["rui@example.com"], company=company)
    Contact.objects.create(name="Ana Costa")
    assert rows(as_alice, "/contacts/") == ["Ana Costa", "Rui Alves"]
    for typed in ("rui@", "ALVES", "bread"):
        assert rows(as_alice, f"/contacts/?q={typed}") == ["Rui Alves"]


def test_companies_are_found_by_name_domain_and_tax_id(as_alice: Client) -> None:
    Company.objects.create(name="Good Bread", domain="bread.example", tax_id="11222333000181")
    Company.objects.create(name="Clinic")
    for typed in ("good", "bread.ex", "11.222.333"):
        html = as_alice.get(f"/companies/?q={typed}").content.decode()
        assert texts(html, "row-link who-line") == ["GB Good Bread"]


def test_the_pages_of_a_contact_and_a_company_show_the_deals_one_may_see(
    stages: list[Stage], actor: Actor, alice: User, bob: User
) -> None:
    company = Company.objects.create(name="Good Bread", custom_fields={})
    contact = Contact.objects.create(name="Rui", company=company, phones=["+5511987654321"])
    fields = {"company": company, "contact": contact, "owner": alice}
    create_deal(actor=actor, stage=stages[0], title="Oven", fields=fields)
    for address in (f"/contacts/{contact.pk}/", f"/companies/{company.pk}/"):
        assert rows(browser_of(alice), address) == ["Oven"]
        assert rows(browser_of(bob), address) == []
