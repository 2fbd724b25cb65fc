"""A time of day that steps when a test says so, for the test itself and for the worker processes it starts.

A test owns a `Clock`. Its worker processes run with `clock_settings` and follow the file the clock writes to. Only the
time of day steps: the monotonic clock, by which processes wait, goes on as it does when a machine's clock is set.
"""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import time_machine

LOOK_EVERY = 0.02  # seconds


class Clock:
    """Ahead of the machine's by `offset`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = timedelta(0)
        self._travel = time_machine.travel(datetime.now(UTC))

    def __enter__(self) -> Self:
        self._traveller = self._travel.start()
        self.step(timedelta(0))
        return self

    def __exit__(self, *_error: object) -> None:
        self._travel.stop()

    def step(self, by: timedelta) -> None:
        """Set the clock ahead or, where `by` is negative, back; workers notice within milliseconds."""
        self.offset += by
        written = self.path.with_suffix(".new")
        written.write_text(str(self.offset.total_seconds()))
        written.rename(self.path)
        self._traveller.move_to(_real_time() + self.offset)


def follow(path: Path) -> None:
    """From now on this process, and what it forks, has the time of day of the test's clock."""
    travel = time_machine.travel(datetime.now(UTC))
    traveller = travel.start()
    os.register_at_fork(after_in_child=lambda: _watch(path, traveller))
    _watch(path, traveller)


def _watch(path: Path, traveller: time_machine.Traveller) -> None:
    threading.Thread(target=_keep_up, args=(path, traveller), name="clock", daemon=True).start()


def _keep_up(path: Path, traveller: time_machine.Traveller) -> None:
    set_to = ""
    while True:
        if (offset := path.read_text()) != set_to:
            traveller.move_to(_real_time() + timedelta(seconds=float(offset)))
            set_to = offset
        time.sleep(LOOK_EVERY)


def _real_time() -> datetime:
    now: datetime = time_machine.escape_hatch.datetime.datetime.now(UTC)
    return now
