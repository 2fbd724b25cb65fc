"""The forecast by month."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from crm.actors import Actor
from crm.deals import create_deal, lose_deal, win_deal
from crm.models import Deal, Stage, User
from crm.models.deals import open_door
from tests.crm.pages import browser_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def expected(stages: list[Stage], actor: Actor, bob: User) -> None:
    """Open deals of the second stage (40 %), one won and one lost."""
    with time_machine.travel(NOW, tick=False):
        for title, value, day, currency, owner in (
            ("This month", 1000, date(2026, 11, 2), "BRL", bob),
            ("Next month", 500, date(2026, 12, 31), "BRL", None),
            ("Late", 300, date(2026, 10, 31), "BRL", None),
            ("Far", 200, date(2027, 9, 1), "BRL", None),
            ("Some day", 100, None, "BRL", None),
            ("Abroad", 70, date(2026, 12, 1), "USD", None),
        ):
            fields = {"value": Decimal(value), "expected_close_on": day, "currency": currency, "owner": owner}
            create_deal(actor=actor, stage=stages[1], title=title, fields=fields)
        for title in ("Won", "Lost", "Won long ago"):
            create_deal(actor=actor, stage=stages[1], title=title, fields={"value": Decimal(900)})
        for title in ("Won", "Won long ago"):
            win_deal(deal_id=Deal.objects.get(title=title).pk, actor=actor)
        lose_deal(deal_id=Deal.objects.get(title="Lost").pk, lost_reason=None, actor=actor)
        with open_door():
            Deal.objects.filter(title="Won long ago").update(closed_at=datetime(2026, 1, 5, tzinfo=UTC))


def figures(client: Client, query: str = "") -> dict[str, dict[str, tuple[int, int, int]]]:
    """Total, weighted and won of each bucket that has any, by currency."""
    with time_machine.travel(NOW, tick=False):
        charts = client.get(f"/forecast/?{query}").context["charts"]
    return {
        chart.forecast.currency: {
            bucket.key: (int(bucket.total), int(bucket.weighted), int(bucket.won))
            for bucket in chart.forecast.buckets
            if bucket.count or bucket.won_count
        }
        for chart in charts
    }


def test_open_deals_count_weighted_in_their_month_and_won_ones_beside_them(
    alice: User, expected: None
) -> None:
    assert figures(browser_of(alice)) == {
        "BRL": {
            "overdue": (300, 120, 0),
            "2026-11": (1000, 400, 900),
            "2026-12": (500, 200, 0),
            "later": (200, 80, 0),
            "none": (100, 40, 0),
        },
        "USD": {"2026-12": (70, 28, 0)},
    }


def test_the_forecast_has_the_filters_of_the_list_and_no_status(alice: User, expected: None) -> None:
    client = browser_of(alice)
    assert figures(client, "value_max=100") == {
        "BRL": {"none": (100, 40, 0)},
        "USD": {"2026-12": (70, 28, 0)},
    }
    assert figures(client, "status=lost&value_min=900")["BRL"]["2026-11"] == (1000, 400, 900)


def test_each_role_has_the_forecast_of_its_own_deals(expected: None, bob: User, charlie: User) -> None:
    assert figures(browser_of(bob)) == {"BRL": {"2026-11": (1000, 400, 0)}}
    assert figures(browser_of(charlie)) == {}


def test_chart_and_table_say_the_same(alice: User, expected: None) -> None:
    client = browser_of(alice)
    with time_machine.travel(NOW, tick=False):
        chart = client.get("/forecast/").content.decode()
        table = client.get("/forecast/?as=table").content.decode()
    assert "Nov 26 · Weighted R$400 · Open R$1,000 (1) · Won R$900 (1)" in chart
    assert "<table" not in chart
    assert "<svg viewBox" not in table.split('id="main"')[1].split("forecast-table")[1]
    assert '<td class="end">R$400</td>' in table


def test_a_forecast_takes_as_many_queries_however_many_currencies_there_are(
    alice: User, expected: None, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = browser_of(alice)
    with django_assert_max_num_queries(7):
        client.get("/forecast/")
