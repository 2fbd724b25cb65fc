"""The board with 200 and with 10,000 open deals in six stages: the page, a move, and a board in Chromium.

Both boards are measured in turn, so that what else the machine does falls on both.
"""

import os
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from playwright.sync_api import Browser, BrowserType

from config.demo.volume import generate_deals
from crm.models import Deal, Pipeline, User
from tests.benchmarks.conftest import Show
from tests.benchmarks.web import web_server
from tests.crm.conftest import alice

__all__ = ["alice"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in this thread

FEW, MANY = 200, 10_000
READS = 60
MOVES = 60
VISITS = 7
USABLE = """() => {
    const [page] = performance.getEntriesByType("navigation");
    return page.domContentLoadedEventEnd - page.startTime;
}"""

Times = list[float]  # milliseconds


@pytest.fixture
def boards(transactional_db: None, alice: User) -> Mapping[int, Pipeline]:
    made = {count: generate_deals(count=count, pipeline_name=f"{count} deals") for count in (FEW, MANY)}
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as PostgreSQL does by itself within a minute
    return made


@pytest.fixture
def chromium(browser_type: BrowserType) -> Any:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    browser = browser_type.launch(executable_path=path, args=["--no-sandbox"])
    yield browser
    browser.close()


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page_times(client: Client, boards: Mapping[int, Pipeline]) -> Mapping[int, Times]:
    return in_turn(boards, lambda pipeline: client.get(f"/pipelines/{pipeline.pk}/"), turns=READS)


def move_times(client: Client, boards: Mapping[int, Pipeline]) -> Mapping[int, Times]:
    """The topmost card of the first column goes on top of the second, and back."""
    stages = {pipeline.pk: list(pipeline.stages.all()[:2]) for pipeline in boards.values()}
    cards = {
        pk: Deal.objects.open().filter(stage=here).order_by("rank")[0] for pk, (here, _) in stages.items()
    }

    def move(pipeline: Pipeline) -> object:
        deal = cards[pipeline.pk]
        stages[pipeline.pk].reverse()
        sent = {"stage": stages[pipeline.pk][0].pk, "version": Deal.objects.get(pk=deal.pk).version}
        return lambda: client.post(f"/deals/{deal.pk}/move/", sent)

    return in_turn(boards, move, turns=MOVES)


def in_turn(
    boards: Mapping[int, Pipeline], do: Callable[[Pipeline], Any], *, turns: int
) -> Mapping[int, Times]:
    """The milliseconds of each turn after the first, which finds nothing loaded.

    What `do` gives is either the answer, or a function that is to be timed alone.
    """
    times: dict[int, Times] = {count: [] for count in boards}
    for turn in range(turns + 1):
        for count, pipeline in boards.items():
            started = time.perf_counter()
            answer = do(pipeline)
            if callable(answer):
                started = time.perf_counter()
                answer = answer()
            if turn:
                times[count].append((time.perf_counter() - started) * 1000)
            assert answer.status_code == 200, answer.content
    return times


def visits(chromium: Browser, alice: User, boards: Mapping[int, Pipeline]) -> Mapping[int, Times]:
    """Until the cards are there and the scripts have run, in a browser that has been there before."""
    times: dict[int, Times] = {count: [] for count in boards}
    with web_server() as address:
        context = chromium.new_context()
        session = browser_of(alice).cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": address}])
        page = context.new_page()
        for visit in range(VISITS + 1):
            for count, pipeline in boards.items():
                page.goto(f"{address}/pipelines/{pipeline.pk}/", wait_until="domcontentloaded")
                if visit:
                    times[count].append(page.evaluate(USABLE))
        context.close()
    return times


def test_board(boards: Mapping[int, Pipeline], alice: User, chromium: Browser, show: Show) -> None:
    client = browser_of(alice)
    pages = {count: client.get(f"/pipelines/{pipeline.pk}/") for count, pipeline in boards.items()}
    queries = {}
    for count, pipeline in boards.items():
        with CaptureQueriesContext(connection) as seen:
            client.get(f"/pipelines/{pipeline.pk}/")
        queries[count] = len(seen)
    rows = [
        _times("the page, ms at the median", page_times(client, boards), "≤ 60"),
        _row("the page, queries", queries, "≤ 15"),
        _row("the page, kB of HTML", {n: len(page.content) / 1000 for n, page in pages.items()}, "≤ 150"),
        _times("moving a card, ms at the median", move_times(client, boards), "≤ 50"),
        _times("usable in Chromium, ms at the median", visits(chromium, alice, boards), "≤ 1000"),
    ]
    show("The board", ("", f"{FEW} deals", f"{MANY:,} deals", "ratio", "target"), rows)


def _times(name: str, times: Mapping[int, Sequence[float]], target: str) -> tuple[str, ...]:
    return _row(name, {count: statistics.median(each) for count, each in times.items()}, target)


def _row(name: str, figures: Mapping[int, float], target: str) -> tuple[str, ...]:
    few, many = figures[FEW], figures[MANY]
    return name, f"{few:.1f}", f"{many:.1f}", f"{many / few:.2f}", target
