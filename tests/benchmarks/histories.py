"""Makes years of finished deliveries in half a minute."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from automations.models import Destination
from tests.benchmarks.backlogs import take_stock

# Ids that sort by their time, as ours do; some were given up after an answer of 500.
_DELIVERIES = """
    INSERT INTO automations_delivery (
        id, event, destination_id, deal_id, deal_title, sequence, state, reason, trigger, body, content_type, chain,
        depth, attempts_made, run_attempts, due_at, awaits_check, status_code, error_code, created_at, delivered_at
    )
    SELECT
        'msg_' || lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || lpad(to_hex(number), 20, '0'),
        'deal.stage_changed', (%(destinations)s::bigint[])[1 + number %% cardinality(%(destinations)s::bigint[])],
        number %% 100000 + 1, 'deal ' || number, number / 100000 + 1,
        CASE WHEN given_up THEN 'failed' ELSE 'delivered' END, '', 'initial', %(body)s, 'application/json',
        gen_random_uuid(), 0, 1, 1, at, false, CASE WHEN given_up THEN 500 ELSE 200 END, '', at,
        CASE WHEN NOT given_up THEN at END
    FROM (
        SELECT number, %(since)s + number * %(step)s AS at, number %% %(given_up_every)s = 0 AS given_up
        FROM generate_series(1, %(count)s) AS number
    ) AS moment
"""
_ATTEMPTS = """
    INSERT INTO automations_attempt (
        delivery_id, number, trigger, url, started_at, finished_at, duration_ms, timings, resolved_ip, status_code,
        error_code, detail, request_headers, response_headers, response_body, truncated
    )
    SELECT id, 1, 'initial', 'https://erp.example.com/hook', due_at, due_at, 12, '{}', '192.0.2.1', status_code, '',
        '', '[]', '[]', 'ok', false
    FROM automations_delivery WHERE state <> 'pending'
"""
_BODY = b'{"type": "deal.stage_changed", "data": {}}'
PERIOD = timedelta(days=29)  # within the days that bodies are kept, so that nothing is to be cut

# Tables like ours, with all that belongs to them, where nobody looks. Keys that are not copied are made again.
_CLONE = """
    DROP SCHEMA IF EXISTS aside CASCADE;
    CREATE SCHEMA aside;
    CREATE TABLE aside.automations_delivery (LIKE public.automations_delivery INCLUDING ALL);
    CREATE TABLE aside.automations_attempt (LIKE public.automations_attempt INCLUDING ALL);
    SET LOCAL search_path = aside, public;
    DO $$ DECLARE foreign_key record; BEGIN
        FOR foreign_key IN
            SELECT relname, pg_get_constraintdef(pg_constraint.oid) AS definition
            FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
            WHERE contype = 'f'
            AND conrelid IN ('public.automations_delivery'::regclass, 'public.automations_attempt'::regclass)
        LOOP
            EXECUTE format(
                'ALTER TABLE aside.%I ADD %s',
                foreign_key.relname, replace(foreign_key.definition, 'public.', 'aside.')
            );
        END LOOP;
    END $$;
"""
_EXCHANGE = """
    CREATE SCHEMA meanwhile;
    ALTER TABLE public.automations_delivery SET SCHEMA meanwhile;
    ALTER TABLE public.automations_attempt SET SCHEMA meanwhile;
    ALTER TABLE aside.automations_delivery SET SCHEMA public;
    ALTER TABLE aside.automations_attempt SET SCHEMA public;
    ALTER TABLE meanwhile.automations_delivery SET SCHEMA aside;
    ALTER TABLE meanwhile.automations_attempt SET SCHEMA aside;
    DROP SCHEMA meanwhile;
"""


@contextlib.contextmanager
def second_tables() -> Iterator[Callable[[], None]]:
    """A second pair of tables of deliveries and attempts until the end of the block; call it to exchange them.

    So two histories can be measured in turn, and what else the machine does meanwhile falls on both.
    """
    exchanged = False

    def exchange() -> None:
        nonlocal exchanged
        exchanged = not exchanged
        _execute(_EXCHANGE)

    _execute(_CLONE)
    try:
        yield exchange
    finally:
        if exchanged:
            exchange()
        _execute("DROP SCHEMA aside CASCADE")


@transaction.atomic
def _execute(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements)


def make_history(destinations: Sequence[Destination], *, count: int, given_up_every: int = 50) -> None:
    """`count` finished deliveries with an attempt each, of the last 29 days, in the tables that are in use."""
    parameters: dict[str, Any] = {
        "destinations": [row.pk for row in destinations],
        "body": _BODY,
        "since": timezone.now() - PERIOD,
        "step": PERIOD / count,
        "count": count,
        "given_up_every": given_up_every,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_DELIVERIES, parameters)
        cursor.execute(_ATTEMPTS)
    take_stock()
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")  # now, so that it does not come in the middle
