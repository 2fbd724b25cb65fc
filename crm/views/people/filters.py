"""What narrows the lists of contacts and companies, kept in the address. What cannot be read narrows nothing."""

from typing import Any

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from crm.folding import fold
from crm.models import Company, Contact, Deal, Tag
from crm.views.access import PageRequest

_NO_DEALS = ("deals", _("Without deals"))


def _search(label: Any) -> forms.CharField:
    return forms.CharField(
        label=label, required=False, widget=forms.TextInput(attrs={"type": "search", "placeholder": label})
    )


class PeopleFilter(forms.Form):
    """`q`: words that each stand in what search knows of them. `without`: what they lack."""


class ContactFilter(PeopleFilter):
    q = _search(_("Name, e-mail or company"))
    tag = forms.ModelChoiceField(
        Tag.objects.filter(contacts__isnull=False).distinct(),
        to_field_name="name",
        label=_("Tag"),
        required=False,
        empty_label=_("All tags"),
    )
    without = forms.ChoiceField(
        label=_("Without"),
        required=False,
        choices=[
            ("", _("All contacts")),
            ("email", _("Without e-mail")),
            ("phone", _("Without phone")),
            ("company", _("Without company")),
            _NO_DEALS,
        ],
    )


class CompanyFilter(PeopleFilter):
    q = _search(_("Name, domain or tax id"))
    without = forms.ChoiceField(
        label=_("Without"),
        required=False,
        choices=[
            ("", _("All companies")),
            ("tax_id", _("Without tax id")),
            ("contacts", _("Without contacts")),
            _NO_DEALS,
        ],
    )


def found_contacts(request: PageRequest) -> QuerySet[Contact]:
    """Contacts, narrowed by the address: each word of `q` stands in what search knows of them, or of their company."""
    chosen = _cleaned(ContactFilter(request.GET))
    rows = Contact.objects.select_related("company")
    for word in _words(chosen):
        companies = Company.objects.filter(words__contains=word).order_by()
        ids = Contact.objects.order_by().values("pk")
        of_them = ids.filter(company__in=companies.values("pk"))
        by_name, by_email = ids.filter(words__contains=word), ids.filter(emails__contains=[word])
        rows = rows.filter(pk__in=by_name.union(by_email, of_them))
    if tag := chosen.get("tag"):
        rows = rows.filter(tags=tag)
    return _lacking(rows, chosen)


def found_companies(request: PageRequest) -> QuerySet[Company]:
    """Companies, narrowed by the address: by `q` in name, domain or tax id."""
    chosen = _cleaned(CompanyFilter(request.GET))
    rows = Company.objects.all()
    for word in _words(chosen):
        digits = "".join(filter(str.isdigit, word))
        found = Q(words__contains=word)
        rows = rows.filter(found | Q(tax_id__startswith=digits) if digits else found)
    return _lacking(rows, chosen)


def _cleaned(form: PeopleFilter) -> dict[str, Any]:
    form.is_valid()
    return form.cleaned_data


def _words(chosen: dict[str, Any]) -> list[str]:
    return fold(chosen.get("q", "")).split()


_LACK: dict[str, Q] = {
    "email": Q(emails=[]),
    "phone": Q(phones=[]),
    "company": Q(company=None),
    "tax_id": Q(tax_id=""),
    "contacts": ~Exists(Contact.objects.filter(company=OuterRef("pk"))),  # type: ignore[dict-item]  # a condition too
}


def _lacking(rows: QuerySet[Any], chosen: dict[str, Any]) -> QuerySet[Any]:
    lack = chosen.get("without")
    if lack == "deals":
        owner = str(rows.model._meta.model_name)
        return rows.filter(~Exists(Deal.objects.filter(**{owner: OuterRef("pk")})))
    return rows.filter(_LACK[lack]) if lack else rows
