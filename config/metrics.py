"""What /metrics tells Prometheus, read from the database, since several web processes and workers share the figures.

Counters come from the table of tallies, gauges from indexes that hold only what is waiting, so that a scrape costs the
same with a million finished deliveries as with none.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Min
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from automations import tallies
from automations.heartbeats import last_heartbeat
from automations.models import Delivery, Destination, Tally


class DeliveryCollector(Collector):
    def __init__(self, *, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        sums: dict[str, dict[str, float]] = defaultdict(dict)
        for name, label, value in Tally.objects.values_list("name", "label", "value"):
            sums[name][label] = value
        yield _counter(
            "stagehook_deliveries", "Attempts by what they made of the delivery", "outcome", sums["outcomes"]
        )
        yield _counter("stagehook_attempts", "Attempts by HTTP status or error", "code", sums["attempts"])
        yield _histogram(sums[tallies.FIRST_ATTEMPT], sums[tallies.FIRST_ATTEMPT_SUM].get("", 0.0))
        yield from self._waiting()
        yield _destinations()

    def _waiting(self) -> Iterator[Metric]:
        pending = Delivery.objects.filter(state=Delivery.State.PENDING).order_by()
        due = pending.filter(leased_until=None, due_at__lte=self._now)
        figures = due.aggregate(count=Count("pk"), oldest=Min("due_at"))
        beat_at = last_heartbeat(now=self._now)
        yield _gauge("stagehook_pending_deliveries", "Waiting, due or not", pending.count())
        yield _gauge(
            "stagehook_due_deliveries", "Due and not in flight, held ones included", figures["count"]
        )
        yield _gauge(
            "stagehook_oldest_due_delivery_age_seconds", "Age of the oldest due", self._age(figures["oldest"])
        )
        yield _gauge(
            "stagehook_worker_heartbeat_age_seconds", "Since a worker last went round", self._age(beat_at)
        )

    def _age(self, at: datetime | None) -> float | None:
        return (self._now - at).total_seconds() if at else None


def _gauge(name: str, text: str, value: float | None) -> Metric:
    """Without a sample where there is nothing to measure."""
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, label: str, values: dict[str, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def _histogram(by_bucket: dict[str, float], total: float) -> Metric:
    bounds = [*map(str, tallies.BUCKETS), "+Inf"]
    buckets, below = [], 0.0
    for bound in bounds:
        below += by_bucket.get(bound, 0.0)
        buckets.append((bound, below))
    text = "From when a delivery came due, at the change of its deal or after its rule's delay, to its first attempt"
    return HistogramMetricFamily("stagehook_first_attempt_seconds", text, buckets=buckets, sum_value=total)


def _destinations() -> Metric:
    family = GaugeMetricFamily(
        "stagehook_destination_state", "1 for the state a destination is in", labels=["id", "state"]
    )
    for pk, status in Destination.objects.present().order_by("pk").values_list("pk", "status"):
        family.add_metric([str(pk), status], 1)
    return family
