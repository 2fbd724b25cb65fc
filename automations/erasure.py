"""Erasing a person from what is sent: what waits is called off, of what was sent the bodies and answers go."""

from collections.abc import Collection

from django.db import transaction
from django.db.models import Q, QuerySet

from automations.deliveries import cancel_waiting
from automations.models import Attempt, Delivery

_FINISHED = ~Q(state=Delivery.State.PENDING)


def deliveries_that_say_who(deal_ids: Collection[int]) -> QuerySet[Delivery]:
    """Of these deals: those that wait, and those whose bodies are still kept."""
    return Delivery.objects.filter(Q(deal__in=deal_ids) & (~_FINISHED | ~Q(body=b"")))


@transaction.atomic
def erase_deliveries(*, deal_ids: Collection[int], name: str) -> None:
    """That something was sent, when and with what outcome stays. What is in flight takes its course; its body goes
    with age, like any other.
    """
    rows = Delivery.objects.filter(deal__in=deal_ids)
    cancel_waiting(rows, reason="erased")
    finished = rows.filter(_FINISHED)
    Attempt.objects.filter(delivery__in=finished.values("pk")).update(
        response_body="", request_headers=[], response_headers=[]
    )
    finished.update(body=b"")
    rows.filter(deal_title=name).update(deal_title="")
