"""The drain: claims what is due, sends it, records what became of it, and waits for more.

One drain works per worker. It listens for commits, so that a request leaves milliseconds after the card was moved,
and knows when the next retry is due. Nothing it holds in memory matters: the table knows what is left to do.
"""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event
from zlib import crc32

import psycopg
from django.db import connection
from django.utils import timezone

from automations.claims import Claimed, claim, next_place
from automations.http import HttpDoor, Request
from automations.leases import HOLDER_LOCKS, free_dead_leases, new_holder
from automations.models import Delivery, Destination, WorkerHeartbeat
from automations.oauth import open_door
from automations.outcomes import record
from automations.requests import build_request, masked_headers
from automations.verdicts import Outcome, judge
from automations.waiting import AT_A_TIME, release_due
from automations.wake import DELIVERIES_CHANNEL, SLOT_LOCKS

MAX_IN_FLIGHT = 256
HAND_OVER = 1.0  # seconds before the end of a shift the next drain is sent for
SHIFT = timedelta(seconds=50)  # with an exchange of 30 s on top still below the task's time limit
ROUND = 2.0  # seconds between looks at dead leases, and between heartbeats
RECORD_WITHIN = 0.005  # seconds that outcomes wait for company before they are written in one transaction
RECORD_AT_MOST = 100


class Drain:
    """One shift of sending. `holder` is the name on its leases; `listener` the connection that keeps it alive."""

    def __init__(
        self, *, worker: str, listener: psycopg.Connection, door: HttpDoor, holder: int, stop: Event
    ) -> None:
        self._worker = worker
        self._listener = listener
        self._door = door
        self._holder = holder
        self._in_hand: dict[Hashable, tuple[Claimed, Destination, Request]] = {}
        self._ended: list[Outcome] = []
        self._first_ended_at = 0.0
        self._next_round_at = 0.0
        self._next_due_at: datetime | None = None
        self._look = True
        self._look_at_waiting = True
        self._stop = stop

    def work(self, *, until: float) -> None:
        """Send until `until` (monotonic) or told to stop; returns with what was in flight still there."""
        while not self._stop.is_set() and time.monotonic() < until:
            self._go_round()
            if self._look or self._is_due():
                self._claim()
            self._step(self._patience(until))

    def finish(self) -> None:
        """Claim nothing more; wait for what is in flight, which its own time limits end."""
        while self._in_hand:
            self._step(ROUND)
        self._record()

    def _go_round(self) -> None:
        if time.monotonic() < self._next_round_at:
            return
        self._next_round_at = time.monotonic() + ROUND
        now = timezone.now()
        WorkerHeartbeat.objects.update_or_create(name=self._worker, defaults={"beat_at": now})
        free_dead_leases(now=now)
        self._look_at_waiting = True
        self._look = True  # what was locked by somebody at the last look is told by no notification

    def _is_due(self) -> bool:
        return self._next_due_at is not None and timezone.now() >= self._next_due_at

    def _claim(self) -> None:
        places = MAX_IN_FLIGHT - len(self._in_hand)
        if places <= 0:
            return
        now = timezone.now()
        if self._look_at_waiting or self._is_due():
            self._look_at_waiting = release_due(now=now) == AT_A_TIME
        claimed = claim(places=places, sick_places=self._sick_places(), holder=self._holder, now=now)
        self._look = self._look_at_waiting
        self._next_due_at = min(filter(None, (next_due(after=now), next_place(now=now))), default=None)
        destinations = Destination.objects.in_bulk({row.destination_id for row in claimed})
        for row in claimed:
            self._start(row, destinations[row.destination_id])

    def _sick_places(self) -> int:
        """Destinations that fail, and may hang, never hold more than half of the places."""
        return max(0, MAX_IN_FLIGHT // 2 - sum(claimed.sick for claimed, *_rest in self._in_hand.values()))

    def _start(self, claimed: Claimed, destination: Destination) -> None:
        request = build_request(
            destination=destination,
            delivery_id=claimed.id,
            event=claimed.event,
            body=bytes(claimed.body),
            content_type=claimed.content_type,
            number=claimed.number,
            trigger=claimed.trigger,
            chain=claimed.chain,
            depth=claimed.depth,
            now=timezone.now(),
        )
        key = (claimed.id, claimed.number)
        self._in_hand[key] = (claimed, destination, request)
        self._door.start(key, request)

    def _step(self, patience: float) -> None:
        exchanges, ready = self._door.step(patience, also=[self._listener.fileno()])
        if ready:
            self._look = self._notified() or self._look
        for key, exchange in exchanges:
            claimed, destination, request = self._in_hand.pop(key)
            outcome = judge(
                claimed,
                exchange,
                destination=destination,
                request_headers=masked_headers(request, destination),
                now=timezone.now(),
            )
            if not self._ended:
                self._first_ended_at = time.monotonic()
            self._ended.append(outcome)
        if self._should_record():
            self._record()

    def _should_record(self) -> bool:
        waited = time.monotonic() - self._first_ended_at
        return not self._in_hand or len(self._ended) >= RECORD_AT_MOST or waited >= RECORD_WITHIN

    def _record(self) -> None:
        """Write the outcomes; they free places and may have left retries, so the next claim is not far."""
        if self._ended:
            record(self._ended)
            self._ended.clear()
            self._look = True

    def _notified(self) -> bool:
        return any(True for _notification in self._listener.notifies(timeout=0))

    def _patience(self, until: float) -> float:
        """How long nothing needs doing unless something happens."""
        now, moment = timezone.now(), time.monotonic()
        waits = [until - moment, self._next_round_at - moment]
        if self._ended:
            waits.append(self._first_ended_at + RECORD_WITHIN - moment)
        if self._look and len(self._in_hand) < MAX_IN_FLIGHT:
            waits.append(0)
        if self._next_due_at is not None:
            waits.append((self._next_due_at - now).total_seconds())
        return max(0.0, min(waits))


def next_due(*, after: datetime) -> datetime | None:
    """When the next delivery that is not due yet comes due."""
    rows = Delivery.objects.filter(state=Delivery.State.PENDING, leased_until__isnull=True, due_at__gt=after)
    return rows.order_by("due_at").values_list("due_at", flat=True).first()


def run_shift(
    *,
    worker: str,
    stop: Event,
    shift: timedelta = SHIFT,
    patience: timedelta = timedelta(0),
    hand_over: Callable[[], None] = lambda: None,
) -> bool:
    """Work one shift for `worker`; False where another drain does so and does not end within `patience`.

    Calls `hand_over` shortly before the end, to send for the next drain, which takes over with patience and without a
    gap. Returns after `shift`, or soon after `stop` is set, when what was in flight has been recorded.
    """
    with _listening() as listener:
        slot, holder = crc32(worker.encode()) >> 1, new_holder()
        if not _take(listener, SLOT_LOCKS, slot, patience=patience):
            return False
        _take(listener, HOLDER_LOCKS, holder)
        with open_door(max_in_flight=MAX_IN_FLIGHT) as door:
            drain = Drain(worker=worker, listener=listener, door=door, holder=holder, stop=stop)
            end = time.monotonic() + shift.total_seconds()
            drain.work(until=end - HAND_OVER)
            if not stop.is_set():
                hand_over()
            drain.work(until=end)
            # The next drain may begin while this one waits for its last answers.
            listener.execute("SELECT pg_advisory_unlock(%s, %s)", [SLOT_LOCKS, slot])
            drain.finish()
        return True


@contextmanager
def _listening() -> Iterator[psycopg.Connection]:
    """A connection of its own, outside any transaction: it hears commits and holds the drain's locks."""
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    with psycopg.connect(**parameters, autocommit=True) as listener:
        listener.execute(f"LISTEN {DELIVERIES_CHANNEL}")
        yield listener


def _take(
    listener: psycopg.Connection, lock_class: int, key: int, *, patience: timedelta = timedelta(0)
) -> bool:
    """Take an advisory lock for as long as the connection lives; False where it is not free within `patience`."""
    if not patience:
        row = listener.execute("SELECT pg_try_advisory_lock(%s, %s)", [lock_class, key]).fetchone()
        return bool(row and row[0])
    listener.execute("SELECT set_config('lock_timeout', %s, false)", [f"{patience.total_seconds():.3f}s"])
    try:
        listener.execute("SELECT pg_advisory_lock(%s, %s)", [lock_class, key])
    except psycopg.errors.LockNotAvailable:
        return False
    return True
