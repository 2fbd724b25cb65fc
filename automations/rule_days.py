"""How rules fare, day by day: how many of their deliveries were taken, and how many were given up.

Kept as counters, so that the page of all rules reads a row a day and looks through no deliveries.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Sum

from automations.models import Delivery, RuleDay

SHOWN = timedelta(days=30)

# To be part of the statement that counts for Prometheus, since both are written with each group of outcomes.
ADD = """
    INSERT INTO automations_ruleday AS tally (rule_id, day, delivered, failed)
    SELECT * FROM jsonb_to_recordset(%s) AS added(rule_id bigint, day date, delivered int, failed int)
    ON CONFLICT (rule_id, day) DO UPDATE SET
        delivered = tally.delivered + excluded.delivered, failed = tally.failed + excluded.failed
"""


def added_rows(states: Iterable[tuple[int | None, str]], *, day: date) -> list[dict[str, Any]]:
    """What deliveries that got a new state, each with its rule, add for ADD: in one order, as the other counters."""
    ended = Counter((rule, state) for rule, state in states if rule and state != Delivery.State.PENDING)
    return [
        {
            "rule_id": rule,
            "day": day.isoformat(),
            "delivered": ended[rule, Delivery.State.DELIVERED],
            "failed": ended[rule, Delivery.State.FAILED],
        }
        for rule in sorted({rule for rule, _state in ended})
    ]


def last_days(rules: Sequence[int], *, now: datetime) -> dict[int, tuple[int, int]]:
    """By rule how many deliveries were taken and how many given up in the last 30 days; none for one without any."""
    since = (now - SHOWN).astimezone(UTC).date()
    sums = RuleDay.objects.filter(rule__in=rules, day__gt=since).values_list("rule")
    return {
        rule: (delivered, failed)
        for rule, delivered, failed in sums.annotate(Sum("delivered"), Sum("failed")).order_by()
    }
