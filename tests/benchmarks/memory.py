"""How much memory a worker took."""

from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.workers import Worker


@dataclass(frozen=True, slots=True)
class Memory:
    """In MB: the most that the largest process held at any time, and what all together hold now.

    The largest is the one that sends. Pages that processes share are counted once in the sum.
    """

    largest: int
    group: int

    def __str__(self) -> str:
        return f"{self.largest} MB"


def memory_of(worker: Worker) -> Memory:
    processes = [psutil.Process(worker.process.pid), *worker.members()]
    peaks = [_peak(Path(f"/proc/{process.pid}/status")) for process in processes]
    shares = [process.memory_full_info().pss for process in processes]
    return Memory(largest=max(peaks) // 1024, group=sum(shares) // 2**20)


def _peak(status: Path) -> int:
    """In KiB, since the process began."""
    return int(status.read_text().partition("VmHWM:")[2].split()[0])
