"""Fields that are edited where they stand, each a form of its own that is saved alone.

A field is sent with what it said when the page showed it (`was`). Somebody else's change to the same field is a
conflict then; to another field it is none. Whoever keeps theirs sends along what they were shown of the other's, so
that a third change in the meantime is a conflict again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from stdnum.br import cnpj, cpf

from crm.actors import Actor
from crm.models import CustomField
from crm.refusals import Refused, Stale
from crm.views.fields import DayField, MoneyField
from crm.views.versions import Versions, readable, written


@dataclass(frozen=True, slots=True)
class Spec:
    """How one field is shown (`field`, `initial`) and how the door takes what was typed (`kept`).

    `link` is where its value leads, `dials` the phone number that it is.
    """

    field: forms.Field
    initial: Any
    kept: Callable[[Any], Any] = lambda value: value
    link: str = ""
    dials: str = ""


@dataclass(frozen=True, slots=True)
class Editable:
    """What of the rows of one kind is edited in place.

    `standard` has the fields that all of them have, by name; `save` is the door they go through, called with the row
    as the page read it, the actor and the fields. It raises Refused, and Stale where somebody was faster.
    """

    entity: CustomField.Entity
    url_name: str
    standard: Mapping[str, Callable[[Any], Spec]]
    save: Callable[[Any, Actor, Mapping[str, Any]], None]

    def form(self, row: Any, name: str, data: Any = None) -> "FieldForm":
        """The form of one field, named as in the history ("title", "custom_fields.plan"). Raises KeyError."""
        if name in self.standard:
            return FieldForm(self, row, name, self.standard[name](row), data)
        definition = self._added().filter(key=name.removeprefix("custom_fields.")).first()
        if definition is None or not name.startswith("custom_fields."):
            raise KeyError(name)
        return self._custom_form(row, definition, data)

    def forms(self, row: Any) -> list["FieldForm"]:
        """Every field of a row, in the order of the page."""
        standard = [FieldForm(self, row, name, spec(row)) for name, spec in self.standard.items()]
        return standard + [self._custom_form(row, definition) for definition in self._added()]

    def _added(self) -> QuerySet[CustomField]:
        return CustomField.objects.filter(entity=self.entity)

    def _custom_form(self, row: Any, definition: CustomField, data: Any = None) -> "FieldForm":
        spec = _custom(definition, row.custom_fields.get(definition.key))
        return FieldForm(self, row, f"custom_fields.{definition.key}", spec, data)


class FieldForm(forms.Form):
    """One field of one row."""

    def __init__(self, editable: Editable, row: Any, name: str, spec: Spec, data: Any = None) -> None:
        auto_id = f"{editable.entity}-{name.replace('.', '-')}-%s"
        super().__init__(data, initial={"value": spec.initial}, auto_id=auto_id)
        self.editable, self.row, self.name, self.spec = editable, row, name, spec
        self.fields["value"] = spec.field

    @property
    def url(self) -> str:
        return reverse(self.editable.url_name, args=[self.row.pk, self.name])

    @property
    def said(self) -> str:
        """What the field says now, as text that the page sends back as `was`."""
        return written(self.spec.field, self.spec.field.prepare_value(self.spec.initial))

    @property
    def was(self) -> str:
        """What it said when the page showed it; what it says now where that is not told."""
        return str(self.data.get("was", self.said)).replace("\r\n", "\n")

    @property
    def is_stale(self) -> bool:
        """Somebody made something else of the field than what it was, and than what was typed now."""
        return self.was != self.said and self.has_changed()

    @property
    def versions(self) -> Versions:
        typed = written(self.spec.field, self["value"].data)
        return Versions(*(readable(self.spec.field, text) for text in (self.was, self.said, typed)))

    def for_the_door(self) -> dict[str, Any]:
        """The cleaned value as the door takes it."""
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
            form.editable.save(form.row, actor, form.for_the_door())
    except Stale:
        return HTTPStatus.CONFLICT
    except Refused as error:
        form.add_error("value", str(error))
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return HTTPStatus.OK


def _custom(definition: CustomField, value: Any) -> Spec:
    """An added field by its type; what its text must look like, `crm.custom_fields` checks behind the door."""
    make = _BY_TYPE.get(CustomField.Type(definition.type), _as_text)
    spec = make(definition, value)
    spec.field.label, spec.field.required = definition.label, False
    return spec


def _as_text(_definition: CustomField, value: Any) -> Spec:
    return Spec(forms.CharField(), value or "")


def _as_email(_definition: CustomField, value: Any) -> Spec:
    return Spec(
        forms.CharField(widget=forms.EmailInput), value or "", link=f"mailto:{value}" if value else ""
    )


def _as_url(_definition: CustomField, value: Any) -> Spec:
    return Spec(forms.CharField(widget=forms.URLInput), value or "", link=value or "")


def _as_phone(_definition: CustomField, value: Any) -> Spec:
    tel = forms.TextInput(attrs={"type": "tel"})
    return Spec(forms.CharField(widget=tel), value or "", dials=value or "")


def _as_cpf(_definition: CustomField, value: Any) -> Spec:
    return Spec(forms.CharField(widget=_digits()), cpf.format(value) if value else "")


def _as_cnpj(_definition: CustomField, value: Any) -> Spec:
    return Spec(forms.CharField(widget=_digits()), cnpj.format(value) if value else "")


def _digits() -> forms.TextInput:
    return forms.TextInput(attrs={"inputmode": "numeric"})


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
    CustomField.Type.EMAIL: _as_email,
    CustomField.Type.PHONE: _as_phone,
    CustomField.Type.URL: _as_url,
    CustomField.Type.CPF: _as_cpf,
    CustomField.Type.CNPJ: _as_cnpj,
}
