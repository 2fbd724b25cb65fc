"""Which deal, contact and company a document speaks of. Nothing is ever matched on an empty value."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Case, Q, QuerySet, Value, When

from crm.models import Company, Contact, Deal
from crm.phones import all_phone_variants, phone_variants
from webhooks.documents import Document

_CPF_LENGTH = 11
MOST_CANDIDATES = 20

Row = TypeVar("Row", Contact, Company)


@dataclass(frozen=True, slots=True)
class Identity:
    """All that a document says about who and what it means. Each collection is sorted."""

    deal_id: int | None
    by: str
    status: str
    external_ids: tuple[tuple[str, str], ...]
    own_systems: tuple[str, ...]
    contact_ids: tuple[tuple[str, str], ...]
    company_ids: tuple[tuple[str, str], ...]
    records: tuple[Q, ...]
    record_names: tuple[str, ...]
    person_tax_id: str
    company_tax_id: str
    emails: tuple[str, ...]
    phones: tuple[str, ...]
    domain: str
    company_name: str

    @property
    def names_a_person(self) -> bool:
        return bool(self.emails or self.phones or self.person_tax_id or self.contact_ids)


def identity_of(document: Document, *, system: str) -> Identity:
    """What `match` says, and what stands in the parts themselves. `system` is whose call and plan ids are meant."""
    match, deal = document.get("match", {}), document.get("deal", {})
    contact, company = document.get("contact", {}), document.get("company", {})
    external_ids, number = dict(_ids(deal)), match.get("tax_id", "")
    if reference := match.get("external_id"):
        external_ids[reference["system"]] = reference["id"]
    return Identity(
        deal_id=match.get("deal_id"),
        by=match.get("by", "any"),
        status=match.get("status", ""),
        external_ids=tuple(sorted(external_ids.items())),
        own_systems=tuple(system for system, _value in _ids(deal)),
        contact_ids=_ids(contact),
        company_ids=_ids(company),
        records=tuple(_known_records(document, system=system)),
        record_names=tuple(_record_names(document, system=system)),
        person_tax_id=contact.get("tax_id") or (number if len(number) == _CPF_LENGTH else ""),
        company_tax_id=company.get("tax_id") or (number if len(number) != _CPF_LENGTH else ""),
        emails=_present(match.get("email"), *(contact.get("emails") or [])),
        phones=_present(match.get("phone"), _other_side(document), *(contact.get("phones") or [])),
        domain=company.get("domain") or "",
        company_name=company.get("name", ""),
    )


def _ids(part: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in part.get("external_ids", {}).items() if value))


def _present(*values: str | None) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))


def _other_side(document: Document) -> str | None:
    """The number that is not ours in a call."""
    call = document.get("call", {})
    outgoing = call.get("direction") == "out"
    number: str | None = call.get("to_number" if outgoing else "from_number")
    return number


def _known_records(document: Document, *, system: str) -> Iterator[Q]:
    """The deal that an earlier report of the same call or subscription was put down to."""
    for part, relation in (("call", "calls"), ("subscription", "subscriptions")):
        if external_id := document.get(part, {}).get("external_id"):
            yield Q(**{f"{relation}__system": system, f"{relation}__external_id": external_id})


def _record_names(document: Document, *, system: str) -> Iterator[str]:
    """What the sender calls the call and the subscription, each name unlike any other."""
    for part in ("call", "subscription"):
        if external_id := document.get(part, {}).get("external_id"):
            yield f"{part}:{system}:{external_id}"


def lock_identities(identities: Iterable[Identity]) -> None:
    """Make whoever speaks of the same people, companies, calls or foreign numbers wait until our transaction ends.

    Two first requests for one new contact at the same moment so make one contact and one deal. The locks are taken
    in one order everywhere, so that two callers never wait for each other.
    """
    numbers = sorted({_lock_number(name) for identity in identities for name in _lock_names(identity)})
    if numbers:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(number) FROM unnest(%s::bigint[]) AS number", [numbers]
            )


def _lock_names(identity: Identity) -> Iterator[str]:
    for kind in ("external", "contact", "company"):
        ids = getattr(identity, f"{kind}_ids")
        yield from (f"{kind}:{system}:{value}" for system, value in ids)
    yield from identity.record_names
    yield from (f"tax:{number}" for number in _present(identity.person_tax_id, identity.company_tax_id))
    yield from (f"email:{email}" for email in identity.emails)
    yield from (f"phone:{min(phone_variants(phone))}" for phone in identity.phones)
    if identity.domain:
        yield f"domain:{identity.domain}"
    if identity.company_name:
        yield f"name:{identity.company_name}"


def _lock_number(name: str) -> int:
    digest = hashlib.blake2b(f"stagehook:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def find_deals(identity: Identity, *, contact: Contact | None, pipeline_id: int | None) -> list[int]:
    """The ids of the deals that may be meant, by the surest key that finds any: our id, a foreign id, tax id, e-mail,
    phone. Open ones come first, then the newest.

    Who a person or company is says little about which of their deals is meant, so these keys look only in
    `pipeline_id` where there is one, and pass over what is another order, opportunity … of the same system: a deal
    that has an id there already. One query, however many keys there are; none for a person whom nobody knows
    (`contact` is what `find_contact` finds).
    """
    if identity.by == "nothing":
        return []
    everywhere = Deal.objects.order_by(_OPEN_FIRST, "-created_at", "-pk")
    anywhere = everywhere.filter(status=identity.status) if identity.status else everywhere
    there = anywhere.filter(pipeline=pipeline_id) if pipeline_id else anywhere.all()
    if identity.own_systems:
        there = there.exclude(external_id_rows__system__in=identity.own_systems)
    keys = [
        (everywhere, Q(pk=identity.deal_id) if identity.deal_id else Q()),
        *((anywhere, _has_external_id(system, value)) for system, value in identity.external_ids),
        *((everywhere, key) for key in identity.records),
        (there, _where("tax_id", identity.person_tax_id)),
        (there, Q(company__tax_id=identity.company_tax_id) if identity.company_tax_id else Q()),
        *((there, _has_external_id(*each, of="contact__")) for each in identity.contact_ids),
        *((there, _has_external_id(*each, of="company__")) for each in identity.company_ids),
        (there, _where("emails__overlap", list(identity.emails))),
        (there, _where("phones__overlap", all_phone_variants(identity.phones))),
    ]
    if identity.by == "ids":
        keys = [(deals, key) for deals, key in keys if deals is not there]
    if contact is None:
        keys = [(deals, key) for deals, key in keys if not _is_of_a_person(key)]
    found = [
        deals.filter(key)
        .annotate(sure=Value(place))
        .values_list("sure", "pk", "status", "created_at")[:MOST_CANDIDATES]
        for place, (deals, key) in enumerate(keys)
        if key
    ]
    if not found:
        return []
    rows = set(found[0].union(*found[1:], all=True) if found[1:] else found[0])
    surest = min((row[0] for row in rows), default=None)
    meant = sorted((row for row in rows if row[0] == surest), key=lambda row: (row[3], row[1]), reverse=True)
    meant.sort(key=lambda row: row[2] != Deal.Status.OPEN)
    return [pk for _sure, pk, _status, _created_at in meant]


_OPEN_FIRST = Case(When(status=Deal.Status.OPEN, then=Value(0)), default=Value(1))


def _has_external_id(system: str, value: str, *, of: str = "") -> Q:
    return Q(**{f"{of}external_id_rows__system": system, f"{of}external_id_rows__value": value})


def _where(lookup: str, value: Any) -> Q:
    """Whose contact has that; an empty Q where it is nothing."""
    return Q(**{f"contact__{lookup}": value}) if value else Q()


def _is_of_a_person(key: Q) -> bool:
    return any(isinstance(child, tuple) and child[0].startswith("contact__") for child in key.children)


def find_contact(identity: Identity) -> Contact | None:
    """The contact with that foreign id, else that CPF, else e-mail, else phone; of several the one known longest."""
    if identity.contact_ids:
        with_id = Contact.objects.filter(_any(_has_external_id(*each) for each in identity.contact_ids))
        if contact := with_id.order_by("pk").first():
            return contact
    phones = all_phone_variants(identity.phones)
    return _surest(
        Contact.objects.all(),
        Q(tax_id=identity.person_tax_id) if identity.person_tax_id else Q(),
        Q(emails__overlap=list(identity.emails)) if identity.emails else Q(),
        Q(phones__overlap=phones) if phones else Q(),
    ).first()


def find_company(identity: Identity) -> Company | None:
    """The company with that foreign id, else CNPJ, else domain, else exactly that name, unless its CNPJ says that it
    is another.
    """
    if identity.company_ids:
        with_id = Company.objects.filter(_any(_has_external_id(*each) for each in identity.company_ids))
        if company := with_id.order_by("pk").first():
            return company
    companies = _surest(
        Company.objects.all(),
        Q(tax_id=identity.company_tax_id) if identity.company_tax_id else Q(),
        Q(domain=identity.domain) if identity.domain else Q(),
        Q(name=identity.company_name) if identity.company_name else Q(),
    )
    return next((row for row in companies[:MOST_CANDIDATES] if not contradicts(row, identity)), None)


def _surest(rows: QuerySet[Row], *keys: Q) -> QuerySet[Row]:
    """Those that any of the keys finds, by the first key that does, then by age. No key finds nobody."""
    known = [key for key in keys if key]
    if not known:
        return rows.none()
    if len(known) == 1:
        return rows.filter(known[0]).order_by("pk")
    sure = Case(*(When(key, then=Value(place)) for place, key in enumerate(known)))
    return rows.filter(_any(known)).order_by(sure, "pk")


def _any(keys: Iterable[Q]) -> Q:
    found = Q()
    for key in keys:
        found |= key
    return found


def contradicts(company: Company, identity: Identity) -> bool:
    """Whether both have a CNPJ and they differ."""
    return bool(company.tax_id and identity.company_tax_id and company.tax_id != identity.company_tax_id)
