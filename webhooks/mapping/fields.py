"""The fields of a native document that a mapping can fill, and what each kind of field makes of a value."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.expressions import CLEAR


class Kind(StrEnum):
    TEXT = "text"
    TEXTS = "texts"
    EMAIL = "email"
    EMAILS = "emails"
    PHONE = "phone"
    PHONES = "phones"
    TAX_ID = "tax_id"
    WHOLE = "whole"
    MONEY = "money"
    MOMENT = "moment"
    DAY = "day"
    CHOICE = "choice"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class NativeField:
    """`path` of a document; with a full stop at its end, one whose last name is free."""

    path: str
    kind: Kind
    label: str | Promise
    options: tuple[str, ...] = ()


GROUPS: tuple[tuple[str | Promise, tuple[NativeField, ...]], ...] = (
    (
        _("Deal"),
        (
            NativeField("deal.title", Kind.TEXT, _("Title")),
            NativeField("deal.value", Kind.MONEY, _("Value")),
            NativeField("deal.currency", Kind.TEXT, _("Currency")),
            NativeField("deal.pipeline", Kind.TEXT, _("Pipeline")),
            NativeField("deal.pipeline_id", Kind.WHOLE, _("Pipeline’s id")),
            NativeField("deal.stage", Kind.TEXT, _("Stage")),
            NativeField("deal.stage_id", Kind.WHOLE, _("Stage’s id")),
            NativeField("deal.status", Kind.CHOICE, _("Status"), ("open", "won", "lost")),
            NativeField("deal.lost_reason", Kind.TEXT, _("Lost reason")),
            NativeField("deal.owner", Kind.EMAIL, _("Owner’s e-mail")),
            NativeField("deal.source", Kind.TEXT, _("Source")),
            NativeField("deal.expected_close_on", Kind.DAY, _("Expected close")),
            NativeField("deal.add_tags", Kind.TEXTS, _("Tags to add")),
            NativeField("deal.remove_tags", Kind.TEXTS, _("Tags to remove")),
            NativeField("deal.external_ids", Kind.ANY, _("External ids")),
            NativeField("deal.custom_fields", Kind.ANY, _("Custom fields")),
            NativeField("deal.external_ids.", Kind.TEXT, _("External id")),
            NativeField("deal.custom_fields.", Kind.ANY, _("Custom field")),
        ),
    ),
    (
        _("Contact"),
        (
            NativeField("contact.name", Kind.TEXT, _("Name")),
            NativeField("contact.emails", Kind.EMAILS, _("E-mails")),
            NativeField("contact.phones", Kind.PHONES, _("Phones")),
            NativeField("contact.tax_id", Kind.TAX_ID, "CPF"),
            NativeField("contact.job_title", Kind.TEXT, _("Job title")),
            NativeField("contact.external_ids", Kind.ANY, _("External ids")),
            NativeField("contact.custom_fields", Kind.ANY, _("Custom fields")),
            NativeField("contact.external_ids.", Kind.TEXT, _("External id")),
            NativeField("contact.custom_fields.", Kind.ANY, _("Custom field")),
        ),
    ),
    (
        _("Company"),
        (
            NativeField("company.name", Kind.TEXT, _("Name")),
            NativeField("company.tax_id", Kind.TAX_ID, "CNPJ"),
            NativeField("company.domain", Kind.TEXT, _("Domain")),
            NativeField("company.external_ids", Kind.ANY, _("External ids")),
            NativeField("company.custom_fields", Kind.ANY, _("Custom fields")),
            NativeField("company.external_ids.", Kind.TEXT, _("External id")),
            NativeField("company.custom_fields.", Kind.ANY, _("Custom field")),
        ),
    ),
    (
        _("Which deal is meant"),
        (
            NativeField("match.deal_id", Kind.WHOLE, _("Our deal’s id")),
            NativeField("match.external_id.system", Kind.TEXT, _("System of the external id")),
            NativeField("match.external_id.id", Kind.TEXT, _("External id")),
            NativeField("match.tax_id", Kind.TAX_ID, _("CPF or CNPJ")),
            NativeField("match.email", Kind.EMAIL, _("E-mail")),
            NativeField("match.phone", Kind.PHONE, _("Phone")),
            NativeField("match.by", Kind.CHOICE, _("Looked for by"), ("any", "ids", "nothing")),
            NativeField("match.status", Kind.CHOICE, _("Only among"), ("open", "won", "lost")),
            NativeField("if_missing", Kind.CHOICE, _("If none is found"), ("create", "ignore", "reject")),
        ),
    ),
    (
        _("Event"),
        (
            NativeField("event_id", Kind.TEXT, _("The event’s id")),
            NativeField("occurred_at", Kind.MOMENT, _("When it happened")),
        ),
    ),
    (
        _("Activity"),
        (
            NativeField("activity.kind", Kind.CHOICE, _("Kind"), ("note", "task", "meeting", "email")),
            NativeField("activity.subject", Kind.TEXT, _("Subject")),
            NativeField("activity.body", Kind.TEXT, _("Text")),
            NativeField("activity.due_at", Kind.MOMENT, _("Due")),
        ),
    ),
    (
        _("Call"),
        (
            NativeField("call.external_id", Kind.TEXT, _("The call’s id")),
            NativeField("call.direction", Kind.CHOICE, _("Direction"), ("in", "out")),
            NativeField("call.from_number", Kind.PHONE, _("From")),
            NativeField("call.to_number", Kind.PHONE, _("To")),
            NativeField("call.started_at", Kind.MOMENT, _("Started")),
            NativeField("call.duration_seconds", Kind.WHOLE, _("Duration (s)")),
            NativeField("call.status", Kind.TEXT, _("Status")),
            NativeField("call.recording_url", Kind.TEXT, _("Recording")),
            NativeField("call.agent", Kind.EMAIL, _("Agent’s e-mail")),
        ),
    ),
    (
        _("Subscription"),
        (
            NativeField("subscription.external_id", Kind.TEXT, _("The subscription’s id")),
            NativeField("subscription.plan", Kind.TEXT, _("Plan")),
            NativeField(
                "subscription.status",
                Kind.CHOICE,
                _("Status"),
                ("trial", "active", "past_due", "paused", "cancelled"),
            ),
            NativeField("subscription.amount", Kind.MONEY, _("Amount")),
            NativeField("subscription.currency", Kind.TEXT, _("Currency")),
            NativeField("subscription.renews_on", Kind.DAY, _("Renews on")),
        ),
    ),
)
_FIELDS = {field.path: field for _label, fields in GROUPS for field in fields}
_FREE = tuple(path for path in _FIELDS if path.endswith("."))


def field_at(path: str) -> NativeField | None:
    """The field of that path, None where a document has none."""
    if found := _FIELDS.get(path):
        return None if path.endswith(".") else found
    group = next((group for group in _FREE if path.startswith(group)), "")
    return _FIELDS[group] if group else None


def keys_of(path: str) -> list[str]:
    """The way through the document; what is free may hold full stops itself."""
    for group in _FREE:
        if path.startswith(group):
            return [*group.rstrip(".").split("."), path.removeprefix(group)]
    return path.split(".")


def fitted(field: NativeField, value: Any) -> Any:
    """What the expression gave, in the form the document asks for; None for nothing.

    Only what needs no guessing is brought into form: a number where a text is wanted, a single value where a list
    is. The rest is judged by the document.
    """
    if value == CLEAR:
        return value
    return _FITTED.get(field.kind, _plain)(value)


def _plain(value: Any) -> Any:
    """As it is, with exact numbers for the ones JMESPath reckons with; an empty text is nothing."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return None if isinstance(value, str) and not value.strip() else value


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | float) else _plain(value)


def _texts(value: Any) -> Any:
    items = [_text(item) for item in (value if isinstance(value, list) else [value])]
    return [item for item in items if item is not None] or None


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else _plain(value)


def _choice(value: Any) -> Any:
    return value.strip() or None if isinstance(value, str) else _plain(value)


_FITTED: dict[Kind, Callable[[Any], Any]] = {
    **dict.fromkeys((Kind.TEXT, Kind.EMAIL, Kind.PHONE, Kind.TAX_ID), _text),
    **dict.fromkeys((Kind.TEXTS, Kind.EMAILS, Kind.PHONES), _texts),
    Kind.WHOLE: _whole,
    Kind.CHOICE: _choice,
}
