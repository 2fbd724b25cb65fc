"""Removing the bodies and headers of requests long done with; that they came, and what they did, stays."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

BATCH = 500
_BATCHES = 40  # in one sweep

_CUT_BODIES = """
    WITH old AS (
        SELECT id FROM webhooks_inboundrequest
        WHERE state <> 'received' AND body <> '' AND received_at < %(before)s
        ORDER BY received_at LIMIT %(batch)s
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE webhooks_inboundrequest AS request SET body = '', headers = '{}' FROM old WHERE request.id = old.id
"""


_CUT_EVENTS = """
    DELETE FROM webhooks_newestevent WHERE id IN (
        SELECT id FROM webhooks_newestevent WHERE occurred_at < %(before)s ORDER BY occurred_at LIMIT %(batch)s
    )
"""
KEEP_EVENTS = timedelta(days=180)  # an event that is older than the newest by so much does not come any more


def cut(*, now: datetime) -> int:
    """One sweep in short transactions; returns how many requests lost their bodies."""
    _in_batches(_CUT_EVENTS, before=now - KEEP_EVENTS)
    return _in_batches(_CUT_BODIES, before=now - timedelta(days=settings.KEEP_BODIES_DAYS))


def _in_batches(statement: str, *, before: datetime) -> int:
    done = 0
    for _turn in range(_BATCHES):
        with connection.cursor() as cursor:
            cursor.execute(statement, {"before": before, "batch": BATCH})
            done += cursor.rowcount
            if cursor.rowcount < BATCH:
                break
    return done
