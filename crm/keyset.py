"""Where the next page of a long list begins: after a row, in the order of one column and then of the id."""

from typing import Any

from django.db.models import F, OrderBy, Q


def order_of(column: str, *, falling: bool) -> list[OrderBy]:
    """PostgreSQL takes an empty value for greater than any other, and so do `beyond` and this."""
    orders = [F(column), F("pk")]
    return [order.desc() if falling else order.asc() for order in orders]


def beyond(column: str, value: Any, pk: Any, *, falling: bool, nullable: bool) -> Q:
    """Rows that come after the one with this value and id."""
    further = "lt" if falling else "gt"
    later = Q(**{f"pk__{further}": pk})
    if column in ("id", "pk"):
        return later
    if value is None:
        alike = Q(**{f"{column}__isnull": True}) & later
        return alike | Q(**{f"{column}__isnull": False}) if falling else alike
    # Said twice, so that PostgreSQL can start in the index at the right place.
    rows = Q(**{f"{column}__{further}e": value}) & (Q(**{f"{column}__{further}": value}) | later)
    return rows | Q(**{f"{column}__isnull": True}) if nullable and not falling else rows
