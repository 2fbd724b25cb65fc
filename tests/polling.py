"""Waiting for something to become true, with a deadline instead of a sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def until(look: Callable[[], Found | None], *, within: float = 5.0) -> Found:
    """What `look` finds, as soon as it finds something true; fails when it does not in time."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"not so within {within} s"
        time.sleep(0.01)
    return found
