"""The columns that the lists of contacts and companies can show; see `crm.columns`."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from crm.columns import Column, added_columns, name_of
from crm.models import CustomField

CONTACTS_FIRST = ("name", "company", "job_title", "emails", "phones")
COMPANIES_FIRST = ("name", "domain", "tax_id")


def contact_columns() -> list[Column]:
    return [*_CONTACT, *added_columns(CustomField.Entity.CONTACT)]


def company_columns() -> list[Column]:
    return [*_COMPANY, *added_columns(CustomField.Entity.COMPANY)]


def _several(name: str) -> Any:
    return lambda row: ", ".join(getattr(row, name))


_TIMES = (
    Column("created_at", _("Created"), "ago", lambda row: row.created_at, sort="created_at"),
    Column("updated_at", _("Updated"), "ago", lambda row: row.updated_at, sort="updated_at"),
)
_CONTACT: Sequence[Column] = (
    Column("name", _("Name"), "name", lambda row: row.name, sort="name"),
    Column("job_title", _("Job title"), "text", lambda row: row.job_title, sort="job_title"),
    Column(
        "company", _("Company"), "company", lambda row: name_of(row.company), "company__name", True, "company"
    ),
    Column("emails", _("E-mails"), "text", _several("emails")),
    Column("phones", _("Phones"), "text", _several("phones")),
    Column("tax_id", _("Tax id"), "text", lambda row: row.tax_id),
    Column("tags", _("Tags"), "tags", lambda row: ", ".join(sorted(tag.name for tag in row.tags.all()))),
    *_TIMES,
)
_COMPANY: Sequence[Column] = (
    Column("name", _("Name"), "name", lambda row: row.name, sort="name"),
    Column("domain", _("Domain"), "text", lambda row: row.domain, sort="domain"),
    Column("tax_id", _("Tax id"), "text", lambda row: row.tax_id, sort="tax_id"),
    *_TIMES,
)
