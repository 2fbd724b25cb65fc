"""The history of a rule: what was changed about it, and by whom; kept with every save, and told in words."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from automations.conditions import Labels, describe_row
from automations.fields import labels_of, offered_fields
from automations.models import Event, Rule, RuleChange
from crm.actors import current_actor
from crm.models import Change

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Told:
    """A change in words; `fields` are of each its name, what it was and what it became, "" for nothing."""

    verb: str
    by: str
    at: datetime
    fields: list[tuple[str, str, str]]


def state_of(rule: Rule, fields: Iterable[str]) -> dict[str, Any]:
    """The fields as JSON values; what is pointed to as `{"id", "name"}`."""
    values = {name: getattr(rule, name) for name in sorted(fields)}
    return {
        name: {"id": value.pk, "name": str(value)} if isinstance(value, Model) else value
        for name, value in values.items()
    }


def note_change(
    rule: Rule, verb: Change.Verb, *, before: Mapping[str, Any] | None = None, after: Mapping[str, Any]
) -> None:
    """Write down what differs, inside the caller's transaction; nothing where nothing does."""
    before = before or {}
    changed = [name for name in after if name not in before or before[name] != after[name]]
    if verb == Change.Verb.CHANGED and not changed:
        return
    actor = current_actor()
    RuleChange.objects.create(
        rule=rule,
        verb=verb,
        before={name: before[name] for name in changed if name in before},
        after={name: after[name] for name in changed} if before else {},
        actor_kind=actor.kind.value,
        actor_id=actor.id,
        actor_name=actor.name,
    )


def history_of(rule: Rule) -> list[Told]:
    """Its last changes, newest first."""
    changes = list(rule.changes.all()[:SHOWN])
    has_rows = any("conditions" in change.before for change in changes)
    labels = labels_of(offered_fields()) if has_rows else {}
    return [
        Told(
            change.verb, change.actor_name, change.at, [_told(change, name, labels) for name in change.after]
        )
        for change in changes
    ]


def _told(change: RuleChange, name: str, labels: Labels) -> tuple[str, str, str]:
    label = capfirst(str(getattr(Rule._meta.get_field(name), "verbose_name", name)))
    return label, _words(name, change.before.get(name), labels), _words(name, change.after[name], labels)


def _words(name: str, value: Any, labels: Labels) -> str:
    if value in (None, "", {}, []) and not isinstance(value, bool):
        return ""
    if name in _WORDS:
        return _WORDS[name](value)
    if name == "conditions":
        return "; ".join(_conditions(value, labels))
    if isinstance(value, dict):
        return str(value["name"]) if "name" in value else json.dumps(value, ensure_ascii=False)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _conditions(value: Mapping[str, Any], labels: Labels) -> Iterator[str]:
    yield from (describe_row(row, labels) for row in value.get("rows", []))
    if value.get("expression"):
        yield value["expression"]


_WORDS: Mapping[str, Callable[[Any], str]] = {
    "enabled": lambda value: _("yes") if value else _("no"),
    "event": lambda value: str(Event(value).label),
    "if_left": lambda value: str(Rule.IfLeft(value).label),
    "payload": lambda value: str(value.get("expression") or _("Standard")),
}
