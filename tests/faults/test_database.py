"""A database that ends connections, or is away: each event arrives, and each time as the same bytes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from tests.faults.conftest import Offer, are_delivered, assert_nothing_lost, in_flight
from tests.processes import eventually
from tests.receivers import Receiver, slow
from tests.workers import Worker, url_of_test_database

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]


def end_connections() -> int:
    """End all connections to the test database save our own, and return how many those were."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """
        )
        return int(cursor.fetchone()[0])


@contextmanager
def database_away() -> Iterator[None]:
    """The test database takes no new connections and keeps none but our own."""
    name = connection.settings_dict["NAME"]
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    elsewhere = url_of_test_database().replace(f"/{name}?", "/postgres?")
    with psycopg.connect(elsewhere, autocommit=True) as server:
        server.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        try:
            end_connections()
            yield
        finally:
            server.execute(allow.format(sql.Identifier(name), sql.SQL("true")))


def test_connections_that_end_again_and_again_while_events_are_offered_lose_no_event(
    start_worker: Callable[[], Worker], offer: Offer, receiver: Receiver
) -> None:
    receiver.answer(slow(0.05))
    start_worker()
    for _ in range(5):
        offer(3)
        eventually(in_flight)
        eventually(end_connections)
    eventually(are_delivered(15), seconds=60)
    assert_nothing_lost(receiver)


def test_what_was_answered_while_the_database_was_away_is_sent_again(
    start_worker: Callable[[], Worker], offer: Offer, receiver: Receiver
) -> None:
    receiver.answer(slow(0.5), 200)
    start_worker()
    offer(1)
    receiver.wait_for(1)
    assert end_connections()
    eventually(are_delivered(1), seconds=60)
    receiver.wait_for(2)
    assert_nothing_lost(receiver)


def test_a_worker_goes_on_by_itself_after_the_database_was_away(
    start_worker: Callable[[], Worker], offer: Offer, receiver: Receiver
) -> None:
    receiver.answer(slow(0.5), 200)
    worker = start_worker()
    offer(3)
    eventually(in_flight)
    with database_away():
        offer(3)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url_of_test_database())
        time.sleep(4)  # long enough for each process to have asked in vain
    eventually(are_delivered(6), seconds=60)
    assert_nothing_lost(receiver)
    assert worker.process.poll() is None
