"""What the pages of contacts and of companies differ in: their fields, their doors, their addresses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.actors import Actor
from crm.columns import Column
from crm.companies import company_named
from crm.contacts import create_company, create_contact, update_company, update_contact
from crm.merging import merge_companies, merge_contacts
from crm.models import Company, Contact, CustomField
from crm.people_columns import COMPANIES_FIRST, CONTACTS_FIRST, company_columns, contact_columns
from crm.views.access import PageRequest
from crm.views.field_forms import Editable, Spec
from crm.views.fields import CompanyInput, LinesField
from crm.views.people.filters import (
    CompanyFilter,
    ContactFilter,
    PeopleFilter,
    found_companies,
    found_contacts,
)

Party = Contact | Company


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` is how addresses and the history call one of them, `…_name` what an address of theirs is called. The doors
    are called with keywords only."""

    name: str
    model: Any  # Contact or Company
    icon: str
    plural: str | Promise
    editable: Editable
    create: Callable[..., Party]
    merge: Callable[..., Party]
    first_fields: tuple[str, ...]  # that the form for a new one asks for
    filter: type[PeopleFilter]
    found: Callable[[PageRequest], QuerySet[Any]]
    columns: Callable[[], list[Column]]
    usual: Sequence[str]  # names of columns

    @property
    def list_name(self) -> str:
        return {"contact": "contacts", "company": "companies"}[self.name]

    @property
    def cookie(self) -> str:
        return f"{self.name}_columns"

    @property
    def export_name(self) -> str:
        return f"export-{self.list_name}"

    @property
    def duplicates_name(self) -> str:
        return f"{self.name}-duplicates"

    @property
    def new_name(self) -> str:
        return f"new-{self.name}"

    @property
    def merge_name(self) -> str:
        return f"merge-{self.name}"

    @property
    def merge_with_name(self) -> str:
        return f"merge-{self.name}-with"

    @property
    def dismiss_name(self) -> str:
        return f"dismiss-{self.name}"

    def get(self, pk: int) -> Any:
        """The row, or 404."""
        return get_object_or_404(self.model, pk=pk)


def _text(name: str, label: Any, *, longest: int, required: bool = False) -> Callable[[Any], Spec]:
    def spec(row: Any) -> Spec:
        return Spec(forms.CharField(label=label, max_length=longest, required=required), getattr(row, name))

    return spec


def _lines(name: str, label: Any) -> Callable[[Any], Spec]:
    def spec(row: Any) -> Spec:
        return Spec(LinesField(label=label, required=False), getattr(row, name))

    return spec


def _company(contact: Contact) -> Spec:
    field = forms.CharField(label=_("Company"), max_length=160, required=False, widget=CompanyInput)
    name = contact.company.name if contact.company else ""
    return Spec(field, name, kept=lambda typed: company_named(typed) if typed else None)


def _tags(contact: Contact) -> Spec:
    widget = forms.TextInput(attrs={"placeholder": "a, b, c"})
    names = sorted(contact.tags.values_list("name", flat=True)) if contact.pk else []
    return Spec(
        forms.CharField(label=_("Tags"), required=False, widget=widget),
        ", ".join(names),
        kept=lambda typed: [name.strip() for name in typed.split(",") if name.strip()],
    )


def _save_contact(contact: Contact, actor: Actor, fields: Mapping[str, Any]) -> None:
    update_contact(contact_id=contact.pk, actor=actor, fields=fields, seen=contact.updated_at)


def _save_company(company: Company, actor: Actor, fields: Mapping[str, Any]) -> None:
    update_company(company_id=company.pk, actor=actor, fields=fields, seen=company.updated_at)


CONTACTS = Kind(
    name="contact",
    model=Contact,
    icon="contacts",
    plural=_("Contacts"),
    editable=Editable(
        entity=CustomField.Entity.CONTACT,
        url_name="contact-field",
        standard={
            "name": _text("name", _("Name"), longest=160, required=True),
            "company": _company,
            "job_title": _text("job_title", _("Job title"), longest=120),
            "emails": _lines("emails", _("E-mails")),
            "phones": _lines("phones", _("Phones")),
            "tax_id": _text("tax_id", _("Tax id"), longest=20),
            "tags": _tags,
        },
        save=_save_contact,
    ),
    create=create_contact,
    merge=merge_contacts,
    first_fields=("name", "emails", "phones", "company", "job_title"),
    filter=ContactFilter,
    found=found_contacts,
    columns=contact_columns,
    usual=CONTACTS_FIRST,
)
COMPANIES = Kind(
    name="company",
    model=Company,
    icon="companies",
    plural=_("Companies"),
    editable=Editable(
        entity=CustomField.Entity.COMPANY,
        url_name="company-field",
        standard={
            "name": _text("name", _("Name"), longest=160, required=True),
            "domain": _text("domain", _("Domain"), longest=253),
            "tax_id": _text("tax_id", _("Tax id"), longest=20),
        },
        save=_save_company,
    ),
    create=create_company,
    merge=merge_companies,
    first_fields=("name", "domain", "tax_id"),
    filter=CompanyFilter,
    found=found_companies,
    columns=company_columns,
    usual=COMPANIES_FIRST,
)
