"""The form of the alert rules: a row for each kind."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.db import transaction
from django.forms import BoundField
from django.utils.translation import gettext_lazy as _

from config.insights.watching import KINDS, Kind
from crm.models import AlertRule


class AlertRulesForm(forms.Form):
    """Two fields for each kind: whether it is watched, and its threshold where it has one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        rules = {rule.kind: rule for rule in AlertRule.objects.all()}
        for kind in KINDS:
            rule = rules.get(kind.key) or AlertRule(kind=kind.key, threshold=kind.threshold)
            enabled = forms.BooleanField(label=str(kind.name), required=False, initial=rule.enabled)
            self.fields[f"{kind.key}-enabled"] = enabled
            if kind.unit:
                self.fields[f"{kind.key}-threshold"] = forms.IntegerField(
                    label=_("From (%(unit)s)") % {"unit": kind.unit},
                    min_value=1,
                    max_value=kind.most,
                    initial=rule.threshold,
                )

    def rows(self) -> Iterator[tuple[Kind, BoundField, BoundField | None]]:
        for kind in KINDS:
            yield kind, self[f"{kind.key}-enabled"], self[f"{kind.key}-threshold"] if kind.unit else None

    @transaction.atomic
    def save(self) -> None:
        for kind in KINDS:
            enabled = self.cleaned_data[f"{kind.key}-enabled"]
            threshold = self.cleaned_data.get(f"{kind.key}-threshold", kind.threshold)
            wanted = {"enabled": enabled, "threshold": threshold}
            AlertRule.objects.update_or_create(kind=kind.key, defaults=wanted)
