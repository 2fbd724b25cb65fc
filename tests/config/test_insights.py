"""What administrators watch."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from automations import tallies
from automations.destinations import create_destination
from automations.models import Destination, WorkerHeartbeat
from config.insights.selling import sales_charts
from config.insights.sending import sending
from config.insights.spans import span_of
from crm.actors import Actor
from crm.deals import create_deal, lose_deal, move_deal, win_deal
from crm.models import Pipeline, Stage, User
from crm.sales import passages
from tests.automations.outcomes import outcome_at
from tests.crm.conftest import actor, alice, pipeline, stages
from tests.crm.pages import browser_of
from webhooks.models import InboundEndpoint, InboundRequest

__all__ = ["actor", "alice", "pipeline", "stages"]

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 24, 12, 30, tzinfo=ZoneInfo("America/Sao_Paulo"))


@pytest.fixture
def erp() -> Destination:
    return create_destination(fields={"name": "ERP", "url": "http://127.0.0.1/hook"})


@pytest.fixture
def browser(alice: User) -> Client:
    return browser_of(alice)


def count(destination: Destination, *outcomes: tuple[str, float, int]) -> None:
    tallies.count(
        [outcome_at(destination, state, ago=timedelta(hours=ago), ms=ms) for state, ago, ms in outcomes]
    )


@time_machine.travel(NOON, tick=False)
def test_a_span_counts_what_was_sent_in_it(erp: Destination) -> None:
    count(erp, ("delivered", 0, 100), ("failed", 12, 100), ("delivered", 13, 100), ("delivered", 8 * 24, 9))
    with timezone.override(NOON.tzinfo):
        figures = {
            key: sending(span_of(key), now=timezone.now()) for key in ("today", "week", "month", "nonsense")
        }
    assert [figures[key].whole.attempts for key in figures] == [2, 3, 4, 2]
    assert [len(figures[key].charts[0].columns) for key in figures] == [13, 7, 30, 13]
    assert figures["today"].success == "50 %"
    assert [(each.name, each.failures) for each in figures["week"].worst] == [("ERP", "33.3 %")]


def test_the_page_tells_of_endpoints_workers_and_the_database(browser: Client, erp: Destination) -> None:
    form = InboundEndpoint.objects.create(name="Form of the site")
    for state in ("applied", "rejected"):
        InboundRequest.objects.create(endpoint=form, received_at=timezone.now(), state=state)
    WorkerHeartbeat.objects.create(name="old", beat_at=timezone.now(), version="0.0.1")
    page = browser.get("/insights/?span=week").content.decode()
    assert "Form of the site" in page
    assert "50 %" in page
    assert "another version than the pages" in page
    assert "PostgreSQL" in page
    assert "No worker is running" not in page


def test_the_page_asks_the_database_as_often_however_much_there_is(
    browser: Client,
    erp: Destination,
    stages: list[Stage],
    actor: Actor,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    count(erp, ("failed", 0, 100))
    browser.get("/insights/")
    with django_assert_num_queries(22):
        browser.get("/insights/?span=month")
    for number in range(3):
        other = create_destination(fields={"name": f"Chat {number}", "url": erp.url})
        count(other, ("failed", number, 100))
        deal = create_deal(title=f"Deal {number}", stage=stages[0], fields={"value": 10}, actor=actor)
        win_deal(deal_id=deal.pk, actor=actor)
    with django_assert_num_queries(22):
        browser.get("/insights/?span=month")


def test_how_deals_pass_a_stage_is_told_of_those_that_left_it(
    pipeline: Pipeline, stages: list[Stage], actor: Actor
) -> None:
    now = timezone.now()
    with time_machine.travel(now - timedelta(days=10), tick=False):
        onward, lost, won, before = (
            create_deal(title=title, stage=stages[0], fields={"value": 10}, actor=actor)
            for title in ("onward", "lost", "won", "moved too long ago")
        )
    with time_machine.travel(now - timedelta(days=8), tick=False):
        move_deal(deal_id=before.pk, stage=stages[1], actor=actor)
    with time_machine.travel(now - timedelta(days=4), tick=False):
        move_deal(deal_id=onward.pk, stage=stages[1], actor=actor)
        lose_deal(deal_id=lost.pk, lost_reason=None, actor=actor)
        win_deal(deal_id=won.pk, actor=actor)
    with time_machine.travel(now - timedelta(days=1), tick=False):
        move_deal(deal_id=onward.pk, stage=stages[0], actor=actor)
    found = passages(pipeline, since=now - timedelta(days=7))
    first, second = found[stages[0].pk], found[stages[1].pk]
    assert (first.went_on, first.lost, first.stay) == (2, 1, timedelta(days=6))
    assert (second.went_on, second.lost, second.stay) == (0, 0, timedelta(days=3))
    charts = {chart.id: chart for chart in sales_charts(pipeline, now=now)}
    conversion = charts["conversion"].bars[0]
    assert (conversion.text, conversion.length, conversion.more) == ("75 %", "75.0", ["3", "1"])
    assert [bar.more for bar in charts["won-by-rep"].bars] == [["1"]]


def test_administrators_are_told_on_every_page_that_no_worker_runs(browser: Client) -> None:
    line = "No worker is running."
    assert line in browser.get("/contacts/").content.decode()
    rep = User.objects.create_user(email="rep@example.com", name="Rep", role=User.Role.REP)
    assert line not in browser_of(rep).get("/contacts/").content.decode()
    WorkerHeartbeat.objects.create(
        name="well", beat_at=timezone.now() - timedelta(seconds=59), version=settings.VERSION
    )
    assert line not in browser.get("/contacts/").content.decode()
    WorkerHeartbeat.objects.update(beat_at=timezone.now() - timedelta(seconds=61))
    assert line in browser.get("/contacts/").content.decode()
