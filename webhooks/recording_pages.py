"""The page on which an administrator says how the recordings of an endpoint's calls are fetched."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from crm.refusals import InvalidFields
from crm.views.access import PageRequest, admin_required
from webhooks.endpoints import update_endpoint
from webhooks.models import InboundEndpoint
from webhooks.presets import UnknownPreset, read_preset

_NEEDED_BY = {
    "username": {"basic"},
    "name": {"header", "query"},
    "hosts": {"basic", "bearer", "header", "query"},
}


class AccessForm(forms.Form):
    scheme = forms.ChoiceField(
        label=gettext_lazy("How does the provider know us?"),
        choices=[
            ("none", gettext_lazy("Not at all: the address is enough")),
            ("basic", gettext_lazy("User name and password (Basic)")),
            ("bearer", gettext_lazy("A token (Bearer)")),
            ("header", gettext_lazy("A header of its own")),
            ("query", gettext_lazy("A parameter in the URL")),
        ],
    )
    username = forms.CharField(label=gettext_lazy("User name"), max_length=500, required=False)
    name = forms.CharField(label=gettext_lazy("Called"), max_length=100, required=False)
    secret = forms.CharField(
        label=gettext_lazy("Secret"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    hosts = forms.CharField(
        label=gettext_lazy("Hosts that get the credentials"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "placeholder": "api.example.com"}),
    )

    def __init__(self, data: QueryDict | None = None, *, endpoint: InboundEndpoint) -> None:
        told = _present_or_suggested(endpoint)
        super().__init__(data, initial={**told, "hosts": "\n".join(told.get("hosts", []))})
        scheme = data.get("scheme") if data else None
        for name, schemes in _NEEDED_BY.items():
            self.fields[name].required = (
                scheme is None or scheme in schemes
            )  # the style sheet hides the others

    def value(self) -> dict[str, Any]:
        """What the door takes."""
        given = self.cleaned_data
        scheme = given["scheme"]
        value: dict[str, Any] = {"scheme": scheme}
        if scheme == "none":
            return value
        value["hosts"] = given["hosts"].split()
        if scheme == "basic":
            value["username"] = given["username"]
        if scheme in {"header", "query"}:
            value["name"] = given["name"]
        return {**value, "secret": given["secret"]} if given["secret"] else value


def _present_or_suggested(endpoint: InboundEndpoint) -> Mapping[str, Any]:
    """The access that is set; where none is, how the endpoint's preset says that its recordings are asked for."""
    told: Mapping[str, Any] = endpoint.recording_auth
    if told["scheme"] != "none":
        return told
    try:
        return read_preset(endpoint.preset).recordings or told
    except UnknownPreset:
        return told


@admin_required
@require_http_methods(["GET", "POST"])
def recording_access(request: PageRequest, endpoint_id: int) -> HttpResponse:
    endpoint = get_object_or_404(InboundEndpoint.objects.present(), pk=endpoint_id)
    form = AccessForm(request.POST or None, endpoint=endpoint)
    if form.is_valid():
        try:
            update_endpoint(endpoint_id=endpoint.pk, fields={"recording_auth": form.value()})
        except InvalidFields as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("“%(name)s” is saved.") % {"name": endpoint.name})
            return redirect(endpoint)
    context = {"form": form, "endpoint": endpoint}
    status = 422 if form.is_bound else 200
    return render(request, "webhooks/recording_access.html", context, status=status)
