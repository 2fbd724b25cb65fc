"""The claim: which deliveries are sent next, and the evidence that their sending began.

One transaction chooses, leases, counts and writes the attempts. Each destination gives its oldest due rows, never more
than it has free places; a delivery of an ordered destination waits for that deal's earlier ones. A destination whose
row another drain has locked is passed over: that drain is claiming for it at this moment. Destinations are locked by a
statement of their own, so that what the next one sees includes all that others had claimed for them before.

One that answers gives more than it has places for, as a stock: the places are filled again the moment they fall free,
and one claim serves many. Nobody else may have anything of it in hand then, and the drain itself says which of its
leases hold a place: outcomes that wait to be recorded do not. One that has not answered lately gets few.

A limit per second is kept in steps of a tenth of it: each step puts the moment of the next one off by what it took, and
a little more, so that no second holds more than the limit wherever it begins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import psycopg
from django.db import connection, transaction
from psycopg.rows import class_row

from automations.leases import LEASE_MARGIN

UNPROVEN = 16  # places of a destination that has not answered lately, where its own are not fewer

_OPEN = """
SELECT id FROM automations_destination AS destination
WHERE (status = 'active' OR status = 'failing' AND probe_at <= %(now)s) AND deleted_at IS NULL
AND (rate_limit_per_second IS NULL OR rate_free_at IS NULL OR rate_free_at <= %(now)s)
AND EXISTS (
    SELECT FROM automations_delivery AS waiting
    WHERE waiting.destination_id = destination.id AND waiting.state = 'pending'
    AND waiting.leased_until IS NULL AND NOT waiting.awaits_check AND waiting.due_at <= %(now)s
)
FOR NO KEY UPDATE SKIP LOCKED
"""
_CLAIM = """
WITH open_destination AS MATERIALIZED (
    SELECT id, url, ordered, timeout_seconds, status = 'failing' AS probe,
        failures_in_row > 0 OR id = ANY(%(suspects)s) AS sick,
        destination.xmin::text AS version,
        least(
            CASE
                WHEN status = 'failing' THEN 1 - leased.number
                WHEN stock IS NULL THEN least(max_in_flight, %(unproven)s) - leased.number
                WHEN leased.by_others > 0 OR rate_limit_per_second IS NOT NULL THEN max_in_flight - leased.number
                ELSE max_in_flight + stock
            END,
            CASE WHEN rate_limit_per_second IS NOT NULL THEN greatest(rate_limit_per_second / 10, 1) END
        ) AS places
    FROM automations_destination AS destination
    LEFT JOIN unnest(%(answering)s::bigint[], %(stocks)s::int[]) AS answering(destination_id, stock)
        ON answering.destination_id = destination.id
    CROSS JOIN LATERAL (
        SELECT count(*) AS number, count(*) FILTER (WHERE leased_by <> %(holder)s) AS by_others
        FROM automations_delivery AS delivery
        WHERE delivery.destination_id = destination.id AND delivery.leased_until IS NOT NULL
    ) AS leased
    WHERE id = ANY(%(open)s)
), ranked AS (
    SELECT due.id, due.due_at, destination.probe, destination.url, destination.timeout_seconds, destination.sick,
        destination.version,
        row_number() OVER (PARTITION BY destination.sick ORDER BY due.due_at) AS place
    FROM open_destination AS destination
    CROSS JOIN LATERAL (
        SELECT id, due_at FROM automations_delivery AS delivery
        WHERE delivery.destination_id = destination.id AND delivery.state = 'pending'
        AND delivery.leased_until IS NULL AND NOT delivery.awaits_check AND delivery.due_at <= %(now)s
        AND NOT (destination.ordered AND EXISTS (
            SELECT FROM automations_delivery AS earlier
            WHERE earlier.destination_id = delivery.destination_id AND earlier.deal_id = delivery.deal_id
            AND earlier.state = 'pending' AND NOT earlier.awaits_check
            AND (earlier.sequence, earlier.id) < (delivery.sequence, delivery.id)
        ))
        ORDER BY due_at
        LIMIT greatest(destination.places, 0)
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS due
), chosen AS (
    SELECT * FROM ranked WHERE NOT sick OR place <= %(sick_places)s
    ORDER BY due_at
    LIMIT %(places)s
), claimed AS (
    UPDATE automations_delivery AS delivery
    SET leased_by = %(holder)s,
        leased_until = %(now)s + %(margin)s + make_interval(secs => chosen.timeout_seconds),
        attempts_made = attempts_made + 1,
        run_attempts = run_attempts + 1
    FROM chosen WHERE delivery.id = chosen.id
    RETURNING delivery.id, delivery.due_at, delivery.destination_id, delivery.event, delivery.chain, delivery.depth,
        delivery.body, delivery.content_type, delivery.attempts_made AS number, delivery.run_attempts,
        CASE
            WHEN run_attempts > 1 OR trigger = 'initial' AND attempts_made > 1 THEN 'retry' ELSE trigger
        END AS trigger,
        chosen.url, chosen.probe, chosen.sick, chosen.version
), begun AS (
    INSERT INTO automations_attempt (delivery_id, number, trigger, url, started_at, timings, resolved_ip,
        error_code, detail, request_headers, response_headers, response_body, truncated)
    SELECT id, number, trigger, url, %(now)s, '{}', '', '', '', '[]', '[]', '', false FROM claimed
), paced AS (
    UPDATE automations_destination
    SET rate_free_at = %(now)s + make_interval(
        secs => taken.number / (rate_limit_per_second - greatest(rate_limit_per_second / 10, 1) + 1)::float
    )
    FROM (SELECT destination_id, count(*) AS number FROM claimed GROUP BY destination_id) AS taken
    WHERE automations_destination.id = taken.destination_id AND rate_limit_per_second IS NOT NULL
)
SELECT id, destination_id, event, chain, depth, body, content_type, number, run_attempts, trigger, due_at,
    probe, sick, version
FROM claimed
ORDER BY due_at
"""
_GIVE_BACK = """
WITH unsent AS (
    SELECT * FROM unnest(%(ids)s::text[], %(numbers)s::int[]) AS unsent(id, number)
), undone AS (
    DELETE FROM automations_attempt AS attempt USING unsent
    WHERE attempt.delivery_id = unsent.id AND attempt.number = unsent.number AND attempt.finished_at IS NULL
)
UPDATE automations_delivery AS delivery
SET leased_until = NULL, leased_by = NULL, attempts_made = attempts_made - 1, run_attempts = run_attempts - 1
FROM unsent
WHERE delivery.id = unsent.id AND delivery.attempts_made = unsent.number AND delivery.leased_by = %(holder)s
"""
_NEXT_DUE = """
SELECT least((
    SELECT min(due_at) FROM automations_delivery
    WHERE state = 'pending' AND leased_until IS NULL AND due_at > %(now)s
), (
    SELECT min(rate_free_at) FROM automations_destination AS destination
    WHERE rate_limit_per_second IS NOT NULL AND rate_free_at > %(now)s AND status = 'active' AND deleted_at IS NULL
    AND EXISTS (
        SELECT FROM automations_delivery AS waiting
        WHERE waiting.destination_id = destination.id AND waiting.state = 'pending'
        AND waiting.leased_until IS NULL AND NOT waiting.awaits_check AND waiting.due_at <= %(now)s
    )
))
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """One delivery in hand. `number` counts all its attempts, `run_attempts` those since it started afresh.

    `probe` says that its destination is failing and this is the one delivery that may find it well again, `sick` that
    the last request to it failed or is long on its way, `version` names the state its destination was in.
    """

    id: str
    destination_id: int
    event: str
    chain: UUID
    depth: int
    body: bytes
    number: int
    run_attempts: int
    trigger: str
    due_at: datetime
    content_type: str = "application/json"
    probe: bool = False
    sick: bool = False
    version: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """How much a drain can take: `places` deliveries, `sick_places` of them for destinations that are sick.

    A destination is sick when its last request failed or it is among the `suspects`. `stocks` says of those that
    answer how many deliveries more than they have places for the drain would like to have, less what it has in hand.
    """

    places: int
    sick_places: int
    stocks: Mapping[int, int] = field(default_factory=dict)
    suspects: Sequence[int] = ()


@transaction.atomic
def claim(wish: Wish, *, holder: int, now: datetime) -> list[Claimed]:
    """Lease due deliveries to `holder`, oldest first, and write down that an attempt of each began."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, {"now": now})
        # Whoever had these destinations before has committed, and the next statement sees what it took.
        destinations = [destination_id for (destination_id,) in cursor.fetchall()]
    if not destinations:
        return []
    # Bodies and moments come in binary, which Django's own cursors cannot read: that is half of the work.
    with psycopg.Cursor(connection.connection, row_factory=class_row(Claimed)) as cursor:
        parameters = {
            "open": destinations,
            "places": wish.places,
            "sick_places": wish.sick_places,
            "answering": list(wish.stocks.keys()),
            "stocks": list(wish.stocks.values()),
            "suspects": list(wish.suspects),
            "unproven": UNPROVEN,
            "holder": holder,
            "now": now,
            "margin": LEASE_MARGIN,
        }
        return cursor.execute(_CLAIM, parameters, binary=True).fetchall()


@transaction.atomic
def give_back(unsent: Sequence[Claimed], *, holder: int) -> None:
    """Undo the claim of deliveries that were not begun to be sent, as though it had never been."""
    with connection.cursor() as cursor:
        ids, numbers = [row.id for row in unsent], [row.number for row in unsent]
        cursor.execute(_GIVE_BACK, {"ids": ids, "numbers": numbers, "holder": holder})


def next_due(*, after: datetime) -> datetime | None:
    """When the next delivery comes due, or a destination with a limit per second may be sent more of what is due."""
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_DUE, {"now": after})
        moment: datetime | None = cursor.fetchone()[0]
    return moment
