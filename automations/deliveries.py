"""What a person can do to a delivery: send it again, or call it off."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from automations.models import Delivery
from automations.wake import wake
from crm.announcements import NAMED_BOLTS, announce_bolts
from crm.refusals import Refused

_BATCH = 500  # called off in one transaction, so that nobody who sends waits for long


class DeliveryError(Refused):
    """What was asked does not fit the state the delivery is in."""


@transaction.atomic
def resend_delivery(*, delivery_id: str) -> Delivery:
    """Send a delivery again: same id, same bytes, the retry schedule from its start.

    A waiting one is sent at once. Raises Delivery.DoesNotExist, and DeliveryError while it is being sent and where
    nothing is left to be sent.
    """
    delivery = Delivery.objects.select_for_update().get(pk=delivery_id)
    if delivery.leased_until is not None:
        raise DeliveryError(_("This delivery is being sent at this moment."))
    if not delivery.body:
        raise DeliveryError(_("Its body is not kept, so it cannot be sent again."))
    restart(Delivery.objects.filter(pk=delivery_id), trigger=Delivery.Trigger.MANUAL)
    delivery.refresh_from_db()
    return delivery


def restart(deliveries: QuerySet[Delivery], *, trigger: Delivery.Trigger) -> int:
    """Have these sent again from the start, inside the caller's transaction; returns how many.

    Left as they are: those in flight, those without a body, and those of a deleted destination.
    """
    sendable = deliveries.filter(leased_until__isnull=True, destination__deleted_at__isnull=True).exclude(
        body=b""
    )
    deals = deals_of(sendable)
    restarted = sendable.update(
        state=Delivery.State.PENDING,
        reason="",
        trigger=trigger,
        run_attempts=0,
        due_at=timezone.now(),
        awaits_check=False,
        delivered_at=None,
    )
    announce_bolts(deals)
    wake()
    return restarted


@transaction.atomic
def cancel_delivery(*, delivery_id: str) -> Delivery:
    """Call off a waiting delivery. Raises Delivery.DoesNotExist, and DeliveryError where it is not waiting."""
    delivery = Delivery.objects.select_for_update().get(pk=delivery_id)
    if delivery.state != Delivery.State.PENDING:
        raise DeliveryError(_("Only a waiting delivery can be cancelled."))
    if delivery.leased_until is not None:
        raise DeliveryError(_("This delivery is being sent at this moment."))
    cancel_waiting(Delivery.objects.filter(pk=delivery_id), reason="by_hand")
    delivery.refresh_from_db()
    return delivery


def cancel_many(*, deliveries: QuerySet[Delivery]) -> int:
    """Call off what waits among `deliveries`, in short transactions, and return how many."""
    waiting = deliveries.filter(state=Delivery.State.PENDING, leased_until__isnull=True).order_by("id")
    cancelled, after = 0, ""
    while ids := list(waiting.filter(pk__gt=after).values_list("pk", flat=True)[:_BATCH]):
        cancelled += cancel_waiting(Delivery.objects.filter(pk__in=ids), reason="by_hand")
        after = ids[-1]
    return cancelled


def cancel_waiting(deliveries: QuerySet[Delivery], *, reason: str) -> int:
    """Call off what waits among `deliveries`; what is in flight takes its course. Returns how many."""
    waiting = deliveries.filter(state=Delivery.State.PENDING, leased_until__isnull=True)
    deals = deals_of(waiting)
    cancelled = waiting.update(state=Delivery.State.CANCELLED, reason=reason)
    announce_bolts(deals)
    return cancelled


def deals_of(deliveries: QuerySet[Delivery]) -> list[int]:
    """The deals whose bolts these may be, the newest of them: as many as open boards are told of."""
    deals = deliveries.filter(deal__isnull=False).order_by("-deal").values_list("deal", flat=True).distinct()
    return list(deals[:NAMED_BOLTS])
