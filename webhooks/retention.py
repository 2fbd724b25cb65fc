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


def cut(*, now: datetime) -> int:
    """One sweep in short transactions; returns how many requests lost their bodies."""
    before, done = now - timedelta(days=settings.KEEP_BODIES_DAYS), 0
    for _turn in range(_BATCHES):
        with connection.cursor() as cursor:
            cursor.execute(_CUT_BODIES, {"before": before, "batch": BATCH})
            done += cursor.rowcount
            if cursor.rowcount < BATCH:
                break
    return done
