"""`python manage.py worker` as real processes on the test database, for tests that kill and starve them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import IO
from urllib.parse import quote

import psutil
import pytest
from django.db import connection
from django.utils import timezone

from automations.models import WorkerHeartbeat
from tests.processes import PROJECT, eventually

RECOVERY = 30.0  # seconds


class Worker:
    """A watch, and the processes that belong to it."""

    def __init__(self, environment: Mapping[str, str], *, stderr: IO[bytes] | int | None = None) -> None:
        command = [sys.executable, "manage.py", "worker"]
        self.process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, start_new_session=True, stderr=stderr
        )

    def wait_until_ready(self) -> None:
        eventually(lambda: len(self.members()) >= 7 and drain_beats() > 0, seconds=RECOVERY)

    def members(self) -> list[psutil.Process]:
        """The cluster's main process, its sentinel, then workers, monitor and pusher."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill_group(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def drain_beats() -> int:
    """How many drains have beaten of late."""
    fresh = timezone.now() - timedelta(seconds=3)
    return WorkerHeartbeat.objects.filter(beat_at__gt=fresh).count()


def url_of_test_database(*, host: str = "", port: int | str = "") -> str:
    """Its address, or that of the same database behind another host and port."""
    settings = connection.settings_dict
    host, port = quote(host or str(settings["HOST"]), safe=""), port or settings["PORT"] or ""
    return (
        f"postgresql://{settings['USER']}:{settings['PASSWORD']}@/{settings['NAME']}?host={host}&port={port}"
    )


def environment() -> dict[str, str]:
    """That of a real process on the test database."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": url_of_test_database(),
        "LOG_LEVEL": "ERROR",
    }


@pytest.fixture
def start_worker(transactional_db: None) -> Iterator[Callable[[], Worker]]:
    started: list[Worker] = []

    def start() -> Worker:
        started.append(Worker(environment()))
        started[-1].wait_until_ready()
        return started[-1]

    yield start
    for worker in started:
        if worker.process.poll() is None:
            worker.kill_group()
