"""What people fill in about receiving: the form of an endpoint, and the filters above the log of requests."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.models import Pipeline, Source, User
from crm.refusals import InvalidFields
from crm.views.fields import StageField
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.presets import Preset

_PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
_BY_HAND = [
    ("standard_webhooks", _("Signature (Standard Webhooks)")),
    ("token", _("A token in a header or in the URL")),
    ("none", _("Not at all: whoever knows the URL")),
]
_PLACES = {"verification": "own_secret", "defaults": "default_stage"}


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    scheme = forms.ChoiceField(
        label=_("How is the sender recognised?"),
        choices=_BY_HAND,
    )
    token_in = forms.ChoiceField(
        label=_("Where"), choices=[("header", _("In a header")), ("query", _("In the URL"))], required=False
    )
    token_name = forms.CharField(label=_("Called"), max_length=100, required=False)
    own_secret = forms.CharField(
        label=_("Secret"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    default_pipeline = forms.ModelChoiceField(
        Pipeline.objects.filter(archived=False),
        label=_("Pipeline"),
        required=False,
        empty_label=_("The first one"),
    )
    default_stage = StageField(label=_("Stage"), empty=pgettext_lazy("stage", "The first one"))
    default_owner = forms.ModelChoiceField(
        User.objects.filter(is_active=True), label=_("Owner"), required=False, empty_label=_("Nobody")
    )
    default_source = forms.ModelChoiceField(
        Source.objects.all(), label=_("Source"), required=False, empty_label=_("None")
    )
    networks = forms.CharField(
        label=_("Allowed networks"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "class": "mono", "placeholder": "203.0.113.0/24"}),
    )

    class Meta:
        model = InboundEndpoint
        fields: ClassVar = [
            "name",
            "enabled",
            "setting_up",
            "response_mode",
            "default_pipeline",
            "default_stage",
            "default_owner",
            "default_source",
            "rate_limit_per_minute",
            "max_body_bytes",
        ]
        widgets: ClassVar = {"enabled": forms.CheckboxInput(attrs={"class": "toggle"})}

    def __init__(self, data: QueryDict | None = None, *, instance: InboundEndpoint) -> None:
        verification = instance.verification
        initial = {
            "scheme": verification["scheme"],
            "token_in": verification.get("in", "header"),
            "token_name": verification.get("name", "X-Token"),
            "networks": "\n".join(instance.allowed_networks),
        }
        super().__init__(data, instance=instance, initial=initial)
        if "scheme" in self.fields:
            self._offer_scheme(verification["scheme"])
        if instance.pk:
            del self.fields["setting_up"]  # it is switched on where it is seen what would happen
        else:
            self.fields["setting_up"].label = _("First look, then apply")

    def _offer_scheme(self, present: str) -> None:
        """One that is not chosen by hand but came with a preset can be kept."""
        if present not in dict(_BY_HAND):
            field = cast("forms.ChoiceField", self.fields["scheme"])
            field.choices = [(present, _("As set up: %(name)s") % {"name": present}), *_BY_HAND]

    def values(self) -> dict[str, Any]:
        """What the door takes."""
        given = self.cleaned_data
        verification = {"scheme": given["scheme"]}
        if given["scheme"] not in dict(_BY_HAND):
            verification = dict(self.instance.verification)
        elif given["scheme"] == "token":
            verification |= {"in": given["token_in"], "name": given["token_name"]}
        if given["own_secret"] and given["scheme"] != "none":
            verification["secret"] = given["own_secret"]
        values = {name: given[name] for name in self.Meta.fields if name in given}
        return {**values, "verification": verification, "allowed_networks": given["networks"].split()}

    def take_refusal(self, refusal: InvalidFields) -> None:
        """Put what the door objects to beside the fields it is about."""
        for name, problems in refusal.errors.items():
            place = {**_PLACES, "allowed_networks": "networks"}.get(name, name)
            self.add_error(place if place in self.fields else None, problems)


class PresetForm(EndpointForm):
    """What is left to say where a preset says the rest."""

    scheme = token_in = token_name = networks = default_source = None  # type: ignore[assignment]  # Django's way of taking a field out

    class Meta(EndpointForm.Meta):
        fields: ClassVar = ["name", "setting_up", "default_pipeline", "default_stage", "default_owner"]

    def __init__(self, data: QueryDict | None = None, *, preset: Preset) -> None:
        self.preset = preset
        verification = dict(preset.settings["verification"])
        super().__init__(data, instance=InboundEndpoint(name=preset.name, verification=verification))
        if verification["scheme"] == "none":
            del self.fields["own_secret"]

    def values(self) -> dict[str, Any]:
        given = self.cleaned_data
        secret = given.get("own_secret")
        return {
            **{name: given[name] for name in self.Meta.fields},
            "preset": self.preset.key,
            "verification": {"secret": secret} if secret else None,
        }


class RequestFilter(forms.Form):
    """Kept in the address bar. What cannot be read narrows nothing."""

    state = forms.ChoiceField(required=False, choices=InboundRequest.State.choices, widget=forms.HiddenInput)
    endpoint = forms.ModelChoiceField(
        InboundEndpoint.objects.present(), label=_("Endpoint"), required=False, empty_label=_("All endpoints")
    )
    period = forms.ChoiceField(
        label=_("Period"),
        required=False,
        choices=[
            ("", _("Any time")),
            ("hour", _("Last hour")),
            ("day", _("Last 24 hours")),
            ("week", _("Last 7 days")),
        ],
    )

    def narrow(self, requests: QuerySet[InboundRequest], *, now: datetime) -> QuerySet[InboundRequest]:
        self.is_valid()
        given = {name: value for name, value in self.cleaned_data.items() if value}
        if "period" in given:
            requests = requests.filter(received_at__gt=now - _PERIODS[given.pop("period")])
        return requests.filter(**given)
