"""The form of a destination. Secrets that are there are shown masked, and kept where they are left alone."""

from typing import Any, ClassVar

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automations.destinations import CREDENTIALS, OPTIONAL_CREDENTIALS, DestinationError
from automations.forms.fields import HeadersField, ScheduleField
from automations.forms.folds import FIELDS, Fold, said_of
from automations.models import Destination
from automations.requests import MASK

Auth = Destination.Auth
DAY = 86_400


def secret_input(label: Any) -> forms.CharField:
    hidden = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, required=False, strip=False, widget=hidden)


class DestinationForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    method = forms.ChoiceField(
        label=gettext_lazy("Method"), choices=[(method, method) for method in Destination.Method.values]
    )
    headers = HeadersField(label=gettext_lazy("Headers"), required=False)
    variables = HeadersField(label=gettext_lazy("Variables in the URL"), required=False)
    client_certificate = forms.CharField(
        label=gettext_lazy("Client certificate and key (PEM)"),
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 3, "class": "mono", "spellcheck": "false", "autocomplete": "off"}
        ),
    )
    retry_schedule = ScheduleField(label=gettext_lazy("Attempts, each after"))
    basic_username = forms.CharField(label=gettext_lazy("User name"), required=False)
    basic_password = secret_input(gettext_lazy("Password"))
    bearer_token = secret_input(gettext_lazy("Token"))
    header_name = forms.CharField(label=gettext_lazy("Header"), required=False)
    header_value = secret_input(gettext_lazy("Value"))
    oauth2_token_url = forms.CharField(label=gettext_lazy("Token URL"), required=False)
    oauth2_client_id = forms.CharField(label=gettext_lazy("Client ID"), required=False)
    oauth2_client_secret = secret_input(gettext_lazy("Client secret"))
    oauth2_scope = forms.CharField(label=gettext_lazy("Scope"), required=False)

    class Meta:
        model = Destination
        fields: ClassVar = [
            "name",
            "url",
            "method",
            "auth",
            "body_format",
            "ca_bundle",
            "timeout_seconds",
            "max_in_flight",
            "rate_limit_per_second",
            "ordered",
            "stop_on_4xx",
            "paired_endpoint",
        ]
        widgets: ClassVar = {
            "url": forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "off"}),
            "ca_bundle": forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"}),
            "ordered": forms.CheckboxInput(attrs={"class": "toggle"}),
            "stop_on_4xx": forms.CheckboxInput(attrs={"class": "toggle"}),
        }

    def __init__(self, data: QueryDict | None = None, *, instance: Destination) -> None:
        initial = {name: getattr(instance, name) for name in ("headers", "variables", "retry_schedule")}
        for name in CREDENTIALS[Auth(instance.auth)]:
            if name in ("username", "name", "token_url", "client_id"):
                initial[f"{instance.auth}_{name}"] = instance.credentials[name]
        self._said = said_of(instance)
        super().__init__(data, instance=instance, initial=initial)
        self.stored = {
            "headers": instance.headers,
            "variables": instance.variables,
            "client_certificate": instance.client_certificate,
            "auth": instance.auth,
            "credentials": instance.credentials,
        }
        paired = self.fields["paired_endpoint"]
        if isinstance(paired, forms.ModelChoiceField):
            paired.queryset = paired.queryset.filter(deleted_at__isnull=True)  # type: ignore[union-attr]  # always set
        for name in CREDENTIALS[Auth(instance.auth)]:
            self.fields[f"{instance.auth}_{name}"].widget.attrs["placeholder"] = MASK
        if instance.client_certificate:
            self.fields["client_certificate"].widget.attrs["placeholder"] = MASK

    def folds(self) -> dict[str, Fold]:
        """The folded parts: open where there is an error in one, or what is not as it is by itself."""
        return {
            part: Fold(said=self._said[part], is_open=any(map(self._stands_out, names)))
            for part, names in FIELDS.items()
        }

    def _stands_out(self, name: str) -> bool:
        bound, by_itself = self[name], getattr(Destination(), name)
        return bool(
            bound.errors or bound.field.has_changed(by_itself, bound.value()) or self.stored.get(name)
        )

    def clean_headers(self) -> dict[str, str]:
        return self._unmasked("headers")

    def clean_variables(self) -> dict[str, str]:
        return self._unmasked("variables")

    def _unmasked(self, field: str) -> dict[str, str]:
        given: dict[str, str] = self.cleaned_data[field]
        kept = self.stored[field]
        unknown = [name for name, value in given.items() if value == MASK and name not in kept]
        if unknown:
            raise forms.ValidationError(_("Write the value of “%(name)s” anew.") % {"name": unknown[0]})
        return {name: kept[name] if value == MASK else value for name, value in given.items()}

    def values(self) -> dict[str, Any]:
        """What the door takes."""
        values = {name: self.cleaned_data[name] for name in self.Meta.fields}
        values |= {name: self.cleaned_data[name] for name in ("headers", "variables", "retry_schedule")}
        values["client_certificate"] = self._client_certificate()
        values["credentials"] = self._credentials(values["auth"])
        return values

    def _client_certificate(self) -> str:
        """The one that is there stays until another is given; a dash takes it away."""
        given = str(self.cleaned_data["client_certificate"]).strip()
        kept = str(self.stored["client_certificate"])
        return {"": kept, "-": ""}.get(given, given)

    def _credentials(self, auth: str) -> dict[str, str]:
        names = (*CREDENTIALS[Auth(auth)], *OPTIONAL_CREDENTIALS.get(Auth(auth), ()))
        given = {name: self.cleaned_data[f"{auth}_{name}"] for name in names}
        kept = self.stored["credentials"] if auth == self.stored["auth"] else {}
        whole = {name: value or kept.get(name) for name, value in given.items()}
        return {name: value for name, value in whole.items() if value}

    def take_refusal(self, refusal: DestinationError) -> None:
        """Put what the door objects to beside the fields it is about."""
        auth = self.cleaned_data.get("auth", Auth.NONE)
        first = next(iter(CREDENTIALS[Auth(auth)]), None)
        places = {"credentials": f"{auth}_{first}" if first else None}
        for name, problems in refusal.errors.items():
            place = places.get(name, name)
            self.add_error(place if place in self.fields else None, problems)


class RotationForm(forms.Form):
    overlap = forms.TypedChoiceField(
        label=gettext_lazy("Sign with the former secret too, for"),
        coerce=int,
        initial=DAY,
        choices=[
            (DAY, gettext_lazy("1 day")),
            (7 * DAY, gettext_lazy("7 days")),
            (3600, gettext_lazy("1 hour")),
            (0, gettext_lazy("no time: the former secret is known to others")),
        ],
    )


class RecoveryForm(forms.Form):
    since = forms.DateTimeField(
        label=gettext_lazy("Send again what was given up since"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
