"""Connections to the database that end at any moment: each event arrives, and each time as the same bytes."""

from collections.abc import Callable

import pytest
from django.db import connection

from automations.models import Delivery
from tests.faults.conftest import Offer, are_delivered, assert_nothing_lost
from tests.processes import eventually
from tests.receivers import Receiver, slow
from tests.workers import Worker

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


def in_flight() -> bool:
    return Delivery.objects.filter(leased_until__isnull=False).exists()


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
