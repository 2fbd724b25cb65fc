"""Writes the contact and the company of a document: found and completed, or made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from crm.actors import Actor
from crm.contacts import create_company, create_contact, update_company, update_contact
from crm.merging import survivor_of
from crm.models import Company, Contact, Deal
from crm.phones import all_phone_variants
from webhooks.documents import Document
from webhooks.filling import without_filled
from webhooks.matching import (
    Identity,
    contradicts,
    find_company,
)
from webhooks.snapshots import of_party

Party = TypeVar("Party", Contact, Company)
_EMPTY = {"emails": [], "phones": [], "tax_id": "", "job_title": "", "domain": ""}


@dataclass(frozen=True, slots=True)
class Written(Generic[Party]):
    """A contact or company as it is now, and what a reader would have seen of it before: nothing of a new one."""

    row: Party
    before: Mapping[str, Any]


def write_company(
    document: Document, identity: Identity, *, deal: Deal | None, actor: Actor
) -> Written[Company] | None:
    """The company of the document with what is told of it, or None where no company is spoken of."""
    told = dict(document.get("company", {}))
    if identity.company_tax_id:
        told["tax_id"] = identity.company_tax_id
    if not told:
        return None
    company = find_company(identity)
    if company is None and deal is not None and deal.company and not contradicts(deal.company, identity):
        company = deal.company
    if company is not None:

        def complete(row: Company) -> Written[Company]:
            fields = _emptied(without_filled(told, document, part="company", row=row))
            return Written(update_company(company_id=row.pk, actor=actor, fields=fields), of_party(row))

        return _merged_or_not(company, complete)
    name = (
        identity.domain or identity.company_tax_id or next((value for _, value in identity.company_ids), "")
    )
    return Written(create_company(actor=actor, fields=_emptied({"name": name, **told})), {})


def write_contact(
    document: Document, identity: Identity, *, known: Contact | None, company: Company | None, actor: Actor
) -> Written[Contact] | None:
    """The contact of the document with what is told of it, or None where no person is spoken of. `known` is who is
    meant, as far as we know that person.

    New e-mails and phones join those that are known.
    """
    told = dict(document.get("contact", {}))
    if known is not None:

        def complete(row: Contact) -> Written[Contact]:
            news = without_filled(told, document, part="contact", row=row)
            return Written(_complete(row, news, company=company, actor=actor), of_party(row))

        return _merged_or_not(known, complete)
    if not told and not identity.names_a_person:
        return None
    known_as = identity.emails + identity.phones + (identity.person_tax_id,)
    fields: dict[str, Any] = {
        "name": next(filter(None, known_as), "") or next((value for _, value in identity.contact_ids), ""),
        **_emptied(told),
        "emails": list(identity.emails),
        "phones": list(identity.phones),
        "tax_id": identity.person_tax_id,
        "company": company,
    }
    return Written(create_contact(actor=actor, fields=fields), {})


def _merged_or_not(row: Party, complete: Callable[[Party], Written[Party]]) -> Written[Party]:
    """Complete a row under its lock; where it was merged into another one since it was found, that one."""
    try:
        return complete(row)
    except type(row).DoesNotExist:
        survivor = survivor_of(type(row), row.pk)
        if survivor is None:
            raise
        return complete(survivor)


def _complete(contact: Contact, told: dict[str, Any], *, company: Company | None, actor: Actor) -> Contact:
    if not told:  # nothing to write, but it shall not be merged away until we are done
        return Contact.objects.select_for_update(no_key=True).get(pk=contact.pk)
    known_phones = set(all_phone_variants(contact.phones))
    emails = [email for email in told.get("emails") or [] if email not in contact.emails]
    phones = [phone for phone in told.get("phones") or [] if phone not in known_phones]
    fields = {
        **_emptied(told),
        "emails": [] if _is_emptied("emails", told) else [*contact.emails, *emails],
        "phones": [] if _is_emptied("phones", told) else [*contact.phones, *phones],
    }
    if contact.company_id is None and company is not None:
        fields["company"] = company
    return update_contact(contact_id=contact.pk, actor=actor, fields=fields)


def _is_emptied(name: str, told: Mapping[str, Any]) -> bool:
    return name in told and told[name] is None


def _emptied(told: Mapping[str, Any]) -> dict[str, Any]:
    """With None, which says that a field shall be emptied, as the value that an empty field has."""
    return {name: _EMPTY[name] if value is None else value for name, value in told.items()}
