"""What a million finished deliveries cost whoever claims the next ones, reads the log's first page or looks around.

Two pairs of tables are measured in turn, so that what else the machine does falls on both, and of each figure the
lowest counts, which that disturbs least. "None" is as many finished deliveries as fill a page of the log and its
counters, because an empty page is no page.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import pytest
from django.conf import settings
from django.test import Client
from django.utils.module_loading import import_string

from automations.models import Destination
from crm.models import Stage, User
from tests.automations.conftest import alice, pipeline, stages
from tests.benchmarks import backlogs
from tests.benchmarks.conftest import Show
from tests.benchmarks.fast_receiver import fast_receiver
from tests.benchmarks.histories import make_history, second_tables
from tests.benchmarks.plans import Statement, statements
from tests.crm.api import ApiClient

__all__ = ["alice", "pipeline", "stages"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

MANY = 1_000_000
A_FULL_PAGE = 2_000
BACKLOG = 1_000
TURNS = 7
READS = 3  # in each turn
TABLES = ("automations_delivery", "automations_attempt")
PAGES = {
    "the log's first page": "/automations/deliveries/",
    "the log's first page, given up only": "/automations/deliveries/?state=failed",
    "the automations page": "/automations/",
    "the destinations page": "/automations/destinations/",
    "the board": "/",
    "`/api/v1/deliveries/`": "/api/v1/deliveries/",
    "`/health/ready`": "/health/ready",
    "`/metrics`": "/metrics",
}
CLAIMS = f"claims of {BACKLOG:,} deliveries, time of the server"
ALL = f"all statements for {BACKLOG:,} deliveries, likewise"
WHOLE = f"{BACKLOG:,} deliveries worked off"
COLUMNS = ("", "none, ms", "many, ms", "ratio", "none, pages", "many, pages")

Work = Callable[[], object]
Figures = dict[str, float]


def is_claim(statement: Statement) -> bool:
    return "SKIP LOCKED" in statement.text


def drain(
    destinations: Sequence[Destination], *, counts_pages: bool = False
) -> tuple[float, list[Statement]]:
    """Work off a backlog; returns the seconds, and what the server was asked for it."""
    backlogs.make_backlog(destinations, count=BACKLOG)
    with statements(counts_pages=counts_pages) as seen:
        seconds = backlogs.work_off()
    assert not backlogs.is_waiting()
    assert any(map(is_claim, seen))
    return seconds, seen


def readings(alice: User) -> dict[str, Work]:
    """Whoever looks: pages, and what a worker's watch has looked after every few seconds."""
    browser, api = Client(), ApiClient(alice).http
    browser.force_login(alice)
    pages = {
        name: partial((api if path.startswith("/api/") else browser).get, path)
        for name, path in PAGES.items()
    }
    return {**pages, **{f"the sweep `{path}`": import_string(path) for path in settings.SWEEPS}}


def times(destinations: Sequence[Destination], reads: Mapping[str, Work]) -> Figures:
    """In milliseconds."""
    seconds, seen = drain(destinations)
    return {
        CLAIMS: sum(statement.milliseconds for statement in seen if is_claim(statement)),
        ALL: sum(statement.milliseconds for statement in seen),
        WHOLE: seconds * 1000,
        **{name: _fastest(read) for name, read in reads.items()},
    }


def _fastest(work: Work) -> float:
    taken = []
    for _read in range(READS):
        started = time.perf_counter()
        work()
        taken.append((time.perf_counter() - started) * 1000)
    return min(taken)


def plans(destinations: Sequence[Destination], reads: Mapping[str, Work]) -> dict[str, list[Statement]]:
    """What the server is asked, with the pages that it looks at."""
    asked = {}
    for name, read in reads.items():
        read()  # whoever comes first pays for what is loaded then
        with statements(counts_pages=True) as asked[name]:
            answer = read()
        assert getattr(answer, "status_code", 200) == 200
    _seconds, asked[ALL] = drain(destinations, counts_pages=True)
    asked[CLAIMS] = list(filter(is_claim, asked[ALL]))
    return asked


def test_growth(stages: list[Stage], alice: User, show: Show) -> None:
    reads, none, many = readings(alice), list[Figures](), list[Figures]()
    with fast_receiver() as receiver, second_tables() as exchange:
        destinations = backlogs.make_destinations([receiver.url] * 10)
        make_history(destinations, count=MANY)
        asked_of_many = plans(destinations, reads)
        exchange()
        make_history(destinations, count=A_FULL_PAGE, given_up_every=2)
        asked_of_none = plans(destinations, reads)
        for _turn in range(TURNS):
            for taken in (none, many):
                taken.append(times(destinations, reads))
                exchange()
    rows = [
        (name, *_compared([turn[name] for turn in none], [turn[name] for turn in many]), *pages)
        for name in none[0]
        for pages in [_pages(asked.get(name, ()) for asked in (asked_of_none, asked_of_many))]
    ]
    rows.append(("target", "", "", "≤ 1.20", "", ""))
    show(f"Growth: none and {MANY:,} finished deliveries", COLUMNS, rows)
    show("Plans with a million finished deliveries", ("", ""), list(_remarks(asked_of_many)))


def _compared(none: Sequence[float], many: Sequence[float]) -> tuple[str, str, str]:
    before, after = min(none), min(many)
    return f"{before:.1f}", f"{after:.1f}", f"{after / before:.2f}"


def _pages(asked: Iterable[Sequence[Statement]]) -> list[str]:
    return [f"{sum(statement.pages for statement in seen):,}" if seen else "" for seen in asked]


def _remarks(asked: Mapping[str, Sequence[Statement]]) -> Iterator[tuple[str, str]]:
    """What the drain claims by, and every statement that reads all of a table that grows."""
    used = set[str]().union(*(statement.indexes() for statement in asked[CLAIMS]))
    yield "indexes of the claims", ", ".join(sorted(used))
    whole = [
        (name, " ".join(statement.text.split())[:300])
        for name, seen in asked.items()
        for statement in seen
        if statement.reads_whole(*TABLES)
    ]
    yield "statements that read a whole table", f"{len(whole)}"
    yield from whole
