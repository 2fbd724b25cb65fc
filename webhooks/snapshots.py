"""What a request changed, as a person reads it: the deal before and after, by field."""

from collections.abc import Iterator, Mapping
from typing import Any

from crm.deals.edits import external_ids
from crm.models import Company, Contact, Deal

Changes = dict[str, list[Any]]


def snapshot(deal: Deal) -> dict[str, Any]:
    """`{"deal.stage": "New", "contact.emails": […], …}` as the database has it now."""
    fresh = Deal.objects.select_related(
        "pipeline", "stage", "owner", "source", "lost_reason", "contact", "company"
    ).get(pk=deal.pk)
    return dict(
        [*_of_deal(fresh), *_of_contact(fresh.contact), *_of_company(fresh.company)],
    )


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """`{path: [before, after]}` of what differs; an empty value and none at all are the same."""
    return {
        path: [before.get(path), after.get(path)]
        for path in sorted(before.keys() | after.keys())
        if (before.get(path) or None) != (after.get(path) or None)
    }


def _of_deal(deal: Deal) -> Iterator[tuple[str, Any]]:
    yield "deal.title", deal.title
    yield "deal.pipeline", deal.pipeline.name
    yield "deal.stage", deal.stage.name
    yield "deal.status", deal.status
    yield "deal.value", f"{deal.value:.2f}"
    yield "deal.currency", deal.currency
    yield "deal.owner", deal.owner and deal.owner.email
    yield "deal.source", deal.source and deal.source.name
    yield "deal.lost_reason", deal.lost_reason and deal.lost_reason.name
    yield "deal.contact", deal.contact and deal.contact.name
    yield "deal.company", deal.company and deal.company.name
    yield "deal.tags", sorted(deal.tags.values_list("name", flat=True))
    yield from ((f"deal.custom_fields.{key}", value) for key, value in deal.custom_fields.items())
    yield from ((f"deal.external_ids.{system}", value) for system, value in external_ids(deal).items())


def _of_contact(contact: Contact | None) -> Iterator[tuple[str, Any]]:
    if contact is None:
        return
    for name in ("name", "emails", "phones", "tax_id", "job_title"):
        yield f"contact.{name}", getattr(contact, name)


def _of_company(company: Company | None) -> Iterator[tuple[str, Any]]:
    if company is None:
        return
    for name in ("name", "domain", "tax_id"):
        yield f"company.{name}", getattr(company, name)
