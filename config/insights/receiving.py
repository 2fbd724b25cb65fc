"""How endpoints fared lately: what share of the newest requests of each was refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.urls import reverse

from crm import formats
from webhooks.hours import totals
from webhooks.models import InboundEndpoint

WORST = 5
LATEST = 500  # requests of an endpoint that are looked at, so that a busy one costs no more than others

_REFUSED = """
    SELECT endpoint.id, endpoint.name, request.taken, request.refused
    FROM webhooks_inboundendpoint AS endpoint
    CROSS JOIN LATERAL (
        SELECT count(*) AS taken, count(*) FILTER (WHERE state IN ('rejected', 'failed')) AS refused
        FROM (
            SELECT state FROM webhooks_inboundrequest
            WHERE endpoint_id = endpoint.id AND received_at >= %(since)s
            ORDER BY received_at DESC, id DESC
            LIMIT %(latest)s
        ) AS latest
    ) AS request
    WHERE endpoint.deleted_at IS NULL AND request.refused > 0
    ORDER BY request.refused::float8 / request.taken DESC, endpoint.id
"""


@dataclass(frozen=True, slots=True)
class Share:
    """How many of the newest requests of an endpoint were refused; at least one."""

    endpoint_id: int
    name: str
    taken: int
    refused: int

    @property
    def url(self) -> str:
        return f"{reverse('inbound-requests')}?endpoint={self.endpoint_id}"


@dataclass(frozen=True, slots=True)
class Worst:
    """An endpoint that refused something, with how many requests it received."""

    name: str
    url: str
    taken: str
    refused: str


def refused_shares(*, since: datetime, latest: int = LATEST) -> list[Share]:
    """Of endpoints that refused anything, the worst first; each of them by its `latest` requests at most."""
    with connection.cursor() as cursor:
        cursor.execute(_REFUSED, {"since": since, "latest": latest})
        return [Share(*row) for row in cursor.fetchall()]


def worst_endpoints(*, since: datetime, now: datetime) -> Sequence[Worst]:
    """By the counters of their hours, the worst first."""
    refusing = {pk: total for pk, total in totals(since=since, now=now).items() if total.refused}
    worst = sorted(refusing, key=lambda pk: (-refusing[pk].refused / refusing[pk].taken, pk))[:WORST]
    names = InboundEndpoint.objects.in_bulk(worst)
    shares = [Share(pk, names[pk].name, refusing[pk].taken, refusing[pk].refused) for pk in worst]
    return [
        Worst(
            name=share.name,
            url=share.url,
            taken=formats.number(share.taken),
            refused=formats.percent(share.refused, of=share.taken),
        )
        for share in shares
    ]
