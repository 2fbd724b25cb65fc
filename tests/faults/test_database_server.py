"""A database server that dies and is started again under a running worker: each event arrives, as the same bytes."""

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from automations.models import Attempt
from config.embedded.server import ensure_running, is_up, socket_directory
from tests.faults.conftest import Offer, are_delivered, assert_nothing_lost, in_flight
from tests.processes import eventually
from tests.receivers import Receiver, Wire, slow, status
from tests.workers import Worker, url_of_test_database

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]


class Server:
    """A PostgreSQL of the test's own. It is the embedded one, which also runs where the tests are run by root."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def start(self) -> None:
        ensure_running(self.home, settings={"fsync": "off"})

    def kill(self) -> None:
        """End it at once, as `pg_ctl stop --mode=immediate` does: what was not committed is gone."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """End it in order, with the connections it has."""
        self._end(signal.SIGINT)

    def _end(self, number: signal.Signals) -> None:
        pid = int((self.home / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, number)
        eventually(lambda: not is_up(self.home))

    def settings(self) -> Mapping[str, object]:
        """Where it is, as Django has it."""
        host = str(socket_directory(self.home))
        return {"HOST": host, "PORT": "", "NAME": "postgres", "USER": "postgres", "PASSWORD": ""}


@pytest.fixture
def server(transactional_db: None) -> Iterator[Server]:
    """Our connection, and so the workers we start, are on a server that belongs to this test, with all tables."""
    ours = connection.settings_dict
    others = dict(ours)
    # Not under pytest's own directories: other users of the machine, which the server is to root, may not enter.
    with tempfile.TemporaryDirectory(prefix="stagehook-") as directory:
        server = Server(Path(directory) / "postgres")
        server.start()
        connection.close()
        ours.update(server.settings())
        try:
            call_command("migrate", verbosity=0)
            yield server
        finally:
            connection.close()
            ours.update(others)
            if is_up(server.home):
                server.stop()


def test_a_server_that_is_killed_and_started_again_while_events_are_due_loses_none(
    server: Server, start_worker: Callable[[], Worker], offer: Offer, receiver: Receiver
) -> None:
    receiver.answer(slow(0.2))
    worker = start_worker()
    for _ in range(2):
        offer(8)  # twice as many as are sent at a time
        eventually(in_flight, seconds=60)
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url_of_test_database())
        server.start()
        connection.close()
    eventually(are_delivered(16), seconds=60)
    assert_nothing_lost(receiver)
    assert worker.process.poll() is None


def test_what_was_answered_while_the_server_was_down_is_sent_again_with_the_same_id(
    server: Server, start_worker: Callable[[], Worker], offer: Offer, receiver: Receiver
) -> None:
    is_down, was_answered = threading.Event(), threading.Event()

    def answer_when_it_is_down(wire: Wire) -> None:
        is_down.wait(60)
        status(200)(wire)
        was_answered.set()

    receiver.answer(answer_when_it_is_down, 200)
    start_worker()
    offer(1)
    receiver.wait_for(1)
    server.kill()
    is_down.set()
    assert was_answered.wait(10)
    server.start()
    connection.close()
    eventually(are_delivered(1), seconds=60)
    receiver.wait_for(2)
    assert_nothing_lost(receiver)
    assert Attempt.objects.get(number=1).error_code == "interrupted"
