"""200 deliveries a second to ten destinations, one of which never answers: what the healthy nine notice of it.

From the commit to the arrival of the request, beside the same with the tenth well. The one that hangs does so with the
longest time limit there is, so that its places are taken from the first second to the last.
"""

import statistics
from collections.abc import Callable

import pytest

from automations.models import Delivery
from tests.benchmarks import backlogs
from tests.benchmarks.conftest import Show
from tests.benchmarks.fast_receiver import fast_receiver
from tests.benchmarks.offering import offer
from tests.processes import eventually
from tests.workers import Worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

PER_SECOND = 200
WARM_UP = 3  # seconds
SECONDS = 20


def waits(*, tenth_hangs: bool) -> tuple[list[float], float]:
    """Sorted milliseconds from commit to receipt at the first nine, and how many were offered per second."""
    with fast_receiver() as receiver:
        urls = [receiver.url] * 9 + [receiver.after(3600) if tenth_hangs else receiver.url]
        destinations = backlogs.make_destinations(urls, timeout_seconds=30)
        commits = offer(destinations, per_second=PER_SECOND, seconds=WARM_UP + SECONDS)
        healthy = Delivery.objects.filter(destination__in=destinations[:9])
        eventually(lambda: not healthy.filter(state=Delivery.State.PENDING).exists())
        arrivals = receiver.report().arrivals
    measured = list(commits)[WARM_UP * PER_SECOND :]
    nine = set(healthy.values_list("pk", flat=True))
    offered = len(measured) / (commits[measured[-1]] - commits[measured[0]])
    return sorted((arrivals[pk] - commits[pk]) * 1000 for pk in measured if pk in nine), offered


def test_isolation(start_worker: Callable[[], Worker], show: Show) -> None:
    start_worker()
    well, offered = waits(tenth_hangs=False)
    hanging, offered_beside = waits(tenth_hangs=True)
    rows = [
        (name, *(f"{value:.1f}" for value in values), f"{rate:.0f}")
        for name, *values, rate in (
            ("all ten answer", *_figures(well), offered),
            ("the tenth hangs", *_figures(hanging), offered_beside),
        )
    ]
    ratios = [f"{b / a:.2f}" for a, b in zip(_figures(well), _figures(hanging), strict=True)]
    rows += [("ratio", *ratios, ""), ("target", "", "< 100", "", "")]
    title = f"Isolation: from commit to receipt at nine destinations of ten, {len(hanging):,} deliveries each time"
    show(title, ("ms", "p50", "p99", "longest", "offered per second"), rows)


def _figures(milliseconds: list[float]) -> tuple[float, float, float]:
    return statistics.median(milliseconds), milliseconds[int(len(milliseconds) * 0.99)], milliseconds[-1]
