"""To whom an endpoint gives its new deals."""

from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet

from crm.models import Deal, User
from webhooks.handling import OWNERS
from webhooks.models import InboundEndpoint

_NEXT_TURN = (
    "UPDATE webhooks_inboundendpoint SET owner_turn = owner_turn + 1 WHERE id = %s RETURNING owner_turn"
)


def owner_of_new_deal(endpoint: InboundEndpoint, *, writing: Mapping[str, Any]) -> User | None:
    """Whose turn it is: always the endpoint's own owner, one after the other, or who has the fewest open deals.

    Where they take turns, whoever asks at the same moment waits for our transaction, so that no turn is given twice.
    """
    if writing["owner"] == "fixed":
        return endpoint.default_owner
    turn = _next_turn(endpoint)
    people = _people(writing[OWNERS])
    if writing["owner"] == "fewest_open":
        open_deals = Count("deals", filter=Q(deals__status=Deal.Status.OPEN))
        return people.annotate(open_deals=open_deals).order_by("open_deals", "pk").first()
    in_turn = list(people.order_by("pk"))
    return in_turn[(turn - 1) % len(in_turn)] if in_turn else None


def _next_turn(endpoint: InboundEndpoint) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_TURN, [endpoint.pk])
        return int(cursor.fetchone()[0])


def _people(ids: list[int]) -> QuerySet[User]:
    active = User.objects.filter(is_active=True)
    return active.filter(pk__in=ids) if ids else active.filter(role=User.Role.REP)
