"""Form fields and inputs that the pages share; amounts are read the way people write them in their language."""

import re
from decimal import Decimal
from typing import Any

from babel.numbers import NumberFormatError, parse_decimal
from django import forms
from django.core.exceptions import ValidationError
from django.template.defaultfilters import filesizeformat
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

from crm import formats
from crm.models import Stage

CURRENCIES = ("BRL", "USD", "EUR")


class MoneyField(forms.DecimalField):
    """An amount such as `1,500.50`, in Portuguese `1.500,50`, with or without a currency sign.

    We do not guess what `1500.50` means where a dot groups thousands: a wrong guess is off by a factor of 100.
    """

    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_digits": 14, "decimal_places": 2, **options, "min_value": 0})

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]  # the stubs take it for an IntegerField
        if value in self.empty_values:
            return None
        try:
            return parse_decimal(re.sub(r"[^\d.,-]", "", value), locale=formats.locale(), strict=True)
        except NumberFormatError as error:
            message = _("Write an amount such as %(example)s.") % {
                "example": formats.amount(Decimal("1500.5"))
            }
            raise ValidationError(message, code="invalid") from error

    def prepare_value(self, value: Any) -> Any:
        return formats.amount(value) if isinstance(value, Decimal) else value


class NumberField(MoneyField):
    """A number of at most two places, read in the same way and shown without those that are not needed."""

    def prepare_value(self, value: Any) -> Any:
        return formats.number(value) if isinstance(value, Decimal | int) else value


class CurrencyField(forms.ChoiceField):
    """One of the currencies we offer. What else a row may have already is put in front by whoever knows the row."""

    def __init__(self, *, first: str = CURRENCIES[0], **options: Any) -> None:
        options.pop("max_length", None)  # of a model's column
        super().__init__(choices=[(code, code) for code in dict.fromkeys([first, *CURRENCIES])], **options)


def at_most(most: int) -> dict[str, str]:
    """The attributes of a file's input by which the page sends none of more than `most` bytes (uploads.js)."""
    text = _("“{name}” is larger than %(largest)s.") % {"largest": filesizeformat(most)}
    return {"data-most": str(most), "data-word-large": text}


class DayField(forms.DateField):
    """A day, picked from the browser's calendar."""

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")

    def __init__(self, **options: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d"], **options)


class LinesField(forms.CharField):
    """Several values, one a line. Cleaned, and initially, a list."""

    widget = forms.Textarea(attrs={"rows": 1})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        return [line.strip() for line in super().clean(value).splitlines() if line.strip()]


class CompanyInput(forms.TextInput):
    """A text input that offers the companies we know."""

    def __init__(self) -> None:
        offer = {
            "list": "company-names",
            "autocomplete": "off",
            "hx-get": reverse_lazy("company-names"),
            "hx-trigger": "input changed delay:200ms",
            "hx-target": "#company-names",
            "hx-include": "this",
        }
        super().__init__(attrs=offer)


class StageField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic for the type checker only
    """A stage of any open pipeline, offered under its pipeline's name. Never required: empty is any stage."""

    def __init__(self, *, label: Any, empty: Any) -> None:
        self.empty = empty
        stages = Stage.objects.filter(pipeline__archived=False).select_related("pipeline")
        in_order = stages.order_by("pipeline__position", "pipeline_id", "position", "pk")
        super().__init__(in_order, label=label, required=False)
        self.choices = self._grouped  # asked anew for each form

    def _grouped(self) -> list[Any]:
        groups: dict[str, list[tuple[int, str]]] = {}
        # `all()`, because a queryset that was asked once keeps its answer for as long as the process lives.
        for stage in self.queryset.all():  # type: ignore[union-attr]  # always set
            groups.setdefault(stage.pipeline.name, []).append((stage.pk, stage.name))
        return [("", self.empty), *groups.items()]
