"""How deliveries stand: how many there are in each state, and those of the last day by the hour they were made in.

Both are counted when somebody looks, because states change long after their hour, yet never by reading all rows. The
ids hold the time, so the index of the ids says how many there were in an hour, and the index of what is not delivered
how many of them are not. Of an hour at most `MOST` are counted, which bounds what a look costs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from automations.models import Delivery
from crm.ids import earliest_id

MOST = 20_000
_HOUR = timedelta(hours=1)
_OTHERS = [state.value for state in Delivery.State if state != Delivery.State.DELIVERED]

_COUNT = """
    WITH hour AS (
        SELECT * FROM unnest(%(starts)s::text[], %(ends)s::text[]) WITH ORDINALITY AS hour(start_id, end_id, place)
    )
    SELECT hour.place, 'all', counted.number FROM hour
    CROSS JOIN LATERAL (
        SELECT count(*) AS number FROM (
            SELECT FROM automations_delivery WHERE id >= start_id AND id < end_id LIMIT %(most)s
        ) AS found
    ) AS counted
    UNION ALL
    SELECT hour.place, state.name, counted.number FROM hour
    CROSS JOIN unnest(%(others)s::text[]) AS state(name)
    CROSS JOIN LATERAL (
        SELECT count(*) AS number FROM (
            SELECT FROM automations_delivery
            WHERE state <> 'delivered' AND state = state.name AND id >= start_id AND id < end_id LIMIT %(most)s
        ) AS found
    ) AS counted
"""
_COUNT_STATE = """
    SELECT '{state}', count(*) FROM (
        SELECT FROM automations_delivery WHERE state = '{state}' LIMIT %(most)s
    ) AS found
"""
_COUNT_STATES = "UNION ALL".join(_COUNT_STATE.format(state=state) for state in Delivery.State)


@dataclass(frozen=True, slots=True)
class Hour:
    """How many deliveries of the hour that began at `since` are in each state."""

    since: datetime
    counts: Mapping[str, int] = field(default_factory=dict)

    def count(self, *states: Delivery.State) -> int:
        return sum(self.counts.get(state, 0) for state in states)

    @property
    def is_whole(self) -> bool:
        """Whether all of its deliveries were counted."""
        return sum(self.counts.values()) < MOST


def counts_by_state(*, most: int) -> dict[str, int]:
    """How many deliveries are in each state, as far as `most`."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_STATES, {"most": most})
        return dict(cursor.fetchall())


def last_day(*, now: datetime) -> Sequence[Hour]:
    """The 24 hours that end with the present one."""
    present = now.replace(minute=0, second=0, microsecond=0)
    starts = [present - _HOUR * back for back in reversed(range(24))]
    parameters: dict[str, Any] = {
        "starts": [earliest_id("msg", at=start) for start in starts],
        "ends": [earliest_id("msg", at=start + _HOUR) for start in starts],
        "others": _OTHERS,
        "most": MOST,
    }
    counts: list[dict[str, int]] = [{} for _start in starts]
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, parameters)
        for place, state, number in cursor.fetchall():
            counts[place - 1][state] = number
    return [Hour(start, _with_delivered(found)) for start, found in zip(starts, counts, strict=True)]


def _with_delivered(found: Mapping[str, int]) -> dict[str, int]:
    others = {state: found[state] for state in _OTHERS}
    return {Delivery.State.DELIVERED.value: max(found["all"] - sum(others.values()), 0), **others}
