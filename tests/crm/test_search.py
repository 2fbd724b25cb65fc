"""Search across deals, contacts and companies."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from crm.actors import Actor
from crm.deals import create_deal, win_deal
from crm.folding import fold
from crm.models import Company, Contact, Deal, Stage, Team, User
from crm.search import Found, find
from tests.crm.pages import browser_of


@pytest.fixture
def people(stages: list[Stage], actor: Actor, bob: User) -> None:
    """A bakery with a contact and a deal of Bob's, and a clinic with a deal of nobody's."""
    bakery = Company.objects.create(name="Padaria Pão Bom", domain="paobom.example", tax_id="11222333000181")
    rui = Contact.objects.create(
        name="Rui Conceição", company=bakery, emails=["rui@paobom.example"], phones=["+5511987654321"]
    )
    create_deal(
        actor=actor,
        stage=stages[0],
        title="Integração com o ERP",
        fields={"company": bakery, "contact": rui, "owner": bob},
    )
    clinic = Company.objects.create(name="Clínica Boa Saúde")
    create_deal(actor=actor, stage=stages[0], title="Módulo fiscal", fields={"company": clinic})


def names(found: Found) -> list[str]:
    return [str(row) for row in (*found.deals, *found.contacts, *found.companies)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("integração", ["Integração com o ERP"]),
        ("ERP INTEGRACAO", ["Integração com o ERP"]),
        ("integraçao com", ["Integração com o ERP"]),
        ("inegracao", ["Integração com o ERP"]),
        ("modlo fiscal", ["Módulo fiscal"]),
        ("rui", ["Integração com o ERP", "Rui Conceição"]),
        ("conceicao", ["Integração com o ERP", "Rui Conceição"]),
        ("conseicao", ["Integração com o ERP", "Rui Conceição"]),
        ("rui@pao", ["Integração com o ERP", "Rui Conceição", "Padaria Pão Bom"]),
        ("(11) 98765-4321", ["Integração com o ERP", "Rui Conceição"]),
        ("padria", ["Integração com o ERP", "Padaria Pão Bom"]),
        ("11.222.333/0001", ["Integração com o ERP", "Padaria Pão Bom"]),
        ("clinica", ["Módulo fiscal", "Clínica Boa Saúde"]),
        ("cl", ["Módulo fiscal", "Clínica Boa Saúde"]),
        ("100%", []),
        ("zebra", []),
        ("", []),
        ("\0", []),
    ],
)
def test_what_is_typed_finds_what_was_meant(
    people: None, alice: User, text: str, expected: list[str]
) -> None:
    assert names(find(text=text, user=alice)) == expected


def test_search_shows_each_role_its_own_deals(
    people: None, alice: User, bob: User, charlie: User, team: Team
) -> None:
    manager = User.objects.create_user("mia@example.com", name="Mia", role=User.Role.MANAGER)
    mate = User.objects.create_user("dora@example.com", name="Dora", team=team)
    for text in ("integracao", "inegracao", "padaria"):
        seen = {
            user: [str(deal) for deal in find(text=text, user=user).deals]
            for user in (alice, manager, bob, mate)
        }
        assert list(seen.values()) == [["Integração com o ERP"]] * 4
        assert find(text=text, user=charlie).deals == []


def test_the_best_come_first_and_open_ones_before_closed(
    stages: list[Stage], actor: Actor, alice: User
) -> None:
    for title in ("Plan of the bakery", "Bakery", "Bakery"):
        create_deal(actor=actor, stage=stages[0], title=title)
    plan, older, newer = Deal.objects.order_by("pk")
    win_deal(deal_id=newer.pk, actor=actor)
    assert find(text="bakery", user=alice).deals[0] == older
    assert set(find(text="bakery", user=alice).deals) == {plan, older, newer}


def test_nothing_typed_names_what_was_opened_last_as_far_as_it_may_be_seen(
    people: None, alice: User, charlie: User
) -> None:
    deal, contact, company = (
        Deal.objects.get(title__startswith="Int"),
        Contact.objects.get(),
        Company.objects.first(),
    )
    assert company
    address = f"/search/?recent=deal:{deal.pk}&recent=contact:{contact.pk}&recent=company:{company.pk}&recent=deal:x"
    html = browser_of(alice).get(address).content.decode()
    assert "Integração com o ERP" in html
    assert "Rui Conceição" in html
    assert company.name in html
    html = browser_of(charlie).get(address).content.decode()
    assert "Integração com o ERP" not in html
    assert "Rui Conceição" in html


def test_a_page_of_results_takes_as_many_queries_for_many_finds_as_for_one(
    stages: list[Stage], actor: Actor, alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        company = Company.objects.create(name=f"Bakery {number}")
        create_deal(actor=actor, stage=stages[0], title=f"Bakery {number}", fields={"company": company})
    client = browser_of(alice)
    with django_assert_max_num_queries(10):
        html = client.get("/search/?q=bakery").content.decode()
    assert html.count('role="option"') == 12


def test_the_indexes_answer_the_search(people: None, alice: User) -> None:
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
        find(text="integracao", user=alice)
        find(text="inegracao", user=alice)
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in [each["sql"] for each in queries.captured_queries if "translate" in each["sql"]]:
            cursor.execute(f"EXPLAIN {query}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            if "crm_deal" in query.split("FROM")[1]:
                assert "deal_by_words" in plan or "company_id" in plan
            else:
                assert "_by_words" in plan


def test_folding_is_the_same_in_python_and_in_the_database(db: None) -> None:
    text = "ÁÀÂÃÄÅ éèêë ÍÌÎÏ óòôõö ÚÙÛÜ Çç Ññ ýÿ São Tomé & Cia."
    Company.objects.create(name=text)
    from_database = find(text="sao tome", user=User(role=User.Role.ADMIN)).companies
    assert [company.name for company in from_database] == [text]
    assert fold(text) == "aaaaaa eeee iiii ooooo uuuu cc nn yy sao tome & cia."


def test_strangers_are_sent_to_the_login(db: None) -> None:
    for address in (
        "/search/?q=a",
        "/forecast/",
        "/deals/export/",
        "/deals/filters/?layout=list",
        "/views/?layout=list",
    ):
        assert Client().get(address).headers["Location"].startswith("/login/")
