"""Which deal, contact and company a document speaks of. Nothing is ever matched on an empty value."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import connection
from django.db.models import Case, Q, Value, When

from crm.models import Company, Contact, Deal, Pipeline
from webhooks.documents import Document

_MOBILE = re.compile(r"(\+55\d\d)9(\d{8})")
_MOBILE_WITHOUT_NINTH = re.compile(r"(\+55\d\d)([6-9]\d{7})")
_CPF_LENGTH = 11


@dataclass(frozen=True, slots=True)
class Identity:
    """All that a document says about who and what it means. Each collection is sorted."""

    deal_id: int | None
    external_ids: tuple[tuple[str, str], ...]
    records: Q
    record_names: tuple[str, ...]
    tax_ids: tuple[str, ...]
    emails: tuple[str, ...]
    phones: tuple[str, ...]
    domain: str
    company_name: str

    @property
    def person_tax_id(self) -> str:
        return next((number for number in self.tax_ids if len(number) == _CPF_LENGTH), "")

    @property
    def company_tax_id(self) -> str:
        return next((number for number in self.tax_ids if len(number) > _CPF_LENGTH), "")

    @property
    def names_a_person(self) -> bool:
        return bool(self.emails or self.phones or self.person_tax_id)


def identity_of(document: Document, *, system: str) -> Identity:
    """What `match` says, and what stands in the parts themselves. `system` is whose call and plan ids are meant."""
    match, deal = document.get("match", {}), document.get("deal", {})
    contact, company = document.get("contact", {}), document.get("company", {})
    external_ids = {name: value for name, value in deal.get("external_ids", {}).items() if value}
    if reference := match.get("external_id"):
        external_ids[reference["system"]] = reference["id"]
    return Identity(
        deal_id=match.get("deal_id"),
        external_ids=tuple(sorted(external_ids.items())),
        records=_known_records(document, system=system),
        record_names=_record_names(document, system=system),
        tax_ids=_present(match.get("tax_id"), company.get("tax_id")),
        emails=_present(match.get("email"), *contact.get("emails", [])),
        phones=_present(match.get("phone"), _caller(document), *contact.get("phones", [])),
        domain=company.get("domain", ""),
        company_name=company.get("name", ""),
    )


def _present(*values: str | None) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))


def _caller(document: Document) -> str | None:
    """The number of the other side of a call."""
    call = document.get("call", {})
    outgoing = call.get("direction") == "out"
    number: str | None = call.get("to_number" if outgoing else "from_number")
    return number


def _known_records(document: Document, *, system: str) -> Q:
    """The deal that an earlier report of the same call or subscription was put down to."""
    known = Q()
    for part, relation in (("call", "calls"), ("subscription", "subscriptions")):
        if external_id := document.get(part, {}).get("external_id"):
            known |= Q(**{f"{relation}__system": system, f"{relation}__external_id": external_id})
    return known


def _record_names(document: Document, *, system: str) -> tuple[str, ...]:
    """What the sender calls the call and the subscription, each name unlike any other."""
    parts = ((part, document.get(part, {}).get("external_id")) for part in ("call", "subscription"))
    return tuple(f"{part}:{system}:{external_id}" for part, external_id in parts if external_id)


def phone_variants(phone: str) -> list[str]:
    """The number as it is and, for a Brazilian mobile, also with or without its ninth digit."""
    if found := _MOBILE.fullmatch(phone):
        return [phone, found[1] + found[2]]
    if found := _MOBILE_WITHOUT_NINTH.fullmatch(phone):
        return [phone, f"{found[1]}9{found[2]}"]
    return [phone]


def all_phone_variants(phones: Iterable[str]) -> list[str]:
    return [variant for phone in phones for variant in phone_variants(phone)]


def lock_identity(identity: Identity) -> None:
    """Make whoever speaks of the same person, company, call or foreign number wait until our transaction ends.

    Two first requests for one new contact at the same moment so make one contact and one deal. The locks are taken
    in one order everywhere, so that two callers never wait for each other.
    """
    numbers = sorted({_lock_number(name) for name in _lock_names(identity)})
    with connection.cursor() as cursor:
        for number in numbers:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def _lock_names(identity: Identity) -> Iterator[str]:
    yield from (f"external:{system}:{value}" for system, value in identity.external_ids)
    yield from identity.record_names
    yield from (f"tax:{number}" for number in identity.tax_ids)
    yield from (f"email:{email}" for email in identity.emails)
    yield from (f"phone:{min(phone_variants(phone))}" for phone in identity.phones)
    if identity.domain:
        yield f"domain:{identity.domain}"
    if identity.company_name:
        yield f"company:{identity.company_name}"


def _lock_number(name: str) -> int:
    digest = hashlib.blake2b(f"stagehook:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def find_deal(identity: Identity, *, pipeline: Pipeline | None) -> Deal | None:
    """The deal meant, by the surest key that finds one: our id, a foreign id, tax id, e-mail, phone.

    Of several, an open one comes first, then the newest. Who a person or company is says little about which of
    their deals is meant, so where the document names a `pipeline`, those keys look only there.
    """
    anywhere = Deal.objects.all()
    there = anywhere.filter(pipeline=pipeline) if pipeline else anywhere
    for deals, key in (
        (anywhere, Q(pk=identity.deal_id) if identity.deal_id else Q()),
        *((anywhere, _has_external_id(system, value)) for system, value in identity.external_ids),
        (anywhere, identity.records),
        (there, _where("tax_id__in", identity.tax_ids, company=True)),
        (there, _where("emails__overlap", identity.emails)),
        (there, _where("phones__overlap", all_phone_variants(identity.phones))),
    ):
        if key and (deal := deals.filter(key).order_by(_OPEN_FIRST, "-created_at", "-pk").first()):
            return deal
    return None


_OPEN_FIRST = Case(When(status=Deal.Status.OPEN, then=Value(0)), default=Value(1))


def _has_external_id(system: str, value: str) -> Q:
    return Q(external_id_rows__system=system, external_id_rows__value=value)


def _where(lookup: str, values: Iterable[str], *, company: bool = False) -> Q:
    """Whose contact (or company) has one of the values; an empty Q where there are none."""
    wanted = list(values)
    if not wanted:
        return Q()
    key = Q(**{f"contact__{lookup}": wanted})
    return key | Q(**{f"company__{lookup}": wanted}) if company else key


def find_contact(identity: Identity) -> Contact | None:
    """The contact with that CPF, else e-mail, else phone; of several the one known longest."""
    phones = all_phone_variants(identity.phones)
    for key in (
        Q(tax_id=identity.person_tax_id) if identity.person_tax_id else Q(),
        Q(emails__overlap=list(identity.emails)) if identity.emails else Q(),
        Q(phones__overlap=phones) if phones else Q(),
    ):
        if key and (contact := Contact.objects.filter(key).order_by("pk").first()):
            return contact
    return None


def find_company(identity: Identity) -> Company | None:
    """The company with that CNPJ, else domain, else exactly that name, unless its CNPJ says that it is another."""
    for key in (
        Q(tax_id=identity.company_tax_id) if identity.company_tax_id else Q(),
        Q(domain=identity.domain) if identity.domain else Q(),
        Q(name=identity.company_name) if identity.company_name else Q(),
    ):
        companies = Company.objects.filter(key).order_by("pk") if key else Company.objects.none()
        if company := next(filter(lambda row: not contradicts(row, identity), companies[:20]), None):
            return company
    return None


def contradicts(company: Company, identity: Identity) -> bool:
    """Whether both have a CNPJ and they differ."""
    return bool(company.tax_id and identity.company_tax_id and company.tax_id != identity.company_tax_id)
