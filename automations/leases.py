"""Who has which deliveries in hand.

A drain takes an advisory lock named after itself for as long as its connection lives, and writes that name on what
it claims. When the process dies, PostgreSQL lets go of the lock, and whoever looks next sees that the holder is gone:
its deliveries are free again within seconds, not when their leases run out.
"""

import secrets
from datetime import datetime, timedelta

from django.db import connection, transaction

from automations.models import Attempt, Delivery

HOLDER_LOCKS = 0x5348  # the class of advisory locks that say "this holder of leases is alive"
LEASE_MARGIN = timedelta(seconds=15)  # on top of the time limit of the whole exchange

_LIVE_HOLDERS = """
    SELECT objid::bigint FROM pg_locks
    WHERE locktype = 'advisory' AND classid = %s AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def new_holder() -> int:
    """A name for a holder of leases: a positive number of 31 bits."""
    return secrets.randbelow(2**31 - 1) + 1


@transaction.atomic
def free_dead_leases(*, now: datetime) -> int:
    """Take back what dead or overdue holders had in hand and return how many that were.

    Their unfinished attempts are closed as interrupted: the request may or may not have arrived.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE automations_delivery SET leased_until = NULL, leased_by = NULL
            WHERE leased_until IS NOT NULL
            AND (leased_until < %s OR leased_by NOT IN ({_LIVE_HOLDERS}))
            RETURNING id
            """,  # noqa: S608  # a constant of this module
            [now, HOLDER_LOCKS],
        )
        freed = [delivery_id for (delivery_id,) in cursor.fetchall()]
    if freed:
        unfinished = Attempt.objects.filter(delivery__in=freed, finished_at__isnull=True)
        unfinished.update(finished_at=now, error_code="interrupted")
    return len(freed)


def oldest_due(*, now: datetime) -> datetime | None:
    """When the delivery that has been waiting longest came due; None when nothing is due."""
    rows = Delivery.objects.filter(state=Delivery.State.PENDING, leased_until__isnull=True, due_at__lte=now)
    rows = rows.filter(destination__status="active")
    return rows.order_by("due_at").values_list("due_at", flat=True).first()
