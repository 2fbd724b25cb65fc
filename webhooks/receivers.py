"""What the inbound side adds to the CRM's pages."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction
from django_q.tasks import async_task

from crm.models import Contact, Deal
from crm.timeline import EntryKind, TimelineEntry, Tone
from webhooks.erasure import erase_bodies_of
from webhooks.models import InboundRequest

LONGEST = 200  # entries; older ones are in the log

_TONES = {
    InboundRequest.State.RECEIVED: Tone.WARN,
    InboundRequest.State.APPLIED: Tone.OK,
    InboundRequest.State.REJECTED: Tone.BAD,
    InboundRequest.State.FAILED: Tone.BAD,
}


def timeline_of(deal: Deal, **_signal: Any) -> list[TimelineEntry]:
    """The requests that were applied to the deal, or ignored because of it."""
    requests = InboundRequest.objects.of_deal(deal.pk).select_related("endpoint").newest_first()
    return [_entry(request) for request in requests[:LONGEST]]


def send_for_recording(**_signal: Any) -> None:
    transaction.on_commit(lambda: async_task("webhooks.tasks.fetch_recordings"))


def erase_contact(contact: Contact, deal_ids: Collection[int], at: datetime, **_signal: Any) -> None:
    erase_bodies_of(contact=contact, deal_ids=deal_ids, now=at)


def _entry(request: InboundRequest) -> TimelineEntry:
    state = InboundRequest.State(request.state)
    return TimelineEntry(
        at=request.received_at,
        icon="inbound",
        text=f"{request.endpoint.name}: {state.label}",
        detail=request.get_reason_display(),
        url=request.get_absolute_url(),
        tone=_TONES.get(state, Tone.NEUTRAL),
        kind=EntryKind.INBOUND,
    )
