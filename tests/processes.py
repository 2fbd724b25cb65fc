"""For tests of real processes: waiting for what they do, with a deadline."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

PROJECT = Path(__file__).resolve().parent.parent

Result = TypeVar("Result")


def eventually(probe: Callable[[], Result], *, seconds: float = 20) -> Result:
    """The probe's first true result; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (result := probe()):
        assert time.monotonic() < deadline, f"still {result!r} after {seconds} s"
        time.sleep(0.02)
    return result
