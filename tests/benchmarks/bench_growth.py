"""What a million finished deliveries cost whoever claims the next ones, reads the log's first page or looks around.

Two pairs of tables are measured in turn, so that what else the machine does falls on both, and of each figure the
lowest counts, which that disturbs least. "None" is as many finished deliveries as fill a page of the log and its
counters, because an empty page is no page.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
TURNS = 5
READS = 5  # in each turn
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

Times = Mapping[str, float]  # milliseconds
Work = Callable[[], object]


def is_claim(statement: Statement) -> bool:
    return "SKIP LOCKED" in statement.text


def drain(destinations: Sequence[Destination]) -> tuple[Times, Sequence[Statement]]:
    """What a backlog took, and what the server was asked for it."""
    backlogs.make_backlog(destinations, count=BACKLOG)
    with statements() as seen:
        seconds = backlogs.work_off()
    assert not backlogs.is_waiting()
    claims = sum(statement.milliseconds for statement in seen if is_claim(statement))
    assert claims
    return {CLAIMS: claims, ALL: sum(each.milliseconds for each in seen), WHOLE: seconds * 1000}, seen


def readings(alice: User) -> dict[str, Work]:
    """Whoever looks: pages, and what a worker's watch has looked after every few seconds."""
    browser, api = Client(), ApiClient(alice).http
    browser.force_login(alice)
    pages = {
        name: partial((api if path.startswith("/api/") else browser).get, path)
        for name, path in PAGES.items()
    }
    return {**pages, **{f"the sweep `{path}`": import_string(path) for path in settings.SWEEPS}}


def milliseconds(work: Work) -> float:
    """The middle of some times."""
    times = []
    for _read in range(READS):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def plans_of(work: Work) -> Sequence[Statement]:
    with statements() as seen:
        answer = work()
    assert getattr(answer, "status_code", 200) == 200
    return seen


def test_growth(stages: list[Stage], alice: User, show: Show) -> None:
    reads, none, many = readings(alice), list[Times](), list[Times]()
    with fast_receiver() as receiver, second_tables() as exchange:
        destinations = backlogs.make_destinations([receiver.url] * 10)
        make_history(destinations, count=MANY)
        asked = {name: plans_of(read) for name, read in reads.items()}
        exchange()
        make_history(destinations, count=A_FULL_PAGE, given_up_every=2)
        for _turn in range(TURNS):
            for times in (none, many):
                worked_off, asked["the drain"] = drain(destinations)
                times.append({**worked_off, **{name: milliseconds(read) for name, read in reads.items()}})
                exchange()
    rows = [_row(name, *([turn[name] for turn in each] for each in (none, many))) for name in none[0]]
    show("Growth", ("ms", "none", f"{MANY:,} finished", "ratio", "target"), rows)
    show("Indexes in use", ("with a million finished deliveries", ""), list(_plans(asked)))


def _row(name: str, none: Sequence[float], many: Sequence[float]) -> tuple[str, ...]:
    before, after = min(none), min(many)
    return name, f"{before:.1f}", f"{after:.1f}", f"{after / before:.2f}", "≤ 1.20"


def _plans(asked: Mapping[str, Sequence[Statement]]) -> Iterator[tuple[str, str]]:
    """What the drain claims by, and every statement that reads all of a table that grows."""
    claims = filter(is_claim, asked["the drain"])
    yield "claims", ", ".join(sorted(set[str]().union(*(statement.indexes() for statement in claims))))
    for name, seen in asked.items():
        for text in {statement.text for statement in seen if statement.reads_whole(*TABLES)}:
            yield f"{name} reads a whole table", " ".join(text.split())[:300]
