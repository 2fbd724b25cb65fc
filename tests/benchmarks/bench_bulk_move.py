"""1,000 deals moved in one request of the API, with one rule, through a real web server and a real worker.

Beside it, in the same run, the same move into a stage that no rule watches.
"""

import time
from collections.abc import Callable, Sequence

import pytest
import requests

from automations.rules import create_rule
from crm import deals
from crm.actors import Actor
from crm.models import Stage, User
from crm.tokens import create_token
from tests.automations.conftest import actor, alice, pipeline, stages
from tests.benchmarks import backlogs
from tests.benchmarks.conftest import Show
from tests.benchmarks.fast_receiver import FastReceiver, fast_receiver
from tests.benchmarks.web import web_server
from tests.workers import Worker

__all__ = ["actor", "alice", "pipeline", "stages"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

DEALS = 1_000


class Api:
    """A program of somebody else's, with a token."""

    def __init__(self, address: str, owner: User) -> None:
        _token, text = create_token(owner=owner, name="bulk", scopes=["read", "write"])
        self._address = address
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {text}"

    def move(self, deal_ids: Sequence[int], stage: Stage) -> float:
        """Move them in one request; returns the seconds until its answer."""
        started = time.monotonic()
        answer = self._session.post(
            f"{self._address}/api/v1/deals/bulk_move/",
            json={"deals": list(deal_ids), "stage": stage.pk},
            timeout=60,
        )
        assert answer.json() == {"moved": len(deal_ids)}
        return time.monotonic() - started


def last_arrival(receiver: FastReceiver, *, count: int) -> float:
    """When the last of `count` deliveries came (Unix seconds)."""
    arrivals: dict[str, float] = {}
    deadline = time.monotonic() + 60
    while len(arrivals) < count:
        assert time.monotonic() < deadline, f"{len(arrivals)} of {count} came"
        time.sleep(0.2)
        arrivals |= receiver.report().arrivals
    return max(arrivals.values())


def test_bulk_move(
    stages: list[Stage], alice: User, actor: Actor, start_worker: Callable[[], Worker], show: Show
) -> None:
    made = [deals.create_deal(actor=actor, stage=stages[0], title=f"deal {n}").pk for n in range(DEALS)]
    with fast_receiver() as receiver, web_server() as address:
        (destination,) = backlogs.make_destinations([receiver.url])
        create_rule(fields={"name": "To the ERP", "stage": stages[1], "destination": destination})
        start_worker()
        api = Api(address, alice)
        api.move(made[:1], stages[2])  # the first request finds nothing loaded
        api.move(made[:1], stages[0])
        without_rule = api.move(made, stages[2])
        request = api.move(made, stages[1])
        answered_at = time.time()
        rest = last_arrival(receiver, count=DEALS) - answered_at
    rows = [
        ("the request, no rule", f"{without_rule:.2f}", "1", ""),
        ("the request, one rule", f"{request:.2f}", f"{request / without_rule:.2f}", "< 3"),
        ("from its answer to the last of the receipts", f"{rest:.2f}", f"{rest / without_rule:.2f}", "< 3"),
    ]
    show(f"{DEALS:,} deals moved at once", ("", "seconds", "ratio", "target"), rows)
