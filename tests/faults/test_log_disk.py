"""The log cannot be written: lines are lost, and nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.faults.conftest import Offer, are_delivered, assert_nothing_lost
from tests.processes import PROJECT, eventually
from tests.receivers import Receiver
from tests.workers import Worker, environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

MANAGER = """
import sys
from pathlib import Path
from config.manager import supervise
directory = Path(sys.argv[1])
supervise({"chatty": f"yes | head -c 1000000; touch {directory}/wrote; exec sleep 600"}, directory=directory)
"""


@pytest.fixture(params=["full", "closed"])
def broken(request: pytest.FixtureRequest) -> Iterator[IO[bytes]]:
    """Where nothing can be written: a full disk, or a pipe that nobody reads."""
    if request.param == "full":
        with Path("/dev/full").open("wb") as device:
            yield device
    else:
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            yield pipe


def test_a_worker_goes_on_without_its_log(
    broken: IO[bytes], transactional_db: None, offer: Offer, receiver: Receiver
) -> None:
    receiver.answer(500, 200)
    worker = Worker({**environment(), "LOG_LEVEL": "DEBUG"}, stderr=broken)
    try:
        worker.wait_until_ready()
        offer(5)
        eventually(are_delivered(5), seconds=60)
        worker.members()[3].kill()
        offer(5)
        eventually(are_delivered(10), seconds=60)
    finally:
        worker.kill_group()
    assert_nothing_lost(receiver)


def test_the_process_manager_reads_on_when_it_cannot_print(broken: IO[bytes], tmp_path: Path) -> None:
    command = [sys.executable, "-c", MANAGER, str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=broken, stderr=broken) as manager:
        eventually((tmp_path / "wrote").exists, seconds=30)
        assert manager.poll() is None
        manager.terminate()
