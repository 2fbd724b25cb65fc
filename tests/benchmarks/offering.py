"""A process that makes deliveries at a steady rate, as production does, and tells when each was committed.

Rows are written and the sender is woken as a matching rule does it. The change of the deal before that is left out,
because 200 of those a second would take the machine away from what is measured.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from uuid import uuid4

from django.db import transaction

from automations.models import Delivery, Destination, Event
from automations.wake import wake
from tests.benchmarks.backlogs import BODY
from tests.processes import PROJECT
from tests.workers import environment

_PROGRAM = f"import django; django.setup(); from {__name__} import main; main()"


def offer(destinations: Sequence[Destination], *, per_second: int, seconds: float) -> dict[str, float]:
    """Let it run; returns when each delivery was committed (Unix seconds), in that order."""
    order = {"destinations": [row.pk for row in destinations], "per_second": per_second, "seconds": seconds}
    command = [sys.executable, "-c", _PROGRAM, json.dumps(order)]
    done = subprocess.run(command, cwd=PROJECT, env=environment(), check=True, stdout=subprocess.PIPE)
    commits: dict[str, float] = json.loads(done.stdout)
    return commits


def main() -> None:
    order = json.loads(sys.argv[1])
    commits: dict[str, float] = {}
    started = time.monotonic()
    for number in range(round(order["per_second"] * order["seconds"])):
        time.sleep(max(0.0, started + number / order["per_second"] - time.monotonic()))
        destination_id = order["destinations"][number % len(order["destinations"])]
        _make(destination_id, deal_id=number + 1, commits=commits)
    sys.stdout.write(json.dumps(commits))


@transaction.atomic
def _make(destination_id: int, *, deal_id: int, commits: dict[str, float]) -> None:
    delivery = Delivery(
        event=Event.DEAL_STAGE_CHANGED,
        destination_id=destination_id,
        deal_id=deal_id,
        sequence=1,
        body=BODY,
        chain=uuid4(),
    )
    delivery.save(force_insert=True)
    transaction.on_commit(partial(_note, commits, delivery.pk))  # ahead of what `wake` does on commit
    wake()


def _note(commits: dict[str, float], delivery_id: str) -> None:
    commits[delivery_id] = time.time()
