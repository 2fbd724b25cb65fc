"""What is counted for Prometheus: attempts by code, deliveries by outcome, and how soon first attempts begin.

Beside it goes what `automations.hours` and `automations.rule_days` count, in the same statement.

One statement a group of outcomes, in the transaction that records them, so that counters and log agree whatever is
killed. Rows are taken in one order, so that two workers wait for each other and never deadlock.
"""

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, timedelta

from django.db import connection
from django.utils import timezone

from automations import hours, rule_days
from automations.verdicts import Outcome

ATTEMPTS = "attempts"  # by HTTP status, else by error code
OUTCOMES = "outcomes"  # delivered, failed, and pending for what waits for its retry
FIRST_ATTEMPT = "first_attempt"  # by the bucket's upper bound in seconds
FIRST_ATTEMPT_SUM = "first_attempt_sum"
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0, 3600.0)

_ADD = f"""
    WITH by_hour AS ({hours.ADD}), by_rule AS ({rule_days.ADD})
    INSERT INTO automations_tally AS tally (name, label, value)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::float8[])
    ON CONFLICT (name, label) DO UPDATE SET value = tally.value + excluded.value
"""  # noqa: S608  # a statement of ours


def count(outcomes: Sequence[Outcome], *, states: Iterable[tuple[int | None, str]] = ()) -> None:
    """Add a group of outcomes to the counters, inside the caller's transaction.

    `states` are the deliveries whose state changed with them: of each the rule, where it has one, and the new state.
    """
    sums: Counter[tuple[str, str]] = Counter()
    by_hour = json.dumps(hours.added_rows(outcomes))
    by_rule = json.dumps(rule_days.added_rows(states, day=timezone.now().astimezone(UTC).date()))
    for outcome in outcomes:
        sums[ATTEMPTS, str(outcome.exchange.status_code or outcome.exchange.error_code)] += 1
        sums[OUTCOMES, outcome.state.value] += 1
        if outcome.claimed.number == 1:
            _count_first(sums, outcome)
    rows = sorted(sums.items())
    names, labels = [name for (name, _label), _n in rows], [label for (_name, label), _n in rows]
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [by_hour, by_rule, names, labels, [float(n) for _key, n in rows]])


def _count_first(sums: Counter[tuple[str, str]], outcome: Outcome) -> None:
    """From when it came due: a rule's delay and its sending window are waited for on purpose."""
    started_at = outcome.finished_at - timedelta(milliseconds=outcome.exchange.duration_ms)
    seconds = max((started_at - outcome.claimed.due_at).total_seconds(), 0.0)
    place = bisect_left(BUCKETS, seconds)
    sums[FIRST_ATTEMPT, str(BUCKETS[place]) if place < len(BUCKETS) else "+Inf"] += 1
    sums[FIRST_ATTEMPT_SUM, ""] += seconds  # type: ignore[assignment]  # a Counter adds any number
