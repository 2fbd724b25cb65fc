"""The fields of a deal that are edited where they stand."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.actors import Actor
from crm.companies import company_named
from crm.deals import update_deal
from crm.models import Contact, CustomField, Deal, Source, User
from crm.views.field_forms import Editable, FieldForm, Spec
from crm.views.fields import CompanyInput, CurrencyField, DayField, MoneyField


def field_form(deal: Deal, name: str, data: Any = None) -> FieldForm:
    """The form of one field, named as in the history ("title", "custom_fields.plan"). Raises KeyError."""
    return _DEALS.form(deal, name, data)


def all_field_forms(deal: Deal) -> list[FieldForm]:
    """Every field of a deal, in the order of the page: the campaign's stand behind the source."""
    forms = _DEALS.forms(deal)
    campaign = [form for form in forms if form.name.startswith(_CAMPAIGN)]
    others = [form for form in forms if form not in campaign]
    behind = next(place for place, form in enumerate(others, 1) if form.name == "source")
    return [*others[:behind], *campaign, *others[behind:]]


_CAMPAIGN = "custom_fields.utm_"


def _save(deal: Deal, actor: Actor, fields: Mapping[str, Any]) -> None:
    update_deal(deal_id=deal.pk, actor=actor, fields=fields, version=deal.version)


def _title(deal: Deal) -> Spec:
    return Spec(forms.CharField(label=_("Title"), max_length=200), deal.title)


def _value(deal: Deal) -> Spec:
    return Spec(
        MoneyField(label=_("Value"), required=False), deal.value, kept=lambda value: value or Decimal()
    )


def _currency(deal: Deal) -> Spec:
    return Spec(CurrencyField(label=_("Currency"), first=deal.currency), deal.currency)


def _expected_close(deal: Deal) -> Spec:
    return Spec(DayField(label=_("Expected close"), required=False), deal.expected_close_on)


def _owner(deal: Deal) -> Spec:
    people = User.objects.filter(Q(is_active=True) | Q(pk=deal.owner_id))
    return Spec(
        forms.ModelChoiceField(people, label=_("Owner"), required=False, empty_label="—"), deal.owner_id
    )


def _company(deal: Deal) -> Spec:
    field = forms.CharField(label=_("Company"), max_length=160, required=False, widget=CompanyInput)
    name = deal.company.name if deal.company else ""
    return Spec(field, name, kept=lambda typed: company_named(typed) if typed else None)


def _contact(deal: Deal) -> Spec:
    """Offers the contacts of the deal's company: a list of all would be long."""
    offered = Q(pk=deal.contact_id)
    if deal.company_id:
        offered |= Q(company=deal.company_id)
    people = Contact.objects.filter(offered)
    return Spec(
        forms.ModelChoiceField(people, label=_("Contact"), required=False, empty_label="—"), deal.contact_id
    )


def _source(deal: Deal) -> Spec:
    return Spec(
        forms.ModelChoiceField(Source.objects.all(), label=_("Source"), required=False, empty_label="—"),
        deal.source_id,
    )


def _tags(deal: Deal) -> Spec:
    field = forms.CharField(
        label=_("Tags"), required=False, widget=forms.TextInput(attrs={"placeholder": "a, b, c"})
    )
    names = ", ".join(sorted(tag.name for tag in deal.tags.all()))
    return Spec(field, names, kept=lambda typed: [name.strip() for name in typed.split(",") if name.strip()])


_STANDARD: dict[str, Callable[[Deal], Spec]] = {
    "title": _title,
    "value": _value,
    "currency": _currency,
    "expected_close_on": _expected_close,
    "owner": _owner,
    "company": _company,
    "contact": _contact,
    "source": _source,
    "tags": _tags,
}

_DEALS = Editable(entity=CustomField.Entity.DEAL, url_name="deal-field", standard=_STANDARD, save=_save)
