"""The list of deals: columns, order, sums, and cells that are edited where they stand; and lists as CSV files."""

import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO
from typing import Any
from unittest.mock import ANY

import pytest
from django.test import AsyncClient, Client
from pytest_django import DjangoAssertNumQueries

from crm.activities import create_activity
from crm.actors import Actor
from crm.csv_export import AT_A_TIME, BOM, lines
from crm.deals import create_deal, update_deal
from crm.models import Company, Contact, CustomField, Deal, Stage, Subscription, User
from tests.crm.pages import browser_of, texts
from tests.loops import run


@pytest.fixture
def as_alice(alice: User) -> Client:
    return browser_of(alice)


@pytest.fixture
def three(stages: list[Stage], actor: Actor, alice: User, bob: User) -> list[Deal]:
    """Oven and Mixer, whose values and owners differ, and Scale, which has neither an owner nor a day."""
    mixer = {"value": Decimal(50), "owner": bob, "expected_close_on": date(2026, 12, 1), "currency": "USD"}
    oven = {"value": Decimal(900), "owner": alice, "expected_close_on": date(2027, 1, 1)}
    return [
        create_deal(actor=actor, stage=stages[1], title="Oven", fields=oven),
        create_deal(actor=actor, stage=stages[2], title="Mixer", fields=mixer),
        create_deal(actor=actor, stage=stages[0], title="Scale", fields={}),
    ]


def titles(client: Client, query: str) -> list[str]:
    return texts(client.get(f"/deals/?{query}").content.decode(), "row-link")


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("title", ["Mixer", "Oven", "Scale"]),
        ("-value", ["Oven", "Mixer", "Scale"]),
        ("owner", ["Oven", "Mixer", "Scale"]),
        ("-owner", ["Scale", "Mixer", "Oven"]),
        ("expected_close_on", ["Mixer", "Oven", "Scale"]),
        ("stage", ["Scale", "Oven", "Mixer"]),
        ("password", ["Scale", "Mixer", "Oven"]),
    ],
)
def test_a_list_is_ordered_by_any_column(
    as_alice: Client, three: list[Deal], sort: str, expected: list[str]
) -> None:
    assert titles(as_alice, f"sort={sort}") == expected


@pytest.mark.parametrize("sort", ["owner", "-owner", "expected_close_on", "-value", "company"])
def test_pages_in_any_order_show_each_deal_once(
    as_alice: Client, stages: list[Stage], actor: Actor, alice: User, bob: User, sort: str
) -> None:
    companies = [Company.objects.create(name=f"Company {number}") for number in range(2)]
    for number in range(110):
        fields: dict[str, Any] = {
            "owner": (alice, bob, None)[number % 3],
            "expected_close_on": (date(2026, 12, 1), None)[number % 2],
            "value": number % 4,
            "company": (*companies, None)[number % 3],
        }
        create_deal(actor=actor, stage=stages[0], title=f"Deal {number}", fields=fields)
    seen, address = [], f"?sort={sort}"
    while address:
        page = as_alice.get(f"/deals/{address}").context["page"]
        seen += [deal.pk for deal in page.rows]
        address = page.next_url
    assert len(seen) == 110
    assert len(set(seen)) == 110


def test_columns_are_chosen_in_the_address_and_remembered(as_alice: Client, three: list[Deal]) -> None:
    CustomField.objects.create(entity=CustomField.Entity.DEAL, key="plan", label="Plan", type="text")
    address = "/deals/?columns=title,cf.plan,tags,secret"
    heads = [head.column.name for head in as_alice.get(address).context["heads"]]
    assert heads == ["title", "cf.plan", "tags"]
    assert [head.column.name for head in as_alice.get("/deals/").context["heads"]] == heads


def test_count_and_sums_are_those_of_all_that_fit(as_alice: Client, three: list[Deal]) -> None:
    sums = as_alice.get("/deals/").context["sums"]
    assert (sums.count, sums.total, sums.total_weighted) == (3, "R$900 + $50", "R$360 + $40")
    assert as_alice.get("/deals/?value_max=100").context["sums"].total == "R$0 + $50"


def test_a_list_takes_as_many_queries_for_many_deals_as_for_one(
    as_alice: Client,
    stages: list[Stage],
    actor: Actor,
    alice: User,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(40):
        company, contact = (
            Company.objects.create(name=f"C{number}"),
            Contact.objects.create(name=f"P{number}"),
        )
        fields = {"company": company, "contact": contact, "owner": alice, "tags": ["a", f"b{number}"]}
        create_deal(actor=actor, stage=stages[number % 3], title=f"Deal {number}", fields=fields)
    every = "title,company,contact,value,pipeline,stage,status,owner,team,source,tags,lost_reason,closed_at"
    with django_assert_max_num_queries(10):
        html = as_alice.get(f"/deals/?columns={every}&view=").content.decode()
    assert len(texts(html, "row-link")) == 40


def test_each_role_sees_its_own_list_and_sums(three: list[Deal], bob: User, charlie: User) -> None:
    manager = User.objects.create_user("mia@example.com", name="Mia", role=User.Role.MANAGER)
    assert titles(browser_of(manager), "") == ["Scale", "Mixer", "Oven"]
    page = browser_of(bob).get("/deals/")
    assert (texts(page.content.decode(), "row-link"), page.context["sums"].total) == (["Mixer"], "$50")
    assert titles(browser_of(charlie), "") == []


def cell(deal: Deal, name: str) -> str:
    return f"/deals/{deal.pk}/cells/{name}/"


def test_a_cell_is_edited_where_it_stands(as_alice: Client, three: list[Deal], bob: User) -> None:
    oven = three[0]
    assert 'name="was" value="900.00"' in as_alice.get(f"{cell(oven, 'value')}?edit").content.decode()
    saved = as_alice.post(cell(oven, "value"), {"value": "1,200.50", "was": "900.00"})
    assert (saved.status_code, "R$1,200.50" in saved.content.decode()) == (200, True)
    as_alice.post(cell(oven, "owner"), {"value": bob.pk, "was": oven.owner_id})
    as_alice.post(cell(oven, "expected_close_on"), {"value": "2027-02-03", "was": "2027-01-01"})
    as_alice.post(cell(oven, "title"), {"value": "Big oven", "was": "Oven"})
    oven.refresh_from_db()
    shown = (oven.title, oven.value, oven.owner, oven.expected_close_on, oven.version)
    assert shown == ("Big oven", Decimal("1200.50"), bob, date(2027, 2, 3), 5)


def test_a_cell_that_came_too_late_says_who_was_faster_and_changes_nothing(
    as_alice: Client, three: list[Deal], bob: User
) -> None:
    oven = three[0]
    update_deal(deal_id=oven.pk, actor=Actor.user(bob), fields={"title": "Bob's oven"})
    late = as_alice.post(cell(oven, "title"), {"value": "Alice's oven", "was": "Oven"})
    html = late.content.decode()
    assert (late.status_code, "Bob changed this field" in html, "Alice&#x27;s oven" in html) == (
        409,
        True,
        True,
    )
    oven.refresh_from_db()
    assert oven.title == "Bob's oven"
    assert as_alice.post(cell(oven, "title"), {"value": "Alice's oven"}).status_code == 200  # keep mine


def test_a_cell_with_a_wrong_value_keeps_what_was_typed_and_says_what_is_wrong(
    as_alice: Client, three: list[Deal]
) -> None:
    wrong = as_alice.post(cell(three[0], "value"), {"value": "lots", "was": "900.00"})
    assert (wrong.status_code, 'value="lots"' in wrong.content.decode()) == (422, True)
    assert Deal.objects.get(pk=three[0].pk).value == 900


def test_a_cell_of_somebody_elses_deal_or_of_no_field_does_not_exist(three: list[Deal], bob: User) -> None:
    as_bob = browser_of(bob)
    assert as_bob.post(cell(three[0], "title"), {"value": "Bob's", "was": "Oven"}).status_code == 404
    assert as_bob.get(cell(three[1], "stage")).status_code == 404
    assert Deal.objects.get(pk=three[0].pk).title == "Oven"


@pytest.mark.parametrize("dangerous", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_looks_like_a_formula_leaves_as_text(dangerous: str) -> None:
    assert next(csv.reader(StringIO(lines([[dangerous, "a=b", Decimal("-5.00"), None]]), newline=""))) == [
        f"'{dangerous}",
        "a=b",
        "-5.00",
        "",
    ]


def exported(user: User, address: str) -> list[list[str]]:
    async def read() -> str:
        client = AsyncClient()
        await client.aforce_login(user)
        response = await client.get(address)
        assert response.headers["Content-Disposition"].startswith("attachment")
        return b"".join([piece async for piece in response.streaming_content]).decode()  # type: ignore[attr-defined]

    text = run(read())
    assert text.startswith(BOM)
    return list(csv.reader(StringIO(text.removeprefix(BOM), newline="")))


@pytest.mark.django_db(transaction=True)
def test_an_export_has_the_filters_the_columns_and_every_row_one_may_see(
    stages: list[Stage], actor: Actor, alice: User, bob: User
) -> None:
    for number in range(3):
        fields = {"owner": bob if number else alice, "value": Decimal("1500.5"), "tags": ["vip", "a"]}
        create_deal(actor=actor, stage=stages[0], title=f"=Deal {number}", fields=fields)
    rows = exported(bob, "/deals/export/?columns=value,tags,created_at&value_min=1")
    assert rows[0] == ["id", "Deal", "Value", "Currency", "Tags", "Created"]
    assert [row[1:5] for row in rows[1:]] == [
        ["'=Deal 2", "1500.50", "BRL", "a, vip"],
        ["'=Deal 1", "1500.50", "BRL", "a, vip"],
    ]
    assert len(exported(alice, "/deals/export/")) == 4
    assert len(exported(alice, "/deals/export/?tag=none-of-these")) == 1


@pytest.mark.django_db(transaction=True)
def test_a_long_export_is_complete_and_in_the_readers_language(alice: User) -> None:
    alice.language = User.Language.PORTUGUESE
    alice.save()
    Contact.objects.bulk_create(
        Contact(name=f"Contact {number}", phones=["+5511987654321"]) for number in range(AT_A_TIME + 2)
    )
    rows = exported(alice, "/contacts/export/")
    assert rows[0][1:3] == ["Nome", "Empresa"]
    assert len({row[0] for row in rows[1:]}) == AT_A_TIME + 2
    assert rows[1][5] == "'+5511987654321"
    Company.objects.create(name="Padaria", tax_id="11222333000181")
    assert exported(alice, "/companies/export/?q=padar")[1][1:] == ["Padaria", "", "11222333000181"]


@pytest.mark.django_db(transaction=True)
def test_an_export_of_activities_has_those_one_may_see_and_asks_for(
    alice: User, charlie: User, deal: Deal, actor: Actor
) -> None:
    Contact.objects.create(name="Ana Souza")
    due_at = datetime(2026, 11, 25, 12, tzinfo=UTC)
    for given in ({"deal": deal, "kind": "task"}, {"contact": Contact.objects.get(), "kind": "email"}):
        fields = {"subject": "=Write", "due_at": due_at, "assignee": alice, **given}
        create_activity(fields=fields, actor=actor)
    assert exported(alice, "/activities/export/?kind=email")[1:] == [
        [*(ANY, "E-mail", "'=Write", "", "Ana Souza", "Alice"), "2026-11-25T12:00:00+00:00", "", ""]
    ]
    assert len(exported(alice, "/activities/export/")) == 3
    assert len(exported(charlie, "/activities/export/")) == 1


@pytest.mark.django_db(transaction=True)
def test_an_export_of_renewals_has_those_one_may_see(
    stages: list[Stage], actor: Actor, alice: User, bob: User
) -> None:
    for owner in (alice, bob):
        deal = create_deal(actor=actor, stage=stages[0], title=f"Of {owner}", fields={"owner": owner})
        Subscription.objects.create(deal=deal, plan="Gold", amount=Decimal(99), renews_on=date(2027, 1, 31))
    rows = exported(bob, "/subscriptions/export/")
    assert [row[1:] for row in rows[1:]] == [
        ["Gold", "", "Of Bob", "Bob", "Active", "99.00", "BRL", "2027-01-31"]
    ]
    assert len(exported(alice, "/subscriptions/export/")) == 3
