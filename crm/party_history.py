"""The story of a contact or a company as a person reads it: what was changed, by whom, and what was merged into it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from crm import formats
from crm.history import actor_text
from crm.models import ActivityQuerySet, Change, Company, Contact, CustomField
from crm.timeline import TimelineEntry, Tone

LONGEST = 100

_EMPTY: tuple[Any, ...] = (None, "", [], {})
_ICONS = {"tags": "tag", "company": "companies", "emails": "email", "phones": "call"}
_VERBS = {Change.Verb.CREATED: "plus", Change.Verb.MERGED: "merge"}


def party_timeline(row: Contact | Company) -> list[TimelineEntry]:
    """The changes of a contact or company, newest first."""
    return list(_entries(row))


def done_with(activities: ActivityQuerySet) -> list[TimelineEntry]:
    """What was done of these, the newest first. What is still planned stands above it."""
    return [
        TimelineEntry(
            at=activity.done_at or activity.created_at,
            icon=activity.kind,
            text=activity.subject or activity.body or activity.get_kind_display(),
            detail=activity.get_kind_display(),
            tone=Tone.OK,
        )
        for activity in activities.filter(done_at__isnull=False).order_by("-done_at", "-pk")[:LONGEST]
    ]


def party_change_text(row: Contact | Company, name: str, *, now: datetime) -> str:
    """Who changed a field last and when, for the person who was about to change it too."""
    change = _changes_of(row).filter(field=name).first()
    if change is None:
        return _("“%(name)s” was changed in the meantime.") % {"name": row.name}
    said = {
        "who": actor_text(change.actor_kind, change.actor_name),
        "when": formats.ago(change.at, now=now),
    }
    return _("%(who)s changed this field %(when)s.") % said


def _changes_of(row: Contact | Company) -> QuerySet[Change]:
    rows = Change.objects.filter(entity=str(row._meta.model_name), object_id=row.pk)
    return rows.order_by("-at", "-id")


def _entries(row: Contact | Company) -> Iterator[TimelineEntry]:
    entity = str(row._meta.model_name)
    labels = dict(CustomField.objects.filter(entity=entity).values_list("key", "label"))
    for change in _changes_of(row)[:LONGEST]:
        icon = _VERBS.get(Change.Verb(change.verb)) or _ICONS.get(change.field, "edit")
        yield TimelineEntry(
            at=change.at,
            icon=icon,
            text=_told(change, type(row), labels),
            by=actor_text(change.actor_kind, change.actor_name),
        )


def _told(change: Change, model: type[Contact] | type[Company], labels: dict[str, str]) -> str:
    if change.verb == Change.Verb.CREATED:
        return _("Created")
    if change.verb == Change.Verb.MERGED:
        name = (change.before or {}).get("name")
        return _("“%(name)s” was merged into this one") % {"name": name} if name else _("Merged")
    label = field_label(change.field, model, labels)
    after = shown(change.after)
    if change.before in _EMPTY and change.after in _EMPTY:
        return label
    return f"{label}: {after if change.before in _EMPTY else f'{shown(change.before)} → {after}'}"


def field_label(name: str, model: type[Contact] | type[Company], labels: dict[str, str]) -> str:
    """What people call a field, named as in the history; `labels` are those of the added fields by key."""
    group, _dot, key = name.partition(".")
    if group == "external_ids":
        return _("Id in “%(system)s”") % {"system": key}
    if key:
        return labels.get(key, key)
    return capfirst(str(getattr(model._meta.get_field(name), "verbose_name", name)))


def shown(value: Any) -> str:
    """A value of a field or of the history as it is read."""
    if value in _EMPTY:
        return "—"
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, dict):
        return str(value.get("name", value))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
