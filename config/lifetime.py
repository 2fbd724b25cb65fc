"""Processes that do not outlive the one that started them."""

import ctypes
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent(signal: int) -> Callable[[], None]:
    """A `preexec_fn` that has the kernel send `signal` to the child when its parent ends, however it ends.

    Only Linux can; elsewhere it does nothing, and the child outlives a parent that was killed.
    """
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal)
