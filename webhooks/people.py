"""Writes the contact and the company of a document: found and completed, or made."""

from typing import Any

from crm.actors import Actor
from crm.contacts import create_company, create_contact, update_company, update_contact
from crm.models import Company, Contact, Deal
from webhooks.documents import Document
from webhooks.matching import (
    Identity,
    all_phone_variants,
    contradicts,
    find_company,
    find_contact,
)


def write_company(
    document: Document, identity: Identity, *, deal: Deal | None, actor: Actor
) -> Company | None:
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
        return update_company(company_id=company.pk, actor=actor, fields=told)
    name = identity.domain or identity.company_tax_id
    return create_company(actor=actor, fields={"name": name, **told})


def write_contact(
    document: Document, identity: Identity, *, deal: Deal | None, company: Company | None, actor: Actor
) -> Contact | None:
    """The contact of the document with what is told of it, or None where no person is spoken of.

    New e-mails and phones join those that are known.
    """
    told = dict(document.get("contact", {}))
    contact = find_contact(identity) or (deal.contact if deal else None)
    if contact is not None:
        return _complete(contact, told, company=company, actor=actor) if told else contact
    if not told and not identity.names_a_person:
        return None
    fields: dict[str, Any] = {
        "name": next(iter(identity.emails + identity.phones), identity.person_tax_id),
        **told,
        "emails": list(identity.emails),
        "phones": list(identity.phones),
        "tax_id": identity.person_tax_id,
        "company": company,
    }
    return create_contact(actor=actor, fields=fields)


def _complete(contact: Contact, told: dict[str, Any], *, company: Company | None, actor: Actor) -> Contact:
    known_phones = set(all_phone_variants(contact.phones))
    emails = [email for email in told.pop("emails", []) if email not in contact.emails]
    phones = [phone for phone in told.pop("phones", []) if phone not in known_phones]
    fields = {**told, "emails": [*contact.emails, *emails], "phones": [*contact.phones, *phones]}
    if contact.company is None and company is not None:
        fields["company"] = company
    return update_contact(contact_id=contact.pk, actor=actor, fields=fields)
