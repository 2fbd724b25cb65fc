"""The door for calls, whichever road they came by: a call that has a recording is told of once."""

from datetime import UTC
from typing import Any

from django.db import transaction
from django.utils import timezone

from crm import signals
from crm.actors import Actor
from crm.deals import lock_deals, number_events
from crm.models import Call, Deal


@transaction.atomic
def save_call(call: Call, *, actor: Actor) -> Call:
    """Keep a new or changed call, and tell listeners as soon as it is a deal's and has a recording."""
    if call.deal_id is None or not call.recording_url or call.recording_told_at:
        call.save()
        return call
    (deal,) = lock_deals([call.deal_id])  # before the call, as everybody does
    told = Call.objects.filter(pk=call.pk, recording_told_at__isnull=False)
    call.recording_told_at = told.values_list("recording_told_at", flat=True).first()
    if call.recording_told_at is not None:
        call.save()
        return call
    call.recording_told_at = timezone.now()
    call.save()
    events = number_events([(deal, {"call": call_document(call)})])
    signals.call_recorded.send(sender=Deal, events=events, actor=actor)
    return call


def call_document(call: Call) -> dict[str, Any]:
    """A call as JSON values, as payloads show it."""
    started = call.started_at.astimezone(UTC) if call.started_at else None
    return {
        "id": call.pk,
        "direction": call.direction,
        "from_number": call.from_number,
        "to_number": call.to_number,
        "started_at": started.isoformat(timespec="milliseconds").replace("+00:00", "Z") if started else None,
        "duration_seconds": call.duration_seconds,
        "status": call.status,
        "recording_url": call.recording_url,
        "external_id": call.external_id,
        "agent": {"id": call.agent.pk, "name": call.agent.name} if call.agent else None,
    }
