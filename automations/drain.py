"""The drain: claims what is due, sends it, records what became of it, and waits for more.

One drain works per worker. It listens for commits, so that a request leaves milliseconds after the card was moved,
and knows when the next retry is due. Nothing it holds in memory matters: the table knows what is left to do.

One thread sends, one writes down what has ended and one looks for what is to be sent, so that none waits for another.
The sender alone decides; the other two run errands in the database for it.
"""

import gc
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import Event

import psycopg
from django.conf import settings
from django.db import connection
from django.utils import timezone

from automations.claims import Claimed, Wish, claim, give_back, next_due
from automations.database_thread import DatabaseThread
from automations.http import Exchange, HttpDoor, Request
from automations.lanes import STOCK_SECONDS, Blueprints, Lanes, key_of
from automations.leases import HOLDER_LOCKS, free_dead_leases, new_holder
from automations.models import WorkerHeartbeat
from automations.oauth import open_door
from automations.outcomes import record
from automations.requests import Blueprint, build_request, masked_headers
from automations.verdicts import Outcome, judge
from automations.waiting import AT_A_TIME, release_due
from automations.wake import DELIVERIES_CHANNEL, SLOT_LOCKS, slot_of

MAX_IN_FLIGHT = 256
MAX_IN_HAND = 1024  # with what waits for a place
AT_A_CLAIM = 400  # so that the first of them need not wait for too many
HAND_OVER = 1.0  # seconds before the end of a shift the next drain is sent for
SHIFT = timedelta(seconds=50)  # with an exchange of 30 s on top still below the task's time limit
ROUND = 2.0  # seconds between looks at dead leases, and between heartbeats
RECORD_WITHIN = 0.02  # seconds that outcomes wait for company, unless nothing else is on its way
RECORD_AT_ONCE = 250  # outcomes that need no more company
OBJECTS_BETWEEN_COLLECTIONS = 50_000


@dataclass(frozen=True, slots=True)
class Found:
    """What a look brought. `more_waiting` says that not all that waits for its time was looked at."""

    claimed: Sequence[tuple[Claimed, Blueprint]]
    next_due_at: datetime | None
    more_waiting: bool


class Drain:
    """One shift of sending. `holder` is the name on its leases; `listener` the connection that keeps it alive."""

    def __init__(
        self,
        *,
        worker: str,
        listener: psycopg.Connection,
        door: HttpDoor,
        recorder: DatabaseThread[bool],
        finder: DatabaseThread[Found],
        holder: int,
        stop: Event,
    ) -> None:
        self._worker = worker
        self._listener = listener
        self._door = door
        self._recorder = recorder
        self._finder = finder
        self._holder = holder
        self._lanes = Lanes()
        self._requests: dict[Hashable, tuple[Claimed, Blueprint, Request]] = {}
        self._blueprints = Blueprints()
        self._ended: list[Outcome] = []
        self._unsent: list[Claimed] = []
        self._first_ended_at = 0.0
        self._next_round_at = 0.0
        self._next_due_at: datetime | None = None
        self._look = True
        self._found_some = False
        self._more_waiting = True
        self._stop = stop

    def work(self, *, until: float) -> None:
        """Send until `until` (monotonic) or told to stop; returns with what is in flight still there."""
        while not self._stop.is_set() and time.monotonic() < until:
            self._hear()
            self._send()
            self._write()
            self._find()
            self._step(self._patience(until))

    def finish(self) -> None:
        """Claim nothing more; wait for what is in flight, which its own time limits end."""
        while True:
            self._hear()
            self._unsent += self._lanes.empty()
            self._write()
            if not (self._lanes.flying or self._recorder.is_busy or self._finder.is_busy):
                return
            self._step(ROUND)

    # ---- Towards the receivers ----

    def _send(self) -> None:
        moment = time.monotonic()
        for claimed, blueprint in self._lanes.leave(
            at_most=MAX_IN_FLIGHT - self._lanes.flying, moment=moment
        ):
            self._start(claimed, blueprint)
        self._unsent += self._lanes.late(moment=moment)

    def _start(self, claimed: Claimed, blueprint: Blueprint) -> None:
        request = build_request(blueprint, claimed, now=timezone.now())
        self._requests[key_of(claimed)] = (claimed, blueprint, request)
        self._door.start(key_of(claimed), request)

    def _step(self, patience: float) -> None:
        also = [self._listener.fileno(), self._recorder.fileno(), self._finder.fileno()]
        exchanges, ready = self._door.step(patience, also=also)
        if self._listener.fileno() in ready:
            self._look = self._notified() or self._look
        for key, exchange in exchanges:
            self._land(*self._requests.pop(key), exchange)

    def _land(self, claimed: Claimed, blueprint: Blueprint, request: Request, exchange: Exchange) -> None:
        moment = time.monotonic()
        self._unsent += self._lanes.land(claimed, succeeded=exchange.succeeded, moment=moment)
        if not self._ended:
            self._first_ended_at = moment
        self._ended.append(
            judge(
                claimed,
                exchange,
                destination=blueprint.destination,
                request_headers=masked_headers(request, blueprint),
                now=timezone.now(),
            )
        )

    def _notified(self) -> bool:
        return any(True for _notification in self._listener.notifies(timeout=0))

    # ---- Towards the database ----

    def _write(self) -> None:
        """Have outcomes recorded and claims undone, where there are any and the recorder is free."""
        if self._recorder.is_busy or not (self._unsent or self._should_record()):
            return
        self._recorder.submit(partial(self._record, self._ended, self._unsent))
        self._ended, self._unsent = [], []

    def _record(self, ended: Sequence[Outcome], unsent: Sequence[Claimed]) -> bool:
        """In the recorder's thread. True says that it is done."""
        if ended:
            record(ended)
        if unsent:
            give_back(unsent, holder=self._holder)
        return True

    def _should_record(self) -> bool:
        if not self._ended:
            return False
        waited = time.monotonic() - self._first_ended_at
        return not self._lanes.flying or len(self._ended) >= RECORD_AT_ONCE or waited >= RECORD_WITHIN

    def _find(self) -> None:
        """Have more deliveries claimed, where there may be any and the finder is free."""
        is_round = time.monotonic() >= self._next_round_at
        runs_low = self._found_some and self._lanes.run_low()
        if self._finder.is_busy or not (is_round or self._look or runs_low or self._is_due()):
            return
        looks_at_waiting = is_round or self._more_waiting or self._is_due()
        self._finder.submit(partial(self._look_round, self._wish(), is_round, looks_at_waiting))
        self._look = False
        if is_round:
            self._next_round_at = time.monotonic() + ROUND

    def _look_round(self, wish: Wish | None, is_round: bool, looks_at_waiting: bool) -> Found:
        """In the finder's thread. Rounds find what no notification tells of: what was locked at the look before."""
        now = timezone.now()
        if is_round:
            pulse = {"beat_at": now, "version": settings.VERSION}
            WorkerHeartbeat.objects.update_or_create(name=self._worker, defaults=pulse)
            free_dead_leases(now=now)
        more_waiting = looks_at_waiting and release_due(now=now) == AT_A_TIME
        claimed = claim(wish, holder=self._holder, now=now) if wish else []
        return Found(
            claimed=[(row, self._blueprints.of(row)) for row in claimed],
            next_due_at=next_due(after=now),
            more_waiting=more_waiting,
        )

    def _wish(self) -> Wish | None:
        places = MAX_IN_HAND - len(self._lanes) - len(self._ended)
        if places <= 0:
            return None
        moment = time.monotonic()
        return Wish(
            places=min(places, AT_A_CLAIM),
            # Destinations that fail or hang never hold more than half of the places.
            sick_places=max(0, MAX_IN_FLIGHT // 2 - self._lanes.sick),
            stocks=self._lanes.stocks(moment=moment),
            suspects=self._lanes.suspects(moment=moment),
        )

    def _is_due(self) -> bool:
        return self._next_due_at is not None and timezone.now() >= self._next_due_at

    def _hear(self) -> None:
        """Take what the other threads have brought. Recorded outcomes free places, and may have left retries."""
        self._look = bool(self._recorder.fetch()) or self._look
        found = self._finder.fetch()
        if found is None:
            return
        moment = time.monotonic()
        for claimed, blueprint in found.claimed:
            self._lanes.add(claimed, blueprint, moment=moment)
        self._found_some = bool(found.claimed)
        self._next_due_at = found.next_due_at
        self._more_waiting = found.more_waiting
        self._look = self._look or found.more_waiting

    def _patience(self, until: float) -> float:
        """How long nothing needs doing unless something happens."""
        moment = time.monotonic()
        waits = [until - moment]
        if self._lanes.waiting:
            waits.append(STOCK_SECONDS)
        if self._ended and not self._recorder.is_busy:
            waits.append(self._first_ended_at + RECORD_WITHIN - moment)
        if not self._finder.is_busy:
            waits.append(0 if self._look else self._next_round_at - moment)
            if self._next_due_at is not None:
                waits.append((self._next_due_at - timezone.now()).total_seconds())
        return max(0.0, min(waits))


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
        slot, holder = slot_of(worker), new_holder()
        if not _take(listener, SLOT_LOCKS, slot, patience=patience):
            return False
        _take(listener, HOLDER_LOCKS, holder)
        with (
            _few_collections(),
            open_door(max_in_flight=MAX_IN_FLIGHT) as door,
            DatabaseThread[bool]() as recorder,
            DatabaseThread[Found]() as finder,
        ):
            drain = Drain(
                worker=worker,
                listener=listener,
                door=door,
                recorder=recorder,
                finder=finder,
                holder=holder,
                stop=stop,
            )
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
def _few_collections() -> Iterator[None]:
    """Deliveries leave no circles behind, so looking for circles among them, by default after 700 objects, finds none.

    What was there before is not looked at at all until the end of the shift.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


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
