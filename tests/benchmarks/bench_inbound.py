"""Twenty senders at once, in both ways of answering, beside a bare Django view that stores the body.

Everything shares the machine's cores: senders, web processes, the worker and the database. What the senders take of
them, who are other machines in truth, is shown as the time of a core for each request.
"""

from collections.abc import Callable

import pytest

from tests.benchmarks.conftest import Show
from tests.benchmarks.crowd import Answers, post_in_a_crowd
from tests.benchmarks.web import web_server
from tests.processes import eventually
from tests.webhooks.conftest import endpoint, pipeline
from tests.workers import Worker
from webhooks.models import InboundEndpoint, InboundRequest

__all__ = ["endpoint", "pipeline"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

COUNT = 1_000
Mode = InboundEndpoint.ResponseMode


def _row(name: str, answers: Answers, bare: Answers, *, at_once: int | None = None) -> tuple[str, ...]:
    times = (f"{answers.percentile(part) * 1000:.0f}" for part in (0.5, 0.95))
    ratio = f"{bare.per_second / answers.per_second:.1f}"
    senders = f"{answers.cpu_seconds / len(answers.seconds) * 1000:.2f}"
    return name, f"{answers.per_second:.0f}", ratio, *times, "" if at_once is None else f"{at_once}", senders


def test_inbound(endpoint: InboundEndpoint, start_worker: Callable[[], Worker], show: Show) -> None:
    def post(mode: str) -> Answers:
        InboundEndpoint.objects.update(response_mode=mode)
        post_in_a_crowd(address, count=100)  # what a process does once is done
        return post_in_a_crowd(address, count=COUNT)

    start_worker()
    with web_server() as server:
        address = f"{server}/in/{endpoint.key}/"
        waited = post(Mode.WAIT)
        eventually(lambda: not InboundRequest.objects.waiting().exists(), seconds=300)
        accepted = post(Mode.ACCEPT)
        eventually(lambda: not InboundRequest.objects.waiting().exists(), seconds=300)
    assert InboundRequest.objects.filter(state="applied").count() == 2 * (COUNT + 100)
    with web_server(settings="tests.benchmarks.bare_view_settings") as server:
        address = f"{server}/bare/{endpoint.pk}/"
        bare = post(Mode.WAIT)
    rows = [
        _row("`wait`: stored and applied", waited, bare, at_once=waited.statuses.get("200", 0)),
        _row("`accept`: stored, applied by the worker", accepted, bare, at_once=0),
        _row("a bare view that stores the body", bare, bare),
    ]
    columns = ("", "per second", "bare / this", "p50 ms", "p95 ms", "applied in the answer", "senders, ms")
    show(f"{COUNT:,} new leads from 20 senders at once", columns, rows)
