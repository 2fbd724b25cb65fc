"""Makes backlogs and lets a drain work them off, for the benchmarks of sending."""

import contextlib
import json
import threading
import time
from datetime import timedelta
from uuid import uuid4

from django.db import connection
from django.utils import timezone

from automations.destinations import create_destination
from automations.drain import run_shift
from automations.models import Attempt, Delivery, Destination, Event
from automations.wake import DELIVERIES_CHANNEL

BODY = json.dumps({"type": "deal.stage_changed", "data": {"deal": {"title": "x" * 800}}}).encode()


def make_destinations(url: str, *, count: int = 10, max_in_flight: int = 4) -> list[Destination]:
    fields = {"url": url, "max_in_flight": max_in_flight}
    return [create_destination(fields={"name": f"system {n}", **fields}) for n in range(count)]


def make_backlog(destinations: list[Destination], *, count: int) -> None:
    """`count` deliveries of as many deals, due since a moment ago, in turn to each destination."""
    Attempt.objects.all().delete()
    Delivery.objects.all().delete()
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
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE automations_delivery")


def work_off(*, within: float = 120) -> float:
    """Send all that is due with one drain in this thread; returns the seconds until the last is recorded."""
    stop, started = threading.Event(), time.monotonic()

    def watch() -> None:
        with contextlib.closing(connection):
            deadline = started + within
            while (
                Delivery.objects.filter(state=Delivery.State.PENDING).exists() and time.monotonic() < deadline
            ):
                time.sleep(0.05)
            stop.set()
            with connection.cursor() as cursor:  # so that nobody waits for the end of a drain's patience
                cursor.execute(f"NOTIFY {DELIVERIES_CHANNEL}")

    watcher = threading.Thread(target=watch)
    watcher.start()
    run_shift(worker="benchmark", stop=stop, shift=timedelta(seconds=within))
    watcher.join()
    return time.monotonic() - started
