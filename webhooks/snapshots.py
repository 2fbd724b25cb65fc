"""What a request changed, as a person reads it: the deal before and after, by field. Asks the database for nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crm.models import Company, Contact, Deal

Changes = dict[str, list[Any]]
_CONTACT: Sequence[str] = ("name", "emails", "phones", "tax_id", "job_title")
_COMPANY: Sequence[str] = ("name", "domain", "tax_id")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """`{path: [before, after]}` of what differs; an empty value and none at all are the same."""
    return {
        path: [before.get(path), after.get(path)]
        for path in sorted(before.keys() | after.keys())
        if (before.get(path) or None) != (after.get(path) or None)
    }


def of_deal(deal: Deal, *, tags: Iterable[str], external_ids: Mapping[str, str]) -> dict[str, Any]:
    """`{"deal.stage": "New", …}` of a deal that was loaded with what it refers to."""
    return {
        "deal.title": deal.title,
        "deal.pipeline": deal.pipeline.name,
        "deal.stage": deal.stage.name,
        "deal.status": deal.status,
        "deal.value": f"{deal.value:.2f}",
        "deal.currency": deal.currency,
        "deal.owner": deal.owner and deal.owner.email,
        "deal.source": deal.source and deal.source.name,
        "deal.expected_close_on": deal.expected_close_on and deal.expected_close_on.isoformat(),
        "deal.lost_reason": deal.lost_reason and deal.lost_reason.name,
        "deal.contact": deal.contact and deal.contact.name,
        "deal.company": deal.company and deal.company.name,
        "deal.tags": sorted(tags),
        **{f"deal.custom_fields.{key}": value for key, value in deal.custom_fields.items()},
        **{f"deal.external_ids.{system}": value for system, value in external_ids.items()},
    }


def of_party(party: Contact | Company) -> dict[str, Any]:
    """`{"contact.emails": […], …}` of a contact, or the like of a company."""
    part = "contact" if isinstance(party, Contact) else "company"
    names = _CONTACT if isinstance(party, Contact) else _COMPANY
    custom = {f"{part}.custom_fields.{key}": value for key, value in party.custom_fields.items()}
    return {**{f"{part}.{name}": getattr(party, name) for name in names}, **custom}


def plain(value: Any) -> str:
    """A changed value as people read it; a dash for none."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "—"
    return "—" if value is None or value == "" else str(value)
