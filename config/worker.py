"""The watch over the task cluster: starts it, feeds it, and starts it anew when it is no longer well.

django-q2's cluster stands still for good, looking healthy, when an idle worker process is killed: that process dies
holding the lock of the queue. So we stand outside and look at three things: whether the cluster runs, whether each
process we saw in it is still there, and whether the drain's heartbeat is fresh. On the first that is not so, the
whole cluster is killed and started again; what it had in hand is free at once, because dead holders lose their leases.
"""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

import psutil
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django_q.brokers import get_broker
from django_q.tasks import async_task
from redis.exceptions import RedisError

from automations.models import WorkerHeartbeat
from automations.wake import queue_drain
from config.lifetime import die_with_parent

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds
SWEEP_EVERY = 5.0
SILENT_AFTER = 15.0  # seconds; a drain beats every 2 s
SILENT_AT_MOST = 120.0  # seconds that a cluster is given to begin, where it did not in less
LET_IT_FINISH = 35.0  # seconds that what is in flight may take after SIGTERM; a destination's limit is 30
_ENOUGH_QUEUED = 10  # sweeps that wait mean that the cluster is behind; more would only add to that


Answer = TypeVar("Answer")


class Pulse:
    """How long a heartbeat has stood still, by a clock that nobody sets.

    The beat itself is the time of day, which may step; we only ask whether it changed since we looked. The first look
    finds what the last cluster left, so it `has_beaten` from the first change after that.
    """

    def __init__(self, *, now: float) -> None:
        self.has_beaten = False
        self._has_looked = False
        self._beat: datetime | None = None
        self._changed_at = now

    def feel(self, beat: datetime | None, *, now: float) -> float:
        """The seconds since the beat changed, where `beat` is the newest and `now` is `time.monotonic()`."""
        if beat != self._beat:
            self._beat, self._changed_at = beat, now
            self.has_beaten = self._has_looked
        self._has_looked = True
        return now - self._changed_at

    def forgive(self, *, now: float) -> None:
        """Count anew: nobody could have known of a beat until now."""
        self._changed_at = now


class Watch:
    """One worker: a watch and the cluster it watches."""

    def __init__(self) -> None:
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._stopping = threading.Event()
        self._next_sweep_at = 0.0
        self._patience = SILENT_AFTER

    def run(self) -> None:
        """Keep a cluster alive until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_frame: self._stopping.set())
        self._start()
        while not self._stopping.wait(LOOK_EVERY):
            trouble = self._trouble()
            if trouble and self._must_wait():
                continue
            if trouble:
                logger.error("The task cluster is restarted: %s.", trouble)
                self._kill()
                self._start()
            else:
                self._feed()
        self._finish()
        _try(lambda: WorkerHeartbeat.objects.filter(name=self._name).delete())

    def _start(self) -> None:
        self._cluster = subprocess.Popen(
            [sys.executable, "manage.py", "qcluster"],
            cwd=settings.BASE_DIR,
            env={**os.environ, "WORKER_NAME": self._name},
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509  # no threads here
        )
        self._pulse = Pulse(now=time.monotonic())
        self._members: set[psutil.Process] = set()

    def _trouble(self) -> str:
        """What is wrong with the cluster, or "" when it is well."""
        if self._cluster.poll() is not None:
            return f"it ended with code {self._cluster.returncode}"
        present = self._present()
        gone = self._members - present
        self._members = present
        if gone:
            return f"process {min(process.pid for process in gone)} of it died"
        return self._silence()

    def _must_wait(self) -> bool:
        """Whether the cluster ended and a new one would at once, too: the queue that it works on is not there."""
        return self._cluster.poll() is not None and _try(lambda: get_broker().queue_size()) is None

    def _present(self) -> set[psutil.Process]:
        try:
            return set(psutil.Process(self._cluster.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return set()

    def _silence(self) -> str:
        beats = _try(
            lambda: list(WorkerHeartbeat.objects.filter(name=self._name).values_list("beat_at", flat=True))
        )
        if beats is None:
            self._pulse.forgive(now=time.monotonic())
            return ""
        quiet_for = self._pulse.feel(max(beats, default=None), now=time.monotonic())
        if self._pulse.has_beaten:
            self._patience = SILENT_AFTER
        if quiet_for <= self._patience:
            return ""
        if not self._pulse.has_beaten:
            # On a busy machine it may only need longer, and starting it again and again is what keeps machines busy.
            self._patience = min(2 * self._patience, SILENT_AT_MOST)
        return f"it was silent for {quiet_for:.0f} s"

    def _feed(self) -> None:
        """Queue a drain where this worker has none, and now and then the sweeps."""
        _try(lambda: queue_drain(worker=self._name))
        if time.monotonic() >= self._next_sweep_at:
            self._next_sweep_at = time.monotonic() + SWEEP_EVERY
            _try(_queue_sweeps)

    def _kill(self) -> None:
        processes = self._members | self._present()
        self._cluster.kill()
        self._cluster.wait()
        _kill_all(processes)
        _wait_for(processes, seconds=5)

    def _finish(self) -> None:
        """Let each process end what it is doing, the drain its exchanges; kill what takes too long."""
        processes = self._present()
        self._cluster.terminate()
        _kill_all(_wait_for(processes, seconds=LET_IT_FINISH))
        self._cluster.wait()


def _queue_sweeps() -> None:
    if get_broker().queue_size() < _ENOUGH_QUEUED:
        for sweep in settings.SWEEPS:
            async_task(sweep)


def _wait_for(processes: Iterable[psutil.Process], *, seconds: float) -> list[psutil.Process]:
    """Wait until the processes have ended and return those that have not.

    A zombie has ended: it waits for a parent that may be slow to take note, or never does so in a container.
    """
    deadline = time.monotonic() + seconds
    while (alive := [process for process in processes if _is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _kill_all(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _try(ask: Callable[[], Answer]) -> Answer | None:
    """The answer, or None while the database or Redis cannot be asked; the next look asks again."""
    try:
        return ask()
    except DatabaseError as error:
        logger.warning("The database did not answer: %s", error)
        connection.close()
    except RedisError as error:
        logger.warning("Redis did not answer: %s", error)
    return None
