"""Processes that do not outlive the one that started them, however that one ends.

As a program it becomes another: `python -m config.lifetime COMMAND [ARGUMENT …]`.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """A function that asks the kernel to send this process the signal when its parent ends.

    To be called here, or as a `preexec_fn` in the child. Only Linux can; elsewhere it does nothing, and the child
    of a killed parent lives on.
    """
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, int(death_signal))


if __name__ == "__main__":
    die_with_parent(signal.SIGTERM)()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  # no shell is wanted
