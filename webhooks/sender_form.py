"""The whole form of an endpoint: how its sender is recognised in every scheme, what a repeat is, and landing pages."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from crm.refusals import InvalidFields
from webhooks.dedupe import DEFAULT_WINDOW_DAYS
from webhooks.forms import EndpointForm
from webhooks.landing import DEFAULT_RATE
from webhooks.models import InboundEndpoint
from webhooks.verification.recipes import ALGORITHMS, ENCODINGS, Recipe

SCHEMES = [
    ("standard_webhooks", _("Signature (Standard Webhooks)")),
    ("token", _("A token in a header or in the URL")),
    ("basic", _("User name and password")),
    ("hmac", _("Another signature (HMAC)")),
    ("github", "GitHub"),
    ("hubspot", "HubSpot"),
    ("meta", "Meta (Facebook, Instagram, WhatsApp)"),
    ("shopify", "Shopify"),
    ("slack", "Slack"),
    ("stripe", "Stripe"),
    ("twilio", "Twilio"),
    ("typeform", "Typeform"),
    ("woocommerce", "WooCommerce"),
    ("zadarma", "Zadarma"),
    ("none", _("Not at all: whoever knows the URL")),
]
# Field of the form: option of the scheme.
_TOKEN = {"token_in": "in", "token_name": "name", "token_prefix": "prefix"}
_HMAC = {
    f"hmac_{name}": name
    for name in (
        *("header", "field", "prefix", "algorithm", "encoding", "template", "timestamp_header"),
        *("signature_part", "timestamp_part", "separator", "tolerance_seconds"),
    )
}
_OPTIONS = {"token": _TOKEN, "basic": {"username": "username"}, "hmac": _HMAC}
_KEPT_AS_TYPED = {"prefix", "separator"}  # a space at the end has a meaning there
_PLACES = {"dedupe": "dedupe_keys", "landing": "landing_origins"}


def _text(label: Any, *, most: int = 200, **more: Any) -> forms.CharField:
    return forms.CharField(label=label, max_length=most, required=False, strip=False, **more)


def _lines(label: Any, placeholder: str) -> forms.CharField:
    attrs = {"rows": 2, "class": "mono", "placeholder": placeholder, "spellcheck": "false"}
    return forms.CharField(label=label, required=False, widget=forms.Textarea(attrs=attrs))


def _choice(label: Any, choices: tuple[str, ...]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=[(each, each) for each in choices], required=False)


class SenderForm(EndpointForm):
    scheme = forms.ChoiceField(label=_("How is the sender recognised?"), choices=SCHEMES)
    token_prefix = _text(_("After the words"), most=40)
    username = _text(_("User name"), most=100)
    verify_token = _text(
        _("Verify token"), widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )
    hmac_header = _text(_("Header of the signature"), most=100)
    hmac_field = _text(_("Or its path in the body"))
    hmac_prefix = _text(_("After the words"), most=40)
    hmac_algorithm = _choice(_("Algorithm"), ALGORITHMS)
    hmac_encoding = _choice(_("Written as"), ENCODINGS)
    hmac_template = _text(_("What is signed"), most=500)
    hmac_timestamp_header = _text(_("Header of the timestamp"), most=100)
    hmac_signature_part = _text(_("Part with the signature"), most=40)
    hmac_timestamp_part = _text(_("Part with the timestamp"), most=40)
    hmac_separator = _text(_("Between the parts"), most=1)
    hmac_tolerance_seconds = forms.IntegerField(label=_("Tolerance in seconds"), required=False)
    handshakes = forms.MultipleChoiceField(
        label=_("Questions that are answered"),
        choices=InboundEndpoint.Handshake.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    dedupe_keys = _lines(_("Recognised by"), "header:X-Event-Id\nbody:data.id")
    dedupe_ignore = _lines(_("Without these fields of the body"), "sent_at")
    dedupe_window_days = forms.IntegerField(label=_("For how many days"), required=False)
    landing_origins = _lines(_("Pages that may post"), "https://www.example.com")
    landing_honeypot = _text(_("Field that people do not see"), most=60)
    landing_redirect_url = _text(_("Page to lead visitors to"), most=500)
    landing_rate_per_address = forms.IntegerField(label=_("Per minute from one address"), required=False)

    class Meta(EndpointForm.Meta):
        fields = [*EndpointForm.Meta.fields, "allow_get", "test_mode", "handshakes"]

    def __init__(self, data: QueryDict | None = None, *, instance: InboundEndpoint) -> None:
        super().__init__(data, instance=instance)
        self.initial.update(
            {**_initial_options(instance), **_initial_dedupe(instance), **_initial_landing(instance)}
        )

    def _offer_scheme(self, present: str) -> None:
        """All are on offer here."""

    def values(self) -> dict[str, Any]:
        given = self.cleaned_data
        values = {name: given[name] for name in self.Meta.fields if name in given}
        values["verification"] = self._verification(given)
        values["allowed_networks"] = given["networks"].split()
        if "dedupe_keys" in self.data:
            values["dedupe"] = self._dedupe(given)
        if "landing_origins" in self.data:
            values["landing"] = self._landing(given)
        return values

    def _verification(self, given: dict[str, Any]) -> dict[str, Any]:
        scheme = given["scheme"]
        present = self.instance.verification
        verification: dict[str, Any] = dict(present) if present["scheme"] == scheme else {"scheme": scheme}
        for field, option in _OPTIONS.get(scheme, {}).items():
            if field not in self.data:
                continue
            verification.pop(option, None)
            value = given[field]
            if isinstance(value, str) and option not in _KEPT_AS_TYPED:
                value = value.strip()
            if value not in ("", None):
                verification[option] = value
        if given["own_secret"] and scheme != "none":
            verification["secret"] = given["own_secret"]
        if given["verify_token"] and scheme == "meta":
            verification["verify_token"] = given["verify_token"]
        return verification

    def _dedupe(self, given: dict[str, Any]) -> dict[str, Any] | None:
        keys, ignore = given["dedupe_keys"].split("\n"), given["dedupe_ignore"].split("\n")
        setting = {
            "keys": [line.strip() for line in keys if line.strip()],
            "ignore": [line.strip() for line in ignore if line.strip()],
            "window_days": DEFAULT_WINDOW_DAYS
            if given["dedupe_window_days"] is None
            else given["dedupe_window_days"],
        }
        return None if setting == {"keys": [], "ignore": [], "window_days": DEFAULT_WINDOW_DAYS} else setting

    def _landing(self, given: dict[str, Any]) -> dict[str, Any] | None:
        origins = given["landing_origins"].split()
        if not origins:
            return None
        rate = given["landing_rate_per_address"]
        return {
            "allowed_origins": origins,
            "honeypot": given["landing_honeypot"].strip(),
            "redirect_url": given["landing_redirect_url"].strip(),
            "rate_per_address": DEFAULT_RATE if rate is None else rate,
        }

    def take_refusal(self, refusal: InvalidFields) -> None:
        errors = {_PLACES.get(name, name): problems for name, problems in refusal.errors.items()}
        if "verification" in errors:
            errors[self._place_of_verification()] = errors.pop("verification")
        super().take_refusal(InvalidFields(errors))

    def _place_of_verification(self) -> str:
        """Beside the secret where one was given or the scheme has nothing else; else beside the scheme."""
        has_options = self.cleaned_data.get("scheme") in {*_OPTIONS, "meta"}
        return "own_secret" if self.cleaned_data.get("own_secret") or not has_options else "scheme"

    @property
    def has_repeats_set(self) -> bool:
        return self._is_open("dedupe_keys", "dedupe_ignore", "dedupe_window_days")

    @property
    def has_landing_set(self) -> bool:
        return self._is_open("landing_origins")

    @property
    def has_receiving_set(self) -> bool:
        differs = sorted(self.instance.handshakes) != sorted(InboundEndpoint().handshakes)
        return (
            differs
            or self.instance.allow_get
            or self.instance.test_mode
            or self._is_open("handshakes", only_errors=True)
        )

    def _is_open(self, *names: str, only_errors: bool = False) -> bool:
        return any(self[name].errors or (not only_errors and self[name].value()) for name in names)


def _initial_options(endpoint: InboundEndpoint) -> dict[str, Any]:
    verification = endpoint.verification
    defaults = {f"hmac_{name}": getattr(Recipe(), name) for name in _HMAC.values()}
    defaults["hmac_header"] = "X-Signature"
    present = {
        field: verification[option]
        for field, option in _OPTIONS.get(verification["scheme"], {}).items()
        if option in verification
    }
    if "hmac_field" in present:
        present["hmac_header"] = ""
    return {**defaults, **present}


def _initial_dedupe(endpoint: InboundEndpoint) -> dict[str, Any]:
    setting = endpoint.dedupe or {}
    return {
        "dedupe_keys": "\n".join(setting.get("keys", [])),
        "dedupe_ignore": "\n".join(setting.get("ignore", [])),
        "dedupe_window_days": setting.get("window_days"),
    }


def _initial_landing(endpoint: InboundEndpoint) -> dict[str, Any]:
    setting = endpoint.landing or {}
    return {
        "landing_origins": "\n".join(setting.get("allowed_origins", [])),
        "landing_honeypot": setting.get("honeypot", "website"),
        "landing_redirect_url": setting.get("redirect_url", ""),
        "landing_rate_per_address": setting.get("rate_per_address"),
    }
