"""Removing what has grown old: bodies and headers after a month, whole deliveries and their counts after half a year.

Only what is finished is touched, in batches of a few hundred, each its own short transaction that passes over rows
somebody has locked; a sweep ends after a number of batches and the next one goes on. Bodies are found by the index
`delivery_with_a_body`, which holds exactly what is still to be cut, rows by their time-ordered primary key, so that a
sweep with nothing to do reads a page or two.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from automations.models import HourTally, RuleDay
from crm.ids import earliest_id

BATCH = 500
_BATCHES = 40  # in one sweep: 20,000 deliveries a minute are more than are made

_CUT_BODIES = """
    WITH old AS (
        SELECT id FROM automations_delivery
        WHERE state <> 'pending' AND body <> '' AND id < %(before)s
        ORDER BY id LIMIT %(batch)s
        FOR NO KEY UPDATE SKIP LOCKED
    ), attempts AS (
        UPDATE automations_attempt AS attempt
        SET response_body = '', request_headers = '[]', response_headers = '[]'
        FROM old WHERE attempt.delivery_id = old.id
    )
    UPDATE automations_delivery AS delivery SET body = '' FROM old WHERE delivery.id = old.id
"""
_CHOOSE_OLD = """
    SELECT id FROM automations_delivery WHERE state <> 'pending' AND id < %(before)s
    ORDER BY id LIMIT %(batch)s
    FOR UPDATE SKIP LOCKED
"""


def cut(*, now: datetime) -> tuple[int, int]:
    """One sweep; returns of how many deliveries the bodies went, and how many went themselves."""
    oldest = now - timedelta(days=settings.KEEP_DELIVERIES_DAYS)
    deleted = _in_batches(_delete, before=oldest)
    HourTally.objects.filter(hour__lt=oldest).delete()
    RuleDay.objects.filter(day__lt=oldest.date()).delete()
    emptied = _in_batches(_empty, before=now - timedelta(days=settings.KEEP_BODIES_DAYS))
    return emptied, deleted


def _in_batches(work: Callable[[str], int], *, before: datetime) -> int:
    done = 0
    for _turn in range(_BATCHES):
        count = work(earliest_id("msg", at=before))
        done += count
        if count < BATCH:
            break
    return done


@transaction.atomic
def _empty(before: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_CUT_BODIES, {"before": before, "batch": BATCH})
        emptied: int = cursor.rowcount
        return emptied


@transaction.atomic
def _delete(before: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_CHOOSE_OLD, {"before": before, "batch": BATCH})
        ids = [pk for (pk,) in cursor.fetchall()]
        cursor.execute("DELETE FROM automations_attempt WHERE delivery_id = ANY(%s)", [ids])
        cursor.execute("DELETE FROM automations_delivery WHERE id = ANY(%s)", [ids])
        return len(ids)
