"""From the commit of a move to the arrival of its request, on an idle system with a real worker.

Beside it, in the same run, a bare client that posts the same bytes to the same receiver without any database.
"""

import statistics
import sys
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
    capsys: pytest.CaptureFixture[str],
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

    rows = [f"Commit to receipt, idle, {MOVES} moves (ms)      p50     p99"]
    for name, row in (("Stagehook, worker process", ours), ("bare requests.Session loop", bare)):
        rows.append(f"  {name:<42}{statistics.median(row):7.1f} {row[int(len(row) * 0.99)]:7.1f}")
    rows.append(f"  ratio of the medians{'':<22}{statistics.median(ours) / statistics.median(bare):7.1f}")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(rows) + "\n")
