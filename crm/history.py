"""The story of a deal as a person reads it: its history, what was planned and done, calls, and what other parts add."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import formats
from crm.models import Call, Change, Deal
from crm.signals import timeline_requested
from crm.timeline import TimelineEntry, Tone, answers_to

LONGEST = 200  # entries of each kind; older ones are in the history
SHOWN = 50  # calls in the panel above it


def deal_timeline(deal: Deal) -> list[TimelineEntry]:
    """Everything that happened to a deal, newest first."""
    entries = [*_changes(deal), *_activities(deal), *_calls(deal)]
    for contributed in answers_to(timeline_requested, Deal, deal=deal):
        entries += contributed
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def last_change_text(deal: Deal, *, now: datetime) -> str:
    """Who touched the deal last and when, for the person whose change came too late."""
    change = _changes_of(deal).first()
    if change is None:
        return _("This deal was changed in the meantime.")
    said = {"who": change.actor_name, "when": formats.ago(change.at, now=now)}
    if change.field == "stage":
        stage = _shown(change, change.after)
        return _("%(who)s moved this deal to “%(stage)s” %(when)s.") % {**said, "stage": stage}
    return _("%(who)s changed this deal %(when)s.") % said


def _changes_of(deal: Deal) -> QuerySet[Change]:
    return Change.objects.filter(entity=Change.Entity.DEAL, object_id=deal.pk).order_by("-at", "-id")


def _changes(deal: Deal) -> Iterator[TimelineEntry]:
    for change in _changes_of(deal)[:LONGEST]:
        icon, text, tone = _told(change)
        yield TimelineEntry(at=change.at, icon=icon, text=text, detail=change.actor_name, tone=tone)


def _told(change: Change) -> tuple[str, str, Tone]:
    """Icon, text and tone of one change."""
    if change.verb == Change.Verb.CREATED:
        return "plus", _("Deal created"), Tone.NEUTRAL
    if change.field == "status":
        return {
            Deal.Status.WON: ("won", _("Won"), Tone.OK),
            Deal.Status.LOST: ("lost", _("Lost"), Tone.BAD),
            Deal.Status.OPEN: ("reopen", _("Reopened"), Tone.NEUTRAL),
        }[Deal.Status(str(change.after))]
    if change.field == "stage":
        return "move", _between(change), Tone.NEUTRAL
    return _ICONS.get(change.field, "edit"), f"{_label(change.field)}: {_between(change)}", Tone.NEUTRAL


def _between(change: Change) -> str:
    """ "10 → 20"; of what was empty before only what it is now."""
    after = _shown(change, change.after)
    return after if change.before in _EMPTY else f"{_shown(change, change.before)} → {after}"


_EMPTY: tuple[Any, ...] = (None, "", [])
_ICONS = {"tags": "tag", "owner": "user", "contact": "contacts", "company": "companies", "value": "edit"}


def _label(name: str) -> str:
    """What people call a field; added fields are called by their key."""
    group, _dot, key = name.partition(".")
    if group == "external_ids":
        return _("Id in “%(system)s”") % {"system": key}
    return key or capfirst(str(getattr(Deal._meta.get_field(name), "verbose_name", name)))


def _shown(change: Change, value: Any) -> str:
    """A value of the history as it is read."""
    if value in _EMPTY:
        return "—"
    if isinstance(value, dict):
        return str(value.get("name", value))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if change.field == "value":
        return formats.amount(Decimal(value))
    if change.field == "expected_close_on":
        return date_format(date.fromisoformat(value), "SHORT_DATE_FORMAT")
    return str(value)


def _activities(deal: Deal) -> Iterator[TimelineEntry]:
    """What was done. What is still planned stands above the timeline."""
    for activity in deal.activities.filter(done_at__isnull=False)[:LONGEST]:
        yield TimelineEntry(
            at=activity.done_at or activity.created_at,
            icon=activity.kind,
            text=activity.subject or activity.body,
            detail=activity.body if activity.subject else activity.created_by.get("name", ""),
        )


@dataclass(frozen=True, slots=True)
class ShownCall:
    """A call of the panel above the history; `told` is its duration, its outcome and who spoke for us."""

    call: Call
    icon: str
    told: str


def deal_calls(deal: Deal) -> list[ShownCall]:
    """The newest calls of a deal, with their recordings."""
    calls = deal.calls.select_related("agent").order_by(Coalesce("started_at", "created_at").desc(), "-pk")
    return [
        ShownCall(call=call, icon=_CALL_ICONS[call.direction], told=_told_of(call)) for call in calls[:SHOWN]
    ]


_CALL_ICONS = {"": "call", Call.Direction.IN: "arrow-in", Call.Direction.OUT: "arrow-out"}


def _told_of(call: Call) -> str:
    length = formats.duration(call.duration_seconds) if call.duration_seconds is not None else ""
    return " · ".join(filter(None, [length, _outcome(call), str(call.agent or "")]))


# What telephony systems call an outcome, by its letters alone; another word is shown as it came.
_OUTCOMES = {
    "answered": gettext_lazy("answered"),
    "busy": gettext_lazy("busy"),
    "completed": gettext_lazy("ended"),
    "failed": gettext_lazy("failed"),
    "inprogress": gettext_lazy("under way"),
    "missed": gettext_lazy("not answered"),
    "noanswer": gettext_lazy("not answered"),
    "ringing": gettext_lazy("ringing"),
}


def _outcome(call: Call) -> str:
    letters = "".join(filter(str.isalpha, call.status.lower()))
    return str(_OUTCOMES.get(letters, call.status))


def _calls(deal: Deal) -> Iterator[TimelineEntry]:
    for call in deal.calls.all()[:LONGEST]:
        yield TimelineEntry(
            at=call.happened_at,
            icon="call",
            text=f"{call.get_direction_display() if call.direction else _('Call')}: {call}",
            detail=formats.duration(call.duration_seconds) if call.duration_seconds else _outcome(call),
        )
