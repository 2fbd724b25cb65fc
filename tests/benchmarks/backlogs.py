"""Makes backlogs and lets a drain work them off, for the benchmarks of sending."""

import json
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

import psycopg
from django.db import connection
from django.db.models import Count, Max, Min
from django.utils import timezone

from automations.destinations import create_destination
from automations.drain import run_shift
from automations.models import Attempt, Delivery, Destination, Event
from automations.wake import DELIVERIES_CHANNEL
from tests.processes import eventually

_WAITING = "SELECT 1 FROM automations_delivery WHERE state = 'pending' LIMIT 1"
BODY = json.dumps({"type": "deal.stage_changed", "data": {"deal": {"title": "x" * 800}}}).encode()


def make_destinations(
    urls: Sequence[str], *, max_in_flight: int = 4, timeout_seconds: int = 10
) -> list[Destination]:
    fields = {"max_in_flight": max_in_flight, "timeout_seconds": timeout_seconds}
    return [
        create_destination(fields={"name": f"system {n}", "url": url, **fields}) for n, url in enumerate(urls)
    ]


def make_backlog(destinations: Sequence[Destination], *, count: int) -> None:
    """`count` deliveries of as many deals, due since a moment ago, in turn to each destination."""
    past = timezone.now() - timedelta(minutes=1)
    Delivery.objects.bulk_create(
        (
            Delivery(
                event=Event.DEAL_STAGE_CHANGED,
                destination=destinations[number % len(destinations)],
                deal_id=number + 1,
                sequence=1,
                body=BODY,
                chain=uuid4(),
                due_at=past + timedelta(milliseconds=number),
            )
            for number in range(count)
        ),
        batch_size=1000,
    )
    take_stock()


def forget_deliveries() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE automations_attempt, automations_delivery")


def take_stock() -> None:
    """As the server does by itself after a while; done now, so that it does not begin in the middle."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) automations_attempt, automations_delivery, automations_destination")


def work_off(*, within: float = 120) -> float:
    """Send all that is due with one drain in this thread; returns the seconds that it took, within 10 ms."""
    stop, started = threading.Event(), time.monotonic()
    ended = started

    def watch() -> None:
        nonlocal ended
        with _connect() as own:  # which nobody counts
            while own.execute(_WAITING).fetchone() and time.monotonic() < started + within:
                time.sleep(0.01)
            ended = time.monotonic()
            stop.set()
            own.execute(
                f"NOTIFY {DELIVERIES_CHANNEL}"
            )  # so that nobody waits for the end of a drain's patience

    watcher = threading.Thread(target=watch)
    watcher.start()
    run_shift(worker="benchmark", stop=stop, shift=timedelta(seconds=within))
    watcher.join()
    return ended - started


def _connect() -> psycopg.Connection:
    """A connection that asks an index whether anything waits; to read the table for it costs a tenth of a drain."""
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    own = psycopg.connect(**parameters, autocommit=True)
    own.execute("SET enable_seqscan = off")
    return own


def await_end(*, within: float = 120) -> None:
    """Until whoever sends has sent all."""
    with _connect() as own:
        eventually(lambda: not own.execute(_WAITING).fetchone(), seconds=within)


def is_waiting() -> bool:
    return Delivery.objects.filter(state=Delivery.State.PENDING).exists()


def rate(*, count: int) -> float:
    """Deliveries per second, from the start of the first attempt to the end of the last; all were delivered."""
    assert Delivery.objects.filter(state=Delivery.State.DELIVERED).count() == count
    attempts = Attempt.objects.order_by().filter(status_code=200)
    figures = attempts.aggregate(count=Count("pk"), first=Min("started_at"), last=Max("finished_at"))
    assert figures["count"] == count
    seconds: float = (figures["last"] - figures["first"]).total_seconds()
    return count / seconds
