"""From the commit of a move to the arrival of its request, on an idle system with a real worker.

Beside it, in the same run, a bare client that posts the same bytes to the same receiver without any database.
"""

import statistics
import time
from collections.abc import Callable
from datetime import datetime

import pytest
import requests
from django.utils import timezone

from automations.models import Rule
from crm import deals
from crm.actors import Actor
from crm.models import Stage
from tests.automations.conftest import actor, alice, destination, pipeline, rule, stages
from tests.benchmarks.conftest import Show
from tests.receivers import Receiver
from tests.workers import Worker

__all__ = ["actor", "alice", "destination", "pipeline", "rule", "stages"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

MOVES = 300
PAUSE = 0.05  # seconds between moves, so that the system is idle again


def milliseconds(starts: list[datetime], arrivals: list[datetime]) -> list[float]:
    return sorted((end - start).total_seconds() * 1000 for start, end in zip(starts, arrivals, strict=True))


def test_latency_from_commit_to_receipt(
    stages: list[Stage],
    actor: Actor,
    rule: Rule,
    receiver: Receiver,
    start_worker: Callable[[], Worker],
    show: Show,
) -> None:
    start_worker()
    made = [deals.create_deal(actor=actor, stage=stages[0], title=f"deal {n}") for n in range(MOVES)]
    commits = {}
    for deal in made:
        time.sleep(PAUSE)
        deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
        commits[deal.pk] = timezone.now()
    received = receiver.wait_for(MOVES)
    arrivals = {request.json()["data"]["deal"]["id"]: request.at for request in received}
    ours = milliseconds(list(commits.values()), [arrivals[pk] for pk in commits])

    body, starts = received[-1].body, []
    receiver.clear()
    with requests.Session() as session:
        for _ in range(MOVES):
            time.sleep(PAUSE)
            starts.append(timezone.now())
            session.post(receiver.url, data=body, timeout=5)
    bare = milliseconds(starts, [request.at for request in receiver.wait_for(MOVES)])

    figures = [(statistics.median(row), row[int(len(row) * 0.99)]) for row in (ours, bare)]
    ratios = [a / b for a, b in zip(*figures, strict=True)]
    rows = [
        ("Stagehook, from commit to receipt", *(f"{value:.1f}" for value in figures[0])),
        ("bare `requests.Session` loop", *(f"{value:.1f}" for value in figures[1])),
        ("ratio", *(f"{value:.1f}" for value in ratios)),
    ]
    show(f"Latency of an idle system, {MOVES} moves", ("ms", "p50", "p99"), rows)
