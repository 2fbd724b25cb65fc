"""The one door for writes to contacts and companies, whatever road they come by.

Each verb is one transaction: it locks the row, brings every value into the form it is kept in, writes the row and
its history. Fields left out stay as they are, and values equal to the present ones change nothing.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.core.validators import DomainNameValidator, validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from stdnum.br import cnpj, cpf
from stdnum.exceptions import ValidationError as NumberError

from crm.actors import Actor
from crm.edits import RowEdit, attach, change_row, check_later, fields_of_new
from crm.models import Change, Company, Contact
from crm.phones import to_e164
from crm.refusals import InvalidFields, Stale

__all__ = [
    "ChangedMeanwhile",
    "InvalidFields",
    "Newcomer",
    "apply_fields",
    "create_company",
    "create_contact",
    "delete_companies",
    "delete_company",
    "delete_contact",
    "delete_contacts",
    "new_company",
    "new_contact",
    "normal_domain",
    "normal_email",
    "normal_tax_id",
    "refuse_changed",
    "save_new",
    "update_company",
    "update_contact",
]

Party = TypeVar("Party", Contact, Company)


@dataclass(frozen=True, slots=True)
class Newcomer(Generic[Party]):
    """A contact or company that was checked and is not saved yet; `later` is what needs its id."""

    row: Party
    at: datetime
    later: Mapping[str, Any]


def create_contact(*, actor: Actor, fields: Mapping[str, Any]) -> Contact:
    """Make a contact. Raises InvalidFields.

    `fields`: name (needed), emails, phones, tax_id, company (an instance or None), job_title, tags (names),
    custom_fields and external_ids ({key: value}).
    """
    edit = _ContactEdit(row=Contact(), at=timezone.now(), is_new=True)
    if fields.get("company") is None:
        return _create(edit, actor=actor, fields=fields)
    with transaction.atomic():
        _hold_employer(fields)
        return _create(edit, actor=actor, fields=fields)


@transaction.atomic
def update_contact(
    *, contact_id: int, actor: Actor, fields: Mapping[str, Any], seen: datetime | None = None
) -> Contact:
    """Change any part of a contact, with the fields of `create_contact`; custom_fields and external_ids are
    merged, None removes a key. `seen` is the `updated_at` of the contact that the caller saw.
    Raises Contact.DoesNotExist, InvalidFields, ChangedMeanwhile.
    """
    _hold_employer(fields)
    contact = Contact.objects.select_for_update(no_key=True).get(pk=contact_id)
    refuse_changed(contact, seen=seen)
    return _update(_ContactEdit(row=contact, at=timezone.now()), actor=actor, fields=fields)


def create_company(*, actor: Actor, fields: Mapping[str, Any]) -> Company:
    """Make a company. Raises InvalidFields.

    `fields`: name (needed), domain, tax_id, custom_fields and external_ids ({key: value}).
    """
    return _create(_CompanyEdit(row=Company(), at=timezone.now(), is_new=True), actor=actor, fields=fields)


@transaction.atomic
def update_company(
    *, company_id: int, actor: Actor, fields: Mapping[str, Any], seen: datetime | None = None
) -> Company:
    """Change any part of a company, as `update_contact` does. Raises Company.DoesNotExist, InvalidFields,
    ChangedMeanwhile.
    """
    company = Company.objects.select_for_update(no_key=True).get(pk=company_id)
    refuse_changed(company, seen=seen)
    return _update(_CompanyEdit(row=company, at=timezone.now()), actor=actor, fields=fields)


@transaction.atomic
def delete_contact(*, contact_id: int, actor: Actor) -> None:
    """Delete a contact; its history stays. Raises Contact.DoesNotExist, and ProtectedError while it has deals."""
    Contact.objects.get(pk=contact_id)
    delete_contacts(contact_ids=[contact_id], actor=actor)


@transaction.atomic
def delete_company(*, company_id: int, actor: Actor) -> None:
    """Delete a company; its history stays. Raises Company.DoesNotExist, and ProtectedError while it has deals."""
    Company.objects.get(pk=company_id)
    delete_companies(company_ids=[company_id], actor=actor)


def new_contact(fields: Mapping[str, Any]) -> Newcomer[Contact]:
    """What `create_contact` would save, for `save_new`. Raises InvalidFields."""
    return _newcomer(_ContactEdit(row=Contact(), at=timezone.now(), is_new=True), fields)


def new_company(fields: Mapping[str, Any]) -> Newcomer[Company]:
    """What `create_company` would save, for `save_new`. Raises InvalidFields."""
    return _newcomer(_CompanyEdit(row=Company(), at=timezone.now(), is_new=True), fields)


@transaction.atomic
def save_new(newcomers: Sequence[Newcomer[Party]], *, actor: Actor) -> None:
    """Save new contacts, or new companies, with their history; many of them in a handful of statements."""
    if not newcomers:
        return
    rows = [newcomer.row for newcomer in newcomers]
    type(rows[0]).objects.bulk_create(rows, batch_size=500)
    attach([(newcomer.row, newcomer.later) for newcomer in newcomers])
    Change.objects.bulk_create(
        [change_row(each.row, actor=actor, at=each.at, verb=Change.Verb.CREATED) for each in newcomers]
    )


@transaction.atomic
def delete_contacts(*, contact_ids: Collection[int], actor: Actor) -> None:
    """Delete many contacts as `delete_contact` does one. Raises ProtectedError while any has deals."""
    _delete(Contact.objects.filter(pk__in=contact_ids), actor=actor)


@transaction.atomic
def delete_companies(*, company_ids: Collection[int], actor: Actor) -> None:
    """Delete many companies. Raises ProtectedError while any has deals."""
    _delete(Company.objects.filter(pk__in=company_ids), actor=actor)


def _hold_employer(fields: Mapping[str, Any]) -> None:
    """Lock the company that a contact is given, before the contact, as a merge of companies does, so that it is there
    when the database looks for it. Raises InvalidFields where it is gone already.
    """
    company: Company | None = fields.get("company")
    if company is None:
        return
    rows = Company.objects.filter(pk=company.pk).select_for_update(no_key=True)
    if not list(rows.values_list("pk")):
        raise InvalidFields({"company": [_("This company was deleted in the meantime.")]})


class ChangedMeanwhile(Stale):
    """Somebody changed the contact or company since the caller saw it."""

    def __init__(self, row: Contact | Company) -> None:
        super().__init__(_("“%(name)s” was changed in the meantime.") % {"name": row.name})


def refuse_changed(row: Contact | Company, *, seen: datetime | None) -> None:
    """Raise ChangedMeanwhile unless a locked row is as it was when its `updated_at` was `seen`."""
    if seen is not None and seen != row.updated_at:
        raise ChangedMeanwhile(row)


def normal_email(text: Any) -> str:
    """The address in lower case. Raises ValidationError for what is none."""
    validate_email(text)
    return str(text).lower()


def normal_tax_id(text: str) -> str:
    """Letters and digits only. What has the length of a CPF or CNPJ must be one; else ValidationError."""
    compact = re.sub(r"[^0-9A-Za-z]", "", text).upper()
    check = {11: cpf, 14: cnpj}.get(len(compact)) if compact.isdigit() else None
    try:
        return str(check.validate(compact)) if check else compact
    except NumberError as error:
        raise ValidationError(_("“%(number)s” is no valid CPF or CNPJ.") % {"number": text}) from error


def normal_domain(text: str) -> str:
    """`example.com` for any usual way of writing it, a page's address included. Raises ValidationError."""
    domain = re.sub(r"\A(https?://)?(www\.)?", "", text.strip().lower()).partition("/")[0]
    if domain:
        DomainNameValidator()(domain)
    return domain


def _normal_phone(text: Any) -> str:
    try:
        return to_e164(str(text))
    except ValueError as error:
        raise ValidationError(_("“%(number)s” is no telephone number.") % {"number": text}) from error


def _each(normal: Callable[[Any], str]) -> Callable[[Any], list[str]]:
    """The rule for one item made a rule for lists, which keeps the order and drops repetitions."""

    def normal_list(items: Any) -> list[str]:
        if not isinstance(items, list | tuple):
            raise ValidationError(_("A list is expected."))
        return list(dict.fromkeys(map(normal, items)))

    return normal_list


_NORMAL: dict[str, Callable[[Any], Any]] = {
    "emails": _each(normal_email),
    "phones": _each(_normal_phone),
    "tax_id": normal_tax_id,
    "domain": normal_domain,
}


@dataclass(slots=True)
class _Edit(RowEdit[Party], Generic[Party]):
    def _normal(self, name: str, value: Any) -> Any:
        if name not in _NORMAL:
            return value
        if value is None:
            raise ValidationError(_("This field cannot be null."))
        return _NORMAL[name](value)


@dataclass(slots=True)
class _ContactEdit(_Edit[Contact]):
    plain_fields: ClassVar[tuple[str, ...]] = ("name", "emails", "phones", "tax_id", "job_title")
    related_fields: ClassVar[tuple[str, ...]] = ("company",)


@dataclass(slots=True)
class _CompanyEdit(_Edit[Company]):
    plain_fields: ClassVar[tuple[str, ...]] = ("name", "domain", "tax_id")
    related_fields: ClassVar[tuple[str, ...]] = ()


_EDITS: dict[type, type[_Edit[Any]]] = {Contact: _ContactEdit, Company: _CompanyEdit}


def _create(edit: _Edit[Party], *, actor: Actor, fields: Mapping[str, Any]) -> Party:
    newcomer = _newcomer(edit, fields)
    save_new([newcomer], actor=actor)
    return newcomer.row


def _newcomer(edit: _Edit[Party], fields: Mapping[str, Any]) -> Newcomer[Party]:
    if not fields.get("name"):
        raise InvalidFields({"name": [_("This field is required.")]})
    now, later = fields_of_new(fields)
    check_later(later)
    edit.take(now)
    if edit.row.tax_id:
        _refuse_taken_tax_id(edit.row)
    return Newcomer(row=edit.row, at=edit.at, later=later)


def apply_fields(row: Party, *, actor: Actor, at: datetime, fields: Mapping[str, Any]) -> Party:
    """Change a row that the caller has locked, as `update_contact` and `update_company` do. Raises InvalidFields."""
    edit: _Edit[Party] = _EDITS[type(row)](row=row, at=at)
    return _update(edit, actor=actor, fields=fields)


def _update(edit: _Edit[Party], *, actor: Actor, fields: Mapping[str, Any]) -> Party:
    edit.take(fields)
    if edit.changes_anything:
        _save(edit)
        Change.objects.bulk_create(edit.history(actor=actor))
    return edit.row


def _save(edit: _Edit[Party]) -> None:
    if "tax_id" in edit.columns:
        _refuse_taken_tax_id(edit.row)
    edit.row.duplicates_sought_at = None
    edit.row.save(update_fields=edit.columns | {"updated_at", "duplicates_sought_at"})


def _refuse_taken_tax_id(row: Contact | Company) -> None:
    others = type(row).objects.exclude(pk=row.pk)
    if row.tax_id and others.filter(tax_id=row.tax_id).exists():
        raise InvalidFields({"tax_id": [_("Somebody else has this tax id already.")]})


def _delete(rows: QuerySet[Contact] | QuerySet[Company], *, actor: Actor) -> None:
    locked: list[Contact | Company] = list(rows.order_by("pk").select_for_update())
    now = timezone.now()
    Change.objects.bulk_create(
        [change_row(row, actor=actor, at=now, verb=Change.Verb.DELETED) for row in locked]
    )
    rows.filter(pk__in=[row.pk for row in locked]).delete()
