"""The claim: which deliveries are sent next, and the evidence that their sending began.

One transaction chooses, leases, counts and writes the attempts. Each destination gives its oldest due rows, never more
than it has free places; a delivery of an ordered destination waits for that deal's earlier ones. A destination whose
row another drain has locked is passed over: that drain is claiming for it at this moment. Destinations are locked by a
statement of their own, so that what the next one sees includes all that others had claimed for them before.

A limit per second is kept in steps of a tenth of it: each step puts the moment of the next one off by what it took, and
a little more, so that no second holds more than the limit wherever it begins.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from psycopg.rows import class_row

from automations.leases import LEASE_MARGIN

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
    SELECT id, url, ordered, timeout_seconds, status = 'failing' AS probe, failures_in_row > 0 AS sick,
        least(
            CASE WHEN status = 'failing' THEN 1 ELSE max_in_flight END - (
                SELECT count(*) FROM automations_delivery AS flying
                WHERE flying.destination_id = destination.id AND flying.leased_until IS NOT NULL
            ),
            CASE WHEN rate_limit_per_second IS NOT NULL THEN greatest(rate_limit_per_second / 10, 1) END
        ) AS places
    FROM automations_destination AS destination
    WHERE id = ANY(%(open)s)
), ranked AS (
    SELECT due.id, due.due_at, destination.probe, destination.url, destination.timeout_seconds, destination.sick,
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
    RETURNING delivery.id, delivery.destination_id, delivery.event, delivery.chain, delivery.depth,
        delivery.body, delivery.content_type, delivery.attempts_made AS number, delivery.run_attempts,
        delivery.created_at,
        CASE WHEN run_attempts > 1 THEN 'retry' ELSE trigger END AS trigger, chosen.url, chosen.probe, chosen.sick
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
SELECT id, destination_id, event, chain, depth, body, content_type, number, run_attempts, trigger, created_at,
    probe, sick
FROM claimed
"""
_NEXT_PLACE = """
SELECT min(rate_free_at) FROM automations_destination AS destination
WHERE rate_limit_per_second IS NOT NULL AND rate_free_at > %(now)s AND status = 'active' AND deleted_at IS NULL
AND EXISTS (
    SELECT FROM automations_delivery AS waiting
    WHERE waiting.destination_id = destination.id AND waiting.state = 'pending'
    AND waiting.leased_until IS NULL AND NOT waiting.awaits_check AND waiting.due_at <= %(now)s
)
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """One delivery in hand. `number` counts all its attempts, `run_attempts` those since it started afresh.

    `probe` says that its destination is failing and this is the one delivery that may find it well again, `sick` that
    the last request to it failed.
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
    created_at: datetime
    content_type: str = "application/json"
    probe: bool = False
    sick: bool = False


@transaction.atomic
def claim(*, places: int, holder: int, now: datetime, sick_places: int | None = None) -> list[Claimed]:
    """Lease up to `places` due deliveries to `holder` and write down that an attempt of each began.

    At most `sick_places` of them, by default half, are for destinations whose last request failed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, {"now": now})
        # Whoever had these destinations before has committed, and the next statement sees what it took.
        destinations = [destination_id for (destination_id,) in cursor.fetchall()]
    if not destinations:
        return []
    with connection.connection.cursor(row_factory=class_row(Claimed)) as cursor:
        parameters = {
            "open": destinations,
            "places": places,
            "sick_places": places // 2 if sick_places is None else sick_places,
            "holder": holder,
            "now": now,
            "margin": LEASE_MARGIN,
        }
        claimed: list[Claimed] = cursor.execute(_CLAIM, parameters).fetchall()
        return claimed


def next_place(*, now: datetime) -> datetime | None:
    """When a destination with a limit per second, for which something is due, may be sent to again."""
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_PLACE, {"now": now})
        moment: datetime | None = cursor.fetchone()[0]
    return moment
