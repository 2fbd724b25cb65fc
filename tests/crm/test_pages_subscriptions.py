"""The list of renewals, and what cards and deals say of subscriptions."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from crm import renewals
from crm.actors import Actor
from crm.deals import create_deal, update_deal
from crm.models import Company, Deal, Stage, Subscription, User
from crm.views import pages
from tests.crm.pages import browser_of, texts

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def today(db: None) -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def as_alice(alice: User) -> Client:
    return browser_of(alice)


def plan(deal: Deal | None, renews_on: date | None, name: str = "Pro", **fields: Any) -> Subscription:
    return Subscription.objects.create(deal=deal, plan=name, renews_on=renews_on, **fields)


def headings(client: Client, **query: Any) -> list[tuple[str, str]]:
    """Title with count, and sums, of each group."""
    html = client.get("/subscriptions/", query).content.decode()
    counted = zip(texts(html, "panel-title"), texts(html, "muted"), strict=False)
    return [
        (f"{title}: {count}", total)
        for (title, count), total in zip(counted, texts(html, "num sums"), strict=False)
    ]


def test_overdue_ones_come_first_then_month_by_month_with_sums_per_currency(
    as_alice: Client, deal: Deal
) -> None:
    plan(deal, date(2027, 1, 31), amount="100.00")
    plan(deal, date(2027, 1, 1), amount="50.50")
    plan(deal, date(2027, 1, 15), amount="20.00", currency="USD")
    plan(deal, date(2026, 11, 24), amount="7.00")
    plan(deal, date(2026, 11, 23), amount="900.00")
    plan(deal, date(2027, 3, 1), status="past_due", amount="1.00")
    plan(deal, None)
    assert headings(as_alice) == [
        ("Overdue: 2 subscriptions", "R$901"),
        ("November 2026: 1 subscription", "R$7"),
        ("January 2027: 3 subscriptions", "R$150.50 + $20"),
        ("Without a date: 1 subscription", ""),
    ]


def test_a_row_tells_who_pays_what_and_how_it_stands(
    as_alice: Client, deal: Deal, actor: Actor, bob: User
) -> None:
    company = Company.objects.create(name="Bakery")
    update_deal(deal_id=deal.pk, actor=actor, fields={"owner": bob, "company": company})
    plan(deal, date(2026, 12, 1), amount="99.90")
    html = as_alice.get("/subscriptions/").content.decode()
    row = html[html.index("<tbody>") : html.index("</tbody>")]
    assert f'href="/deals/{deal.pk}/"' in row
    for text in ("Pro", "Bakery", "ERP for a bakery", "Bob", "R$99.90", "12/01/2026", "Renews in 7 days"):
        assert text in row


def test_the_list_is_narrowed_by_owner_and_status(
    as_alice: Client, deal: Deal, actor: Actor, bob: User, stages: list[Stage]
) -> None:
    bobs = create_deal(actor=actor, stage=stages[0], title="Bob's", fields={"owner": bob})
    plan(deal, date(2027, 1, 1), "Of nobody")
    plan(bobs, date(2027, 1, 1), "Of Bob")
    plan(bobs, date(2027, 1, 1), "Called off", status="cancelled")
    plan(bobs, date(2026, 1, 1), "Late")

    def shown(**query: Any) -> list[str]:
        return texts(as_alice.get("/subscriptions/", query).content.decode(), "row-link")

    assert shown() == ["Late", "Of nobody", "Of Bob"]
    assert shown(owner=bob.pk) == ["Late", "Of Bob"]
    assert shown(status="cancelled") == ["Called off"]
    assert shown(status="overdue", owner=bob.pk) == ["Late"]
    assert shown(owner="nobody", status="no such") == ["Late", "Of nobody", "Of Bob"]
    assert "No subscription fits" in as_alice.get("/subscriptions/?status=trial").content.decode()


def test_a_rep_sees_the_renewals_of_deals_one_sees(
    deal: Deal, actor: Actor, bob: User, charlie: User
) -> None:
    update_deal(deal_id=deal.pk, actor=actor, fields={"owner": bob})
    plan(deal, date(2027, 1, 1), amount="10.00")
    assert headings(browser_of(bob)) == [("January 2027: 1 subscription", "R$10")]
    page = browser_of(charlie).get("/subscriptions/").content.decode()
    assert "No subscriptions yet" in page


def test_a_long_month_shows_its_first_ones_and_has_pages_of_its_own(
    as_alice: Client, deal: Deal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewals, "FIRST", 2)
    monkeypatch.setattr(pages, "SIZE", 3)
    for number in range(5):
        plan(deal, date(2027, 1, 10 - number), f"P{number}", amount="1.00")
    plan(deal, date(2027, 2, 1), "Other")
    html = as_alice.get("/subscriptions/").content.decode()
    assert texts(html, "row-link") == ["P4", "P3", "Other"]
    assert "?group=2027-01" in html
    assert "Show all 5 subscriptions" in html
    first = as_alice.get("/subscriptions/?group=2027-01").content.decode()
    assert texts(first, "row-link") == ["P4", "P3", "P2"]
    assert headings(as_alice, group="2027-01") == [("January 2027: 5 subscriptions", "R$5")]
    after = Subscription.objects.get(plan="P2").pk
    rest = as_alice.get(f"/subscriptions/?group=2027-01&after={after}").content.decode()
    assert texts(rest, "row-link") == ["P1", "P0"]
    assert len(headings(as_alice, group="no such")) == 2


@pytest.mark.parametrize("group", ["overdue", "undated"])
def test_groups_without_a_month_have_a_page_too(as_alice: Client, deal: Deal, group: str) -> None:
    status = "past_due" if group == "overdue" else "active"
    plan(deal, None, "Some", status=status)
    html = as_alice.get("/subscriptions/", {"group": group}).content.decode()
    assert texts(html, "row-link") == ["Some"]


def test_the_list_takes_as_many_queries_for_many_as_for_one(
    as_alice: Client, stages: list[Stage], actor: Actor, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        deal = create_deal(actor=actor, stage=stages[0], title=f"Deal {number}")
        plan(deal, date(2027, 1 + number, 1))
    with django_assert_max_num_queries(9):
        as_alice.get("/subscriptions/")


def test_the_list_speaks_portuguese(as_alice: Client, deal: Deal) -> None:
    plan(deal, date(2027, 3, 1), amount="1.00")
    as_alice.post("/language/", {"language": "pt-br"})
    html = as_alice.get("/subscriptions/").content.decode()
    assert "Renovações" in html
    assert texts(html, "panel-title") == ["Março de 2027"]


@pytest.mark.parametrize(
    ("fields", "text", "tone"),
    [
        ({"status": "past_due", "renews_on": date(2027, 6, 1)}, "Past due", "bad"),
        ({"renews_on": date(2026, 11, 23)}, "Renewal overdue", "bad"),
        ({"renews_on": date(2026, 11, 24)}, "Renews today", "warn"),
        ({"renews_on": date(2026, 12, 24)}, "Renews in 30 days", "warn"),
        ({"renews_on": date(2026, 12, 25)}, "Active", "ok"),
        ({"status": "cancelled", "renews_on": date(2026, 1, 1)}, "Cancelled", "neutral"),
        ({"status": "paused"}, "Paused", "neutral"),
    ],
)
def test_a_deals_page_says_in_words_how_its_subscriptions_stand(
    as_alice: Client, deal: Deal, fields: dict[str, Any], text: str, tone: str
) -> None:
    Subscription.objects.create(deal=deal, plan="Pro", amount="99.90", **fields)
    html = as_alice.get(f"/deals/{deal.pk}/").content.decode()
    assert f'<span class="badge {tone}">{text}</span>' in html
    assert "R$99.90" in html
    board = as_alice.get("/").content.decode()
    on_card = text if text.startswith("Renew") else f"Subscription: {text}"
    assert texts(board, f"card-plan {tone}") == ([] if tone == "ok" else [on_card])


def test_a_card_shows_the_worst_of_several_subscriptions(
    as_alice: Client, deal: Deal, settings: Settings
) -> None:
    plan(deal, date(2026, 12, 1))
    plan(deal, date(2027, 6, 1), status="past_due")
    assert texts(as_alice.get("/").content.decode(), "card-plan bad") == ["Subscription: Past due"]
    Subscription.objects.filter(status="past_due").update(status="cancelled")
    Subscription.objects.filter(status="active").update(renews_on=date(2027, 6, 1))
    html = as_alice.get("/").content.decode()
    assert "card-plan" not in html  # another one runs on
