"""Custom fields of deals, contacts and companies. What values rest on (whose, which type) is decided once."""

import re
import unicodedata
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm import formats
from crm.custom_field_deletion import delete_custom_field, rows_with_value
from crm.models import CustomField
from crm.views.access import PageRequest, admin_required

_WITH_OPTIONS = (CustomField.Type.CHOICE, CustomField.Type.CHOICES)


class CustomFieldForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    options = forms.CharField(
        label=gettext_lazy("Options"),
        required=False,
        widget=forms.Textarea,
        help_text=gettext_lazy("One a line; only for choices."),
    )

    class Meta:
        model = CustomField
        fields: ClassVar = ["label", "entity", "type", "key", "options", "required"]
        labels: ClassVar = {
            "label": gettext_lazy("Name"),
            "entity": gettext_lazy("Belongs to"),
            "type": gettext_lazy("Type"),
            "key": gettext_lazy("Name in the API"),
            "required": gettext_lazy("Required"),
        }
        help_texts: ClassVar = {"key": gettext_lazy("Empty for one made of the name.")}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.initial["options"] = "\n".join(self.instance.options)
        self.fields["entity"].choices = CustomField.Entity.choices  # type: ignore[attr-defined]  # a choice field
        self.fields["key"].required = False
        if self.instance.pk:
            for name in ("entity", "type", "key"):
                self.fields[name].disabled = True

    def clean_options(self) -> list[str]:
        lines = (line.strip() for line in self.cleaned_data["options"].splitlines())
        return list(dict.fromkeys(line for line in lines if line))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not cleaned.get("key"):
            cleaned["key"] = _key_of(cleaned.get("label", ""))
        if cleaned.get("type") in _WITH_OPTIONS and not cleaned.get("options"):
            self.add_error("options", _("A choice needs options."))
        return cleaned


def _key_of(label: str) -> str:
    """`Plano anual (R$)` becomes `plano_anual_r`; what begins with a digit gets a letter before it."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    key = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    return (key if key[:1].isalpha() else f"field_{key}").strip("_")[:60]


@admin_required
@require_safe
def custom_fields(request: PageRequest) -> HttpResponse:
    found = list(CustomField.objects.all())
    groups = [
        (entity.label, [field for field in found if field.entity == entity]) for entity in CustomField.Entity
    ]
    return render(request, "crm/settings/custom_fields.html", {"groups": groups})


@admin_required
@require_http_methods(["GET", "POST"])
def custom_field(request: PageRequest, field_id: int | None = None) -> HttpResponse:
    found = get_object_or_404(CustomField, pk=field_id) if field_id else None
    name = str(found or "")  # before the form writes into it
    form = CustomFieldForm(request.POST or None, instance=found)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("custom-fields")
    values = rows_with_value(found).count() if found else 0
    context = {"form": form, "custom_field": found, "name": name, "values": values}
    return render(request, "crm/settings/custom_field.html", context, status=422 if form.is_bound else 200)


@admin_required
@require_POST
def end_custom_field(request: PageRequest, field_id: int) -> HttpResponse:
    found = get_object_or_404(CustomField, pk=field_id)
    told = {"name": found, "n": formats.number(delete_custom_field(field=found))}
    messages.success(request, _("“%(name)s” is gone. Values removed: %(n)s.") % told)
    return redirect("custom-fields")
