"""Finished attempts as the recorder gets them."""

from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from automations.claims import Claimed
from automations.http import Exchange
from automations.models import Delivery, Destination
from automations.verdicts import Outcome


def outcome_at(destination: Destination, state: str, *, ago: timedelta, ms: int) -> Outcome:
    """One that ended a while ago after `ms`."""
    finished_at = timezone.now() - ago
    claimed = Claimed(
        id="msg_1",
        destination_id=destination.pk,
        event="deal.won",
        chain=uuid4(),
        depth=0,
        body=b"{}",
        number=1,
        run_attempts=1,
        trigger="initial",
        due_at=finished_at,
    )
    return Outcome(claimed, Exchange(duration_ms=ms), [], finished_at, Delivery.State(state), None)
