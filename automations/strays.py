"""What a clock that ran ahead has left in the future, brought back once the clock is right again.

Waiting goes by the time of day, because it outlives every process. A delivery can wait no longer than twice its step of
the retry schedule, and one that was never tried does not wait at all; a limit per second puts off by a second at most.
What is to wait for longer was reckoned by a clock that was ahead. What waits for its rule's delay cannot be told from
that, and is late by as much as the clock was ahead.
"""

from datetime import datetime

from django.db import connection, transaction

from automations.heartbeats import CLOCKS_DIFFER
from automations.models import Destination
from automations.wake import wake

_AT_A_TIME = 500
_BRING_BACK = """
    UPDATE automations_delivery AS delivery SET due_at = %(now)s
    FROM (
        SELECT strayed.id FROM automations_destination AS destination
        CROSS JOIN LATERAL (
            SELECT id FROM automations_delivery AS waiting
            WHERE destination_id = destination.id AND state = 'pending' AND leased_until IS NULL
            AND NOT awaits_check AND due_at > %(soon)s
            AND due_at > %(soon)s + make_interval(secs => CASE
                WHEN run_attempts > 0 THEN 2 * coalesce(retry_schedule[run_attempts + 1], 0) ELSE 0
            END)
            LIMIT %(at_a_time)s
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS strayed
        LIMIT %(at_a_time)s
    ) AS strayed
    WHERE delivery.id = strayed.id
"""


def bring_back(*, now: datetime) -> int:
    """Have sent at once what waits for a moment that no clock but a wrong one could give; returns how many."""
    limited = Destination.objects.filter(rate_free_at__gt=now + CLOCKS_DIFFER)
    limited.update(rate_free_at=now)
    brought = 0
    while count := _bring_back_some(now=now):
        brought += count
    return brought


@transaction.atomic
def _bring_back_some(*, now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_BRING_BACK, {"now": now, "soon": now + CLOCKS_DIFFER, "at_a_time": _AT_A_TIME})
        count: int = cursor.rowcount
    if count:
        wake()
    return count
