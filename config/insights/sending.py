"""How sending went over a span, from what was counted hour by hour, and what waits at this moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min
from django.urls import reverse

from automations.hours import Stretch, of_all, total
from automations.models import Delivery, Destination
from automations.views.destination_health import outcomes_chart, times_chart
from config.insights.spans import Span
from crm import formats
from crm.charts import Chart, Slot, milliseconds

WORST = 5
MOST_COUNTED = 10_000  # of what waits: beyond that the number says nothing more


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be sent: `oldest_due_at` is of what could be sent, None where nothing is due."""

    waiting: int
    oldest_due_at: datetime | None

    @property
    def text(self) -> str:
        more = "+" if self.waiting > MOST_COUNTED else ""
        return formats.number(min(self.waiting, MOST_COUNTED)) + more


@dataclass(frozen=True, slots=True)
class Worst:
    """A destination with failures: what share of its attempts was not taken, and how slow the slowest 5 % are."""

    name: str
    url: str
    status: str
    attempts: str
    failures: str
    slowest: str


@dataclass(frozen=True, slots=True)
class Sending:
    whole: Stretch
    charts: Sequence[Chart]
    worst: Sequence[Worst]

    @property
    def success(self) -> str:
        return formats.percent(self.whole.delivered, of=self.whole.attempts) if self.whole.attempts else "–"

    @property
    def median(self) -> str:
        return _time(self.whole, 50)

    @property
    def slowest(self) -> str:
        return _time(self.whole, 95)


def sending(span: Span, *, now: datetime) -> Sending:
    """Two queries, however much was sent."""
    stretches, by_destination = of_all(span.starts_at(now))
    slots = [Slot(span.slot_name(stretch.since)) for stretch in stretches]
    charts = [outcomes_chart(slots, stretches), times_chart(slots, stretches)]
    return Sending(total(stretches), charts, _worst(by_destination))


def _worst(by_destination: Mapping[int, Stretch]) -> list[Worst]:
    """By their share of failures; those without any are not among them."""
    troubled = {pk: stretch for pk, stretch in by_destination.items() if _failures(stretch)}
    present = Destination.objects.present().filter(pk__in=troubled)
    rows = [(troubled[each.pk], each) for each in present.only("name", "status")]
    rows.sort(key=lambda row: (-_failures(row[0]) / row[0].attempts, row[1].pk))
    return [
        Worst(
            name=each.name,
            url=reverse("destination", args=[each.pk]),
            status=each.get_status_display(),
            attempts=formats.number(stretch.attempts),
            failures=formats.percent(_failures(stretch), of=stretch.attempts),
            slowest=_time(stretch, 95),
        )
        for stretch, each in rows[:WORST]
    ]


def _failures(stretch: Stretch) -> int:
    return stretch.retried + stretch.failed


def _time(stretch: Stretch, percent: int) -> str:
    ms = stretch.percentile(percent)
    return "–" if ms is None else milliseconds(ms)


def backlog(*, now: datetime) -> Backlog:
    """From the index of what waits alone."""
    pending = Delivery.objects.filter(state=Delivery.State.PENDING).order_by()
    due = pending.filter(leased_until=None, awaits_check=False, due_at__lte=now)
    active = due.filter(destination__status=Destination.Status.ACTIVE)
    return Backlog(
        waiting=pending[: MOST_COUNTED + 1].count(),
        oldest_due_at=active.aggregate(at=Min("due_at"))["at"],
    )
