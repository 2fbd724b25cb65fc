"""The fields of a deal on its page, each a form of its own that is saved alone.

A field is sent with what it said when the page showed it (`was`). Somebody else's change to the same field is a
conflict then; to another field it is none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from crm.actors import Actor
from crm.companies import company_named
from crm.deals import DealError, StaleVersion, update_deal
from crm.models import Contact, CustomField, Deal, Source, User
from crm.views.fields import CompanyInput, DayField, MoneyField

_CURRENCIES = ("BRL", "USD", "EUR")


@dataclass(frozen=True, slots=True)
class Spec:
    """How one field is shown (`field`, `initial`) and how the door takes what was typed (`kept`)."""

    field: forms.Field
    initial: Any
    kept: Callable[[Any], Any] = lambda value: value


class FieldForm(forms.Form):
    """One field of one deal."""

    def __init__(self, deal: Deal, name: str, spec: Spec, data: Any = None) -> None:
        super().__init__(data, initial={"value": spec.initial}, auto_id=f"deal-{name.replace('.', '-')}-%s")
        self.deal, self.name, self.spec = deal, name, spec
        self.fields["value"] = spec.field

    @property
    def said(self) -> str:
        """What the field says now, as text that the page sends back as `was`."""
        field = self.spec.field
        shown = field.widget.format_value(field.prepare_value(self.spec.initial))
        return "\n".join(shown) if isinstance(shown, list) else shown or ""

    @property
    def is_stale(self) -> bool:
        was = str(self.data.get("was", self.said))
        return was.replace("\r\n", "\n") != self.said

    def for_the_door(self) -> dict[str, Any]:
        """The cleaned value as an argument of `crm.deals.update_deal`."""
        value = self.spec.kept(self.cleaned_data["value"])
        group, _dot, key = self.name.partition(".")
        return {group: {key: value}} if key else {group: value}


def save_field(form: FieldForm, *, actor: Actor) -> HTTPStatus:
    """Save what was filled in: OK, CONFLICT where somebody was faster, UNPROCESSABLE_ENTITY with the form's errors."""
    if form.is_stale:
        return HTTPStatus.CONFLICT
    if not form.is_valid():
        return HTTPStatus.UNPROCESSABLE_ENTITY
    try:
        with transaction.atomic():
            fields, version = form.for_the_door(), form.deal.version
            update_deal(deal_id=form.deal.pk, actor=actor, fields=fields, version=version)
    except StaleVersion:
        return HTTPStatus.CONFLICT
    except DealError as error:
        form.add_error("value", str(error))
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return HTTPStatus.OK


def field_form(deal: Deal, name: str, data: Any = None) -> FieldForm:
    """The form of one field, named as in the history ("title", "custom_fields.plan"). Raises KeyError."""
    if name in _STANDARD:
        return FieldForm(deal, name, _STANDARD[name](deal), data)
    definition = _added().filter(key=name.removeprefix("custom_fields.")).first()
    if definition is None or not name.startswith("custom_fields."):
        raise KeyError(name)
    return FieldForm(deal, name, _custom(deal, definition), data)


def all_field_forms(deal: Deal) -> list[FieldForm]:
    """Every field of a deal, in the order of the page."""
    standard = [FieldForm(deal, name, spec(deal)) for name, spec in _STANDARD.items()]
    return standard + [FieldForm(deal, f"custom_fields.{row.key}", _custom(deal, row)) for row in _added()]


def _added() -> QuerySet[CustomField]:
    return CustomField.objects.filter(entity=CustomField.Entity.DEAL)


def _title(deal: Deal) -> Spec:
    return Spec(forms.CharField(label=_("Title"), max_length=200), deal.title)


def _value(deal: Deal) -> Spec:
    return Spec(
        MoneyField(label=_("Value"), required=False), deal.value, kept=lambda value: value or Decimal()
    )


def _currency(deal: Deal) -> Spec:
    codes = dict.fromkeys([deal.currency, *_CURRENCIES])
    return Spec(
        forms.ChoiceField(label=_("Currency"), choices=[(code, code) for code in codes]), deal.currency
    )


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


def _custom(deal: Deal, definition: CustomField) -> Spec:
    """An added field by its type; what its text must look like, `crm.custom_fields` checks behind the door."""
    make = _BY_TYPE.get(CustomField.Type(definition.type), _as_text)
    spec = make(definition, deal.custom_fields.get(definition.key))
    spec.field.label, spec.field.required = definition.label, False
    return spec


def _as_text(_definition: CustomField, value: Any) -> Spec:
    return Spec(forms.CharField(), value or "")


def _as_money(_definition: CustomField, value: Any) -> Spec:
    return Spec(MoneyField(), Decimal(value) if value else None, kept=lambda typed: typed and str(typed))


def _as_number(_definition: CustomField, value: Any) -> Spec:
    return Spec(forms.DecimalField(), value, kept=lambda typed: typed and str(typed))


def _as_day(_definition: CustomField, value: Any) -> Spec:
    day = date.fromisoformat(value) if value else None
    return Spec(DayField(), day, kept=lambda typed: typed and typed.isoformat())


def _as_choice(definition: CustomField, value: Any) -> Spec:
    return Spec(forms.ChoiceField(choices=[("", "—"), *_options(definition)]), value)


def _as_choices(definition: CustomField, value: Any) -> Spec:
    field = forms.MultipleChoiceField(choices=_options(definition))
    return Spec(field, value or [], kept=lambda typed: typed or None)


def _as_yes_or_no(_definition: CustomField, value: Any) -> Spec:
    choices = [("", "—"), ("true", _("Yes")), ("false", _("No"))]
    shown = {True: "true", False: "false"}.get(value, "")
    return Spec(forms.ChoiceField(choices=choices), shown, kept={"true": True, "false": False}.get)


def _options(definition: CustomField) -> list[tuple[str, str]]:
    return [(option, option) for option in definition.options]


_BY_TYPE: dict[CustomField.Type, Callable[[CustomField, Any], Spec]] = {
    CustomField.Type.MONEY: _as_money,
    CustomField.Type.NUMBER: _as_number,
    CustomField.Type.DATE: _as_day,
    CustomField.Type.CHOICE: _as_choice,
    CustomField.Type.CHOICES: _as_choices,
    CustomField.Type.BOOLEAN: _as_yes_or_no,
}
