"""What a clock that ran ahead left in the future is brought back, and what waits for good reason is left."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from automations import strays
from automations.models import Delivery, Destination
from automations.strays import bring_back

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)  # what the clocks of several machines may differ by


def waiting(destination: Destination, *, wait: timedelta, **columns: Any) -> Delivery:
    fields = {"event": "deal.won", "body": b"{}", "chain": uuid.uuid4(), "due_at": NOON + wait}
    return Delivery.objects.create(destination=destination, **fields, **columns)


@pytest.fixture
def patient(destination: Destination) -> Destination:
    """Tries again after five minutes, then after an hour."""
    Destination.objects.update(retry_schedule=[0, 300, 3600])
    destination.refresh_from_db()
    return destination


@pytest.mark.parametrize(
    ("attempts", "longest"),
    [(0, timedelta(0)), (1, timedelta(minutes=10)), (2, timedelta(hours=2)), (7, timedelta(0))],
)
def test_what_waits_for_longer_than_twice_its_step_is_due_now(
    patient: Destination, attempts: int, longest: timedelta
) -> None:
    left = waiting(patient, wait=longest + MINUTE, run_attempts=attempts)
    strayed = waiting(patient, wait=longest + MINUTE + timedelta(seconds=1), run_attempts=attempts)
    assert bring_back(now=NOON) == 1
    assert Delivery.objects.get(pk=left.pk).due_at == NOON + longest + MINUTE
    assert Delivery.objects.get(pk=strayed.pk).due_at == NOON
    assert bring_back(now=NOON) == 0


@pytest.mark.parametrize(
    "columns",
    [
        {"awaits_check": True},
        {"state": "delivered"},
        {"state": "cancelled"},
        {"leased_by": 1, "leased_until": NOON + timedelta(days=300)},
    ],
    ids=["delayed by its rule", "delivered", "cancelled", "in flight"],
)
def test_what_does_not_wait_for_an_attempt_is_left(patient: Destination, columns: dict[str, Any]) -> None:
    waiting(patient, wait=timedelta(days=300), **columns)
    assert bring_back(now=NOON) == 0
    assert Delivery.objects.get().due_at == NOON + timedelta(days=300)


def test_many_are_brought_back_in_batches(patient: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strays, "_AT_A_TIME", 2)
    other = Destination.objects.create(name="Other", url=patient.url)
    for destination in (patient, patient, patient, other, other):
        waiting(destination, wait=timedelta(days=300))
    assert bring_back(now=NOON) == 5
    assert set(Delivery.objects.values_list("due_at", flat=True)) == {NOON}


@pytest.mark.parametrize(("wait", "after"), [(MINUTE, MINUTE), (2 * MINUTE, timedelta(0))])
def test_a_limit_per_second_puts_nothing_off_for_minutes(
    patient: Destination, wait: timedelta, after: timedelta
) -> None:
    Destination.objects.update(rate_limit_per_second=5, rate_free_at=NOON + wait)
    bring_back(now=NOON)
    assert Destination.objects.get().rate_free_at == NOON + after
