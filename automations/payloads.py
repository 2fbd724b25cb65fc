"""The standard document: what a receiver learns of an event, as bytes that never change afterwards."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from automations.models import Rule
from crm.actors import Actor
from crm.deals.edits import external_ids
from crm.models import Company, Contact, Deal, User

PREFETCHED = ("stage", "pipeline", "owner", "contact", "company", "source", "tags", "external_id_rows")


def standard_document(  # noqa: PLR0913  # an event is all of this, and all by name
    *,
    event: str,
    deal: Deal,
    before: Mapping[str, Any],
    actor: Actor,
    sequence: int,
    rule: Rule | None,
    at: datetime,
    about: Mapping[str, Any] | None = None,
    test: bool = False,
) -> dict[str, Any]:
    """The payload of `event` as JSON values; see docs/receiving.md for each field."""
    return {
        "type": event,
        "version": 1,
        "timestamp": iso(at),
        "data": {
            "deal": deal_document(deal),
            "previous": dict(before),
            "changed_by": actor.as_json(),
            "sequence": sequence,
            "rule": {"id": rule.pk, "name": rule.name} if rule else None,
            **(about or {}),
        },
        "test": test,
    }


def freeze(document: Any) -> bytes:
    """A JSON value as bytes in UTF-8, without spaces."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def deal_document(deal: Deal) -> dict[str, Any]:
    return {
        "id": deal.pk,
        "title": deal.title,
        "value": f"{deal.value:.2f}",
        "currency": deal.currency,
        "status": deal.status,
        "pipeline": {"id": deal.pipeline_id, "name": deal.pipeline.name},
        "stage": {"id": deal.stage_id, "name": deal.stage.name},
        "owner": _owner(deal.owner),
        "contact": _contact(deal.contact),
        "company": _company(deal.company),
        "tags": sorted(tag.name for tag in deal.tags.all()),
        "source": deal.source.name if deal.source else None,
        "lost_reason": deal.lost_reason.name if deal.lost_reason else None,
        "custom_fields": deal.custom_fields,
        "external_ids": external_ids(deal),
        "version": deal.version,
        "created_at": iso(deal.created_at),
        "updated_at": iso(deal.updated_at),
        "stage_entered_at": iso(deal.stage_entered_at),
        "closed_at": iso(deal.closed_at) if deal.closed_at else None,
        "expected_close_on": _day(deal.expected_close_on),
    }


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _owner(user: User | None) -> dict[str, Any] | None:
    return {"id": user.pk, "name": user.name, "email": user.email} if user else None


def _contact(contact: Contact | None) -> dict[str, Any] | None:
    if contact is None:
        return None
    return {"id": contact.pk, "name": contact.name, "emails": contact.emails, "phones": contact.phones}


def _company(company: Company | None) -> dict[str, Any] | None:
    return {"id": company.pk, "name": company.name, "tax_id": company.tax_id} if company else None
