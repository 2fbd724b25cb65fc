"""How many requests are in each state, counted when somebody looks and never by reading all of them."""

from django.db import connection

from webhooks.models import InboundRequest

COUNTED = 1000  # above it a tab says "1,000+", because counting a million rows is no page's business

_COUNT_STATE = """
    SELECT '{state}', count(*) FROM (
        SELECT FROM webhooks_inboundrequest WHERE state = '{state}' LIMIT %(most)s
    ) AS found
"""
_COUNT_STATES = "UNION ALL".join(_COUNT_STATE.format(state=state) for state in InboundRequest.State)


def counts_by_state() -> dict[str, int]:
    """As far as one more than COUNTED."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_STATES, {"most": COUNTED + 1})
        return dict(cursor.fetchall())
