"""The story of a deal as a person reads it: its history, what was planned and done, calls, and what other parts add."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import formats
from crm.actors import ActorKind
from crm.models import Activity, Call, Change, Deal, User
from crm.signals import timeline_requested
from crm.timeline import EntryKind, TimelineEntry, Tone, answers_to

LONGEST = 200  # entries of each kind; older ones are in the history
SHOWN = 50  # calls in the panel above it


def deal_timeline(deal: Deal, *, reader: User) -> list[TimelineEntry]:
    """Everything that happened to a deal, newest first; with the way to the logs for whoever may read them."""
    entries = [*_changes(deal), *_activities(deal), *_calls(deal)]
    for contributed in answers_to(timeline_requested, Deal, deal=deal):
        entries += contributed if reader.is_admin else (replace(entry, url="") for entry in contributed)
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def stage_stays(deal: Deal, *, now: datetime) -> dict[int, timedelta]:
    """How long the deal has been in each stage, all its times there together; only stages it was in."""
    stays: dict[int, timedelta] = {}
    since = deal.created_at
    for move in _moves_of(deal):
        if move.before:
            stays[move.before["id"]] = stays.get(move.before["id"], timedelta()) + (move.at - since)
        since = move.at
    until = deal.closed_at if deal.closed_at and deal.closed_at > since else now
    stays[deal.stage_id] = stays.get(deal.stage_id, timedelta()) + (until - since)
    return stays


def _moves_of(deal: Deal) -> QuerySet[Change]:
    """Oldest first."""
    return _changes_of(deal).filter(field="stage").order_by("at", "id")


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


def field_change_text(deal: Deal, name: str, *, now: datetime) -> str:
    """Who changed a field last and when, for the person who was about to change it too."""
    change = _changes_of(deal).filter(field=name).first()
    if change is None:
        return _("This field was changed in the meantime.")
    said = {"who": _by(change), "when": formats.ago(change.at, now=now)}
    return _("%(who)s changed this field %(when)s.") % said


def _changes_of(deal: Deal) -> QuerySet[Change]:
    return Change.objects.filter(entity=Change.Entity.DEAL, object_id=deal.pk).order_by("-at", "-id")


def _changes(deal: Deal) -> Iterator[TimelineEntry]:
    for change in _changes_of(deal)[:LONGEST]:
        icon, text, tone = _told(change)
        kind = EntryKind.STAGE if change.field in ("stage", "status") else EntryKind.CHANGE
        yield TimelineEntry(at=change.at, icon=icon, text=text, tone=tone, kind=kind, by=_by(change))


def _by(change: Change) -> str:
    return actor_text(change.actor_kind, change.actor_name)


def actor_text(kind: str, name: str) -> str:
    """Who did something, and through what where it was no person in the browser."""
    if kind == ActorKind.TOKEN:
        return _("API token “%(name)s”") % {"name": name}
    if kind == ActorKind.INBOUND:
        return _("Inbound “%(name)s”") % {"name": name}
    return name


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
_NAMES = {"products": gettext_lazy("Products"), "files": gettext_lazy("Files")}
_ICONS = {
    "tags": "tag",
    "owner": "user",
    "contact": "contacts",
    "company": "companies",
    "value": "edit",
    "products": "product",
    "files": "file",
}


def _label(name: str) -> str:
    """What people call a field; added fields are called by their key."""
    group, _dot, key = name.partition(".")
    if group == "external_ids":
        return _("Id in “%(system)s”") % {"system": key}
    if name in _NAMES:
        return str(_NAMES[name])
    return key or capfirst(str(getattr(Deal._meta.get_field(name), "verbose_name", name)))


def _shown(change: Change, value: Any) -> str:
    """A value of the history as it is read."""
    if value in _EMPTY:
        return "—"
    if change.field in _SHOWN:
        return _SHOWN[change.field](value)
    if isinstance(value, dict):
        return str(value.get("name", value))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _line(value: Mapping[str, str]) -> str:
    """A product on the deal."""
    price = formats.amount(Decimal(value["unit_price"]))
    return f"{formats.number(Decimal(value['quantity']))} × {value['name']}, {price}"


_SHOWN: Mapping[str, Callable[[Any], str]] = {
    "value": lambda value: formats.amount(Decimal(value)),
    "expected_close_on": lambda value: date_format(date.fromisoformat(value), "SHORT_DATE_FORMAT"),
    "products": _line,
}


def _activities(deal: Deal) -> Iterator[TimelineEntry]:
    """What was done. What is still planned stands above the timeline."""
    for activity in deal.activities.filter(done_at__isnull=False)[:LONGEST]:
        made_by = activity.created_by
        yield TimelineEntry(
            at=activity.done_at or activity.created_at,
            icon=activity.kind,
            text=activity.subject or activity.body,
            detail=activity.body if activity.subject else "",
            kind=EntryKind.NOTE if activity.kind == Activity.Kind.NOTE else EntryKind.ACTIVITY,
            by=actor_text(made_by.get("kind", ""), made_by.get("name", "")),
        )


@dataclass(frozen=True, slots=True)
class ShownCall:
    """A call of the panel above the history; `told` is its duration, its outcome and who spoke for us."""

    call: Call
    icon: str
    told: str


def deal_calls(deal: Deal) -> list[ShownCall]:
    """The newest calls of a deal, with their recordings."""
    return shown_calls(deal.calls.all())


def shown_calls(calls: QuerySet[Call]) -> list[ShownCall]:
    """The newest of `calls`."""
    newest = calls.select_related("agent").order_by(Coalesce("started_at", "created_at").desc(), "-pk")
    return [
        ShownCall(call=call, icon=_CALL_ICONS[call.direction], told=_told_of(call)) for call in newest[:SHOWN]
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
    for call in deal.calls.select_related("agent")[:LONGEST]:
        yield TimelineEntry(
            at=call.happened_at,
            icon="call",
            text=f"{call.get_direction_display() if call.direction else _('Call')}: {call}",
            detail=formats.duration(call.duration_seconds) if call.duration_seconds else _outcome(call),
            kind=EntryKind.CALL,
            by=" · ".join(filter(None, [str(call.agent or ""), call.system])),
        )
