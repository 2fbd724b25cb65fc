"""The door for calls, whichever road they came by: one call is kept once, and its recording is told of once.

What a telephony system reports of one call arrives in parts, in any order and sometimes at the same moment. The
unique key of (system, external id) makes them one row; the row's lock makes them wait for each other.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import signals
from crm.activities import EARLIEST, LATEST
from crm.actors import Actor
from crm.deals import UnknownDeals, lock_deals, lock_present, number_events
from crm.models import Call, Contact, Deal
from crm.recordings import await_recording
from crm.refusals import InvalidFields


@transaction.atomic
def create_call(*, fields: Mapping[str, Any], actor: Actor) -> Call:
    """Keep a call as a person or a program describes it. `fields` are those of the model. Raises InvalidFields,
    UnknownDeals.
    """
    _refuse_odd_times(fields)
    deal: Deal | None = fields.get("deal")
    if deal is not None:
        lock_deals([deal.pk])
    return _write(Call(), fields, system="", actor=actor)


@transaction.atomic
def update_call(*, call_id: int, fields: Mapping[str, Any], actor: Actor) -> Call:
    """Change what `fields` names of a call, and nothing else. Raises Call.DoesNotExist, InvalidFields, UnknownDeals."""
    _refuse_odd_times(fields)
    deal: Deal | None = fields.get("deal")
    present = Call.objects.filter(pk=call_id).values_list("deal_id", flat=True).first()
    locked = lock_present(
        {pk for pk in (present, deal and deal.pk) if pk}
    )  # before the call, as everybody does
    if deal is not None and deal not in locked:
        raise UnknownDeals([deal.pk])
    return _write(Call.objects.select_for_update().get(pk=call_id), fields, system="", actor=actor)


def _refuse_odd_times(fields: Mapping[str, Any]) -> None:
    """Near the ends of the calendar a moment has no day in every time zone, and no page could show it."""
    started_at: datetime | None = fields.get("started_at")
    if started_at is not None and not EARLIEST <= started_at <= LATEST:
        raise InvalidFields({"started_at": [_("Not a time between 1970 and 2200.")]})


@transaction.atomic
def report_call(
    *,
    system: str,
    facts: Mapping[str, Any],
    deal: Deal | None,
    actor: Actor,
    occurred_at: datetime | None = None,
) -> Call:
    """Complete the call that `system` knows by `facts["external_id"]`, or make it; without an id it is always made.

    What is told empty leaves what is known. What happened before the newest report (`occurred_at`) only fills in what
    nobody has told yet. A call that has a deal keeps it. Of two reports at the same moment the second waits for the
    first, and completes it.
    """
    told = {name: value for name, value in facts.items() if value not in (None, "")}
    if deal is not None:
        lock_deals([deal.pk])
    call = _reported(system, told.get("external_id", ""))
    if deal is not None and call.deal_id is None:
        told |= {"deal": deal, "contact": call.contact or deal.contact}
    if occurred_at and call.reported_at and occurred_at < call.reported_at:
        told = {name: value for name, value in told.items() if getattr(call, name) in (None, "")}
    elif occurred_at:
        told["reported_at"] = occurred_at
    return _write(call, told, system=system, actor=actor)


def _reported(system: str, external_id: str) -> Call:
    """The call of that name, made where it is new, and locked."""
    if not external_id:
        return Call(system=system)
    # Where another transaction is making the same call, this waits for it to end.
    Call.objects.bulk_create([Call(system=system, external_id=external_id)], ignore_conflicts=True)
    return Call.objects.select_for_update().get(system=system, external_id=external_id)


def _write(call: Call, fields: Mapping[str, Any], *, system: str, actor: Actor) -> Call:
    """Save what differs, and tell listeners as soon as the call is a deal's and has a recording."""
    now = timezone.now()
    changed = {name for name, value in fields.items() if getattr(call, name) != value}
    for name in changed:
        setattr(call, name, fields[name])
    is_offered = "recording_url" in changed
    if is_offered:
        changed.update(await_recording(call, system=system, now=now))
    is_news = bool(call.deal_id and call.recording_url and call.recording_told_at is None)
    if is_news:
        call.recording_told_at = now
        changed.add("recording_told_at")
    call.save(update_fields=None if call._state.adding else changed)
    if is_offered and call.recording_url:
        signals.recording_offered.send(sender=Call, call=call)
    if is_news:
        _tell(call, actor=actor)
    return call


def _tell(call: Call, *, actor: Actor) -> None:
    (deal,) = lock_deals([call.deal_id] if call.deal_id else [])
    events = number_events([(deal, {"call": call_document(call)})])
    signals.call_recorded.send(sender=Deal, events=events, actor=actor)


@transaction.atomic
def forget_caller(*, contact: Contact, deal_ids: Collection[int]) -> None:
    """Take the number and the voice of a person out of the calls with them; that there were calls stays."""
    for call in calls_with(contact=contact, deal_ids=deal_ids).select_for_update():
        numbers = _THEIR_NUMBER[call.direction]
        for name in (*numbers, "recording_url"):
            setattr(call, name, "")
        columns = await_recording(call, system="", now=timezone.now())
        call.save(update_fields=[*numbers, "recording_url", *columns])


def calls_with(*, contact: Contact, deal_ids: Collection[int]) -> QuerySet[Call]:
    """`deal_ids` are the deals whose calls are theirs where no other contact is named."""
    unnamed = Q(deal__in=deal_ids) | Q(from_number__in=contact.phones) | Q(to_number__in=contact.phones)
    return Call.objects.filter(Q(contact=contact) | Q(unnamed, contact=None)).order_by("pk")


_THEIR_NUMBER = {
    Call.Direction.IN: ("from_number",),
    Call.Direction.OUT: ("to_number",),
    "": ("from_number", "to_number"),
}


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
