"""Refuses events that come too late: what an endpoint tells of a thing is taken in the order in which it happened."""

from collections.abc import Iterator
from datetime import datetime

from django.db import connection

from crm.models import Deal
from webhooks.documents import Document

CONTENT = frozenset({"deal", "contact", "company", "activity", "call", "subscription"})

_NOTE = """
    INSERT INTO webhooks_newestevent (endpoint_id, thing, occurred_at) VALUES (%s, %s, %s)
    ON CONFLICT (endpoint_id, thing) DO UPDATE SET occurred_at = excluded.occurred_at
    WHERE webhooks_newestevent.occurred_at <= excluded.occurred_at
"""


def parts_by_thing(document: Document, deal: Deal | None) -> Iterator[tuple[frozenset[str], str]]:
    """The parts of a document with the thing whose other events they are compared with. A call is with none."""
    of_deal = CONTENT - {"call"}
    if external_id := document.get("subscription", {}).get("external_id"):
        of_deal -= {"subscription"}
        yield frozenset({"subscription"}), f"subscription:{external_id}"
    if deal is not None:
        yield of_deal, thing_of(deal)


def thing_of(deal: Deal) -> str:
    return f"deal:{deal.pk}"


def note_event(*, endpoint_id: int, thing: str, occurred_at: datetime) -> bool:
    """Keep that something of that time was applied. False where something newer was applied before.

    One statement, so that of two events at once the later one wins whichever comes first.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, [endpoint_id, thing, occurred_at])
        return bool(cursor.rowcount)
