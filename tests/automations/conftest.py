import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection

from automations.destinations import create_destination
from automations.drain import run_shift
from automations.models import Destination, Rule
from automations.rules import create_rule
from automations.wake import DELIVERIES_CHANNEL
from crm.models import Stage
from tests.crm.conftest import actor, alice, deal, pipeline, stages
from tests.receivers import Receiver

__all__ = ["actor", "alice", "deal", "pipeline", "stages"]


@pytest.fixture
def destination(db: None, receiver: Receiver) -> Destination:
    return create_destination(fields={"name": "ERP", "url": receiver.url, "retry_schedule": [0, 1, 1]})


@pytest.fixture
def rule(destination: Destination, stages: list[Stage]) -> Rule:
    """Sends to the ERP what enters the second stage."""
    return create_rule(fields={"name": "To the ERP", "stage": stages[1], "destination": destination})


@pytest.fixture
def sending(transactional_db: None) -> Iterator[Callable[..., None]]:
    """Starts a drain, in a thread of its own, that works until the test is over."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(worker: str = "test") -> None:
        def work() -> None:
            with contextlib.closing(connection):
                run_shift(worker=worker, stop=stop, shift=timedelta(minutes=2))

        threads.append(threading.Thread(target=work))
        threads[-1].start()

    yield start
    stop.set()
    with connection.cursor() as cursor:  # so that nobody waits for the end of a drain's patience
        cursor.execute(f"NOTIFY {DELIVERIES_CHANNEL}")
    for thread in threads:
        thread.join()
