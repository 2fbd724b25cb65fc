"""How endpoints fared, hour by hour, in counters that are kept once an hour is over.

We count when an hour is over and not with each request, because requests that come at the same time would wait for each
other at their endpoint's counter, and because what becomes of a request may change long after it came: who changes it
has its hour counted anew. What is not over yet is counted from the log.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Q
from django.db.models.functions import TruncHour

from webhooks.models import EndpointHour, InboundEndpoint, InboundRequest

State = InboundRequest.State
HOUR = timedelta(hours=1)
SLACK = timedelta(minutes=5)  # after an hour, until all that came in it is certainly stored
KEPT = timedelta(days=35)
_LOCK = 0x696E686F  # of advisory locks, beside an endpoint's id: "inho"

_APPLIED, _REFUSED = Q(state=State.APPLIED), Q(state__in=(State.REJECTED, State.FAILED))

_KEEP = """
    INSERT INTO webhooks_endpointhour (endpoint_id, hour, applied, refused, others)
    SELECT %(endpoint)s, hours.hour,
        count(*) FILTER (WHERE request.state = 'applied'),
        count(*) FILTER (WHERE request.state IN ('rejected', 'failed')),
        count(*) FILTER (WHERE request.state NOT IN ('applied', 'rejected', 'failed'))
    FROM unnest(%(hours)s::timestamptz[]) AS hours(hour)
    LEFT JOIN webhooks_inboundrequest AS request ON request.endpoint_id = %(endpoint)s
        AND request.received_at >= hours.hour AND request.received_at < hours.hour + interval '1 hour'
    GROUP BY hours.hour
    ON CONFLICT (endpoint_id, hour) DO NOTHING
"""


@dataclass(slots=True)
class Hour:
    """What came in the hour from `since` on: `refused` was rejected or given up, `others` is all that is neither."""

    since: datetime
    applied: int = 0
    refused: int = 0
    others: int = 0

    @property
    def taken(self) -> int:
        return self.applied + self.refused + self.others


def last_day(*, endpoint_ids: Collection[int], now: datetime) -> dict[int, list[Hour]]:
    """The 24 hours that end with the present one, of each of these endpoints."""
    hours = [_hour_of(now) - HOUR * back for back in reversed(range(24))]
    keep_hours(endpoint_ids=endpoint_ids, since=hours[0], now=now)
    found: dict[int, dict[datetime, Hour]] = {pk: {hour: Hour(hour) for hour in hours} for pk in endpoint_ids}
    open_since = _open_since(now)
    kept = EndpointHour.objects.filter(endpoint__in=endpoint_ids, hour__gte=hours[0], hour__lt=open_since)
    for pk, hour, *counts in [*kept.values_list(*_COLUMNS), *_counted(endpoint_ids, since=open_since)]:
        found[pk][hour] = Hour(hour, *counts)
    return {pk: list(by_hour.values()) for pk, by_hour in found.items()}


def totals(*, since: datetime, now: datetime) -> dict[int, Hour]:
    """Of each endpoint that received anything, all since the hour that `since` lies in."""
    first, open_since = _hour_of(since), _open_since(now)
    present = list(InboundEndpoint.objects.present().values_list("pk", flat=True))
    keep_hours(endpoint_ids=present, since=max(first, open_since - HOUR * 23), now=now)
    kept = EndpointHour.objects.filter(endpoint__in=present, hour__gte=first, hour__lt=open_since)
    sums: dict[int, Hour] = {}
    for pk, _hour, applied, refused, others in [
        *kept.values_list(*_COLUMNS),
        *_counted(present, since=max(first, open_since)),
    ]:
        total = sums.setdefault(pk, Hour(first))
        total.applied, total.refused = total.applied + applied, total.refused + refused
        total.others += others
    return {pk: total for pk, total in sums.items() if total.taken}


_COLUMNS = ("endpoint", "hour", "applied", "refused", "others")


def _counted(endpoint_ids: Collection[int], *, since: datetime) -> Iterable[tuple[Any, ...]]:
    """From the log, like the columns of what is kept."""
    rows = InboundRequest.objects.filter(endpoint__in=endpoint_ids, received_at__gte=since)
    return (
        rows.annotate(hour=TruncHour("received_at", tzinfo=UTC))
        .values("endpoint", "hour")
        .annotate(
            applied=Count("pk", filter=_APPLIED),
            refused=Count("pk", filter=_REFUSED),
            others=Count("pk", filter=~_APPLIED & ~_REFUSED),
        )
        .values_list(*_COLUMNS)
    )


def keep_hours(*, endpoint_ids: Collection[int], since: datetime, now: datetime) -> None:
    """Count the hours from `since` on that are over and not kept yet, of each of these endpoints."""
    over = {since + HOUR * ahead for ahead in range((_open_since(now) - since) // HOUR)}
    known: dict[int, set[datetime]] = defaultdict(set)
    rows = EndpointHour.objects.filter(endpoint__in=endpoint_ids, hour__gte=since)
    for pk, hour in rows.values_list("endpoint", "hour"):
        known[pk].add(hour)
    for pk in endpoint_ids:
        if missing := over - known[pk]:
            _keep(pk, sorted(missing))


@transaction.atomic
def _keep(endpoint_id: int, hours: list[datetime]) -> None:
    """Whoever is changing what became of a request of these hours is waited for, and counted as changed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, endpoint_id])
        cursor.execute(_KEEP, {"endpoint": endpoint_id, "hours": hours})


def keep_last_day(*, now: datetime) -> None:
    """So that no page has to count a whole day."""
    present = list(InboundEndpoint.objects.present().values_list("pk", flat=True))
    keep_hours(endpoint_ids=present, since=_hour_of(now) - HOUR * 23, now=now)
    EndpointHour.objects.filter(hour__lt=now - KEPT).delete()


@contextmanager
def counted_anew(request: InboundRequest, *, now: datetime) -> Iterator[None]:
    """Around a change of what became of a request: its hour is kept no more, and counted once this is committed."""
    hour = _hour_of(request.received_at)
    if hour >= _open_since(now):
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [_LOCK, request.endpoint_id])
        EndpointHour.objects.filter(endpoint=request.endpoint_id, hour=hour).delete()
        yield


def _open_since(now: datetime) -> datetime:
    """When the first hour began that is not surely over."""
    return _hour_of(now - SLACK)


def _hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
