"""The page that makes an endpoint for a system we know."""

from itertools import groupby

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.refusals import InvalidFields
from crm.views.access import PageRequest, admin_required
from webhooks.endpoints import create_endpoint
from webhooks.forms import PresetForm
from webhooks.presets import CATEGORIES, Preset, UnknownPreset, list_presets, read_preset
from webhooks.shown_once import keep_secret


def shelves() -> list[tuple[str | Promise, list[Preset]]]:
    """All presets under the names of their categories."""
    by_category = groupby(list_presets(), key=lambda preset: preset.category)
    return [(CATEGORIES[category], list(presets)) for category, presets in by_category]


@admin_required
@require_http_methods(["GET", "POST"])
def new_from_preset(request: PageRequest, key: str) -> HttpResponse:
    try:
        preset = read_preset(key)
    except UnknownPreset as error:
        raise Http404 from error
    form = PresetForm(request.POST or None, preset=preset)
    if form.is_valid():
        try:
            return _made(request, form, preset)
        except InvalidFields as refusal:
            form.take_refusal(refusal)
    context = {"form": form, "preset": preset}
    return render(request, "webhooks/new_from_preset.html", context, status=422 if form.is_bound else 200)


def _made(request: PageRequest, form: PresetForm, preset: Preset) -> HttpResponse:
    """Raises InvalidFields."""
    made = create_endpoint(fields=form.values(), created_by=request.user)
    if preset.secret_is_theirs and not form.cleaned_data["own_secret"]:
        message = _("Still to do: copy the secret that %(name)s shows into the field “Secret”.")
        messages.warning(request, message % {"name": preset.name})
    else:
        keep_secret(request, made)
        messages.success(request, _("“%(name)s” is saved.") % {"name": made.name})
    return redirect(made)
