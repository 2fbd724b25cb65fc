"""The process manager restarts what dies and leaves nothing behind."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import psutil
import pytest

from tests.processes import PROJECT, eventually

MANAGER = """
import sys
from pathlib import Path
from config.manager import supervise
supervise({"one": "echo started as $$; exec sleep 600", "two": "sleep 600 & wait"}, directory=Path(sys.argv[1]))
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Popen[str]]:
    command = [sys.executable, "-c", MANAGER, str(tmp_path)]
    with Popen(command, cwd=PROJECT, stdout=PIPE, text=True, start_new_session=True) as process:
        yield process
        process.kill()


def started_as(manager: Popen[str]) -> int:
    """The process id that the first process printed last."""
    assert manager.stdout
    lines = iter(manager.stdout.readline, "")
    return int(next(line.rpartition(" ")[2] for line in lines if line.startswith("     one | started as ")))


def all_below(manager: Popen[str]) -> list[psutil.Process]:
    """The processes of both commands, once they are there."""
    root = psutil.Process(manager.pid)
    return eventually(lambda: below if len(below := root.children(recursive=True)) == 3 else [])


def are_gone(processes: list[psutil.Process]) -> bool:
    return all(not process.is_running() or process.status() == psutil.STATUS_ZOMBIE for process in processes)


def test_a_killed_process_is_restarted(manager: Popen[str]) -> None:
    killed = started_as(manager)

    os.kill(killed, signal.SIGKILL)

    assert started_as(manager) != killed


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT])
def test_the_manager_ends_all_its_processes_when_it_is_told_to_end(
    manager: Popen[str], order: signal.Signals
) -> None:
    started_as(manager)
    processes = all_below(manager)

    manager.send_signal(order)

    assert manager.wait(timeout=20) == 0
    assert are_gone(processes)


def test_a_killed_manager_takes_its_processes_with_it(manager: Popen[str]) -> None:
    first = psutil.Process(started_as(manager))

    manager.kill()

    eventually(lambda: are_gone([first]))
