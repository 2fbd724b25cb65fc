"""What the inbound side adds to the CRM's pages."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from crm.models import Contact, Deal
from crm.timeline import EntryKind, TimelineEntry, Tone, Touched
from webhooks.erasure import erase_bodies_of, requests_about
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


def traffic_of(deal_ids: Collection[int], **_signal: Any) -> list[TimelineEntry]:
    """The newest requests that were applied to any of several deals, or ignored because of one."""
    ids = list(deal_ids)
    about = InboundRequest.objects.filter(Q(deal__in=ids) | Q(deals__overlap=ids))
    return [_entry(request) for request in about.select_related("endpoint").newest_first()[:LONGEST]]


def touched_by_erasing(contact: Contact, deal_ids: Collection[int], **_signal: Any) -> list[Touched]:
    count = requests_about(contact=contact, deal_ids=deal_ids).count()
    return [Touched(_("Stored inbound requests"), _("lose body, headers and what they changed"), count)]


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
