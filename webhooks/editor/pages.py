"""The editor of an endpoint's mapping: the page, its rows, and the preview beside it. For administrators."""

import json
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from crm.models import Deal
from crm.refusals import InvalidFields
from crm.views.access import PageRequest, admin_required
from webhooks.editor.forms import MappingForm, as_text, drafted
from webhooks.editor.lines import lines_of
from webhooks.editor.rows import Row, new_row, offered_picks, rows_from
from webhooks.editor.samples import (
    Sample,
    lists_of,
    newest_sample,
    picks_of,
    sample_from,
)
from webhooks.editor.trying import choice_context
from webhooks.endpoints import update_endpoint
from webhooks.models import InboundEndpoint
from webhooks.preview import preview
from webhooks.problems import in_readers_language
from webhooks.samples import FOREIGN, curl_for
from webhooks.snapshots import plain


@admin_required
@require_http_methods(["GET", "POST"])
def mapping(request: PageRequest, endpoint_id: int) -> HttpResponse:
    """The editor with a sample: the last request that came, the one of `?sample=`, or what was pasted."""
    endpoint = _found(endpoint_id)
    form = MappingForm(request.POST or None, endpoint=endpoint)
    if form.is_bound and form.is_valid() and _save(form, endpoint):
        messages.success(request, _("“%(name)s” is saved.") % {"name": endpoint.name})
        return redirect("endpoint-mapping", endpoint.pk)
    told = request.POST if form.is_bound else request.GET
    sample = sample_from(told, endpoint) or (None if form.is_bound else newest_sample(endpoint))
    context = {
        "form": form,
        "endpoint": endpoint,
        "sample": sample,
        "curl": curl_for(endpoint, secret=None, document=FOREIGN),
        "pasted": told.get("pasted", ""),
        "lines": lines_of(sample, each=form["each"].value() or ""),
        **choice_context(endpoint),
        "lists": lists_of(sample),
        "rows": _with_picks(form.rows, sample, each=form["each"].value() or ""),
    }
    return render(request, "webhooks/mapping.html", context, status=422 if form.is_bound else 200)


def _found(endpoint_id: int) -> InboundEndpoint:
    return get_object_or_404(InboundEndpoint.objects.present(), pk=endpoint_id)


def _save(form: MappingForm, endpoint: InboundEndpoint) -> bool:
    try:
        update_endpoint(endpoint_id=endpoint.pk, fields=form.values())
    except InvalidFields as refusal:
        form.take_refusal(refusal)
        return False
    return True


def _with_picks(rows: list[Row], sample: Sample | None, *, each: str) -> list[dict[str, Any]]:
    picks = picks_of(sample, each=each)
    return [{"row": row, "picks": offered_picks(picks, row)} for row in rows]


@admin_required
@require_POST
def mapping_row(request: PageRequest, endpoint_id: int) -> HttpResponse:
    """A row: a new one, or the one that is given, with what was picked for it from the sample."""
    endpoint = _found(endpoint_id)
    this = request.POST.get("this", "")
    rows = rows_from(request.POST)
    row = next((row for row in rows if row.key == this), None) or new_row(rows)
    if picked := request.POST.get(f"row-{row.key}-pick", ""):
        row.pick(picked)
    sample = sample_from(request.POST, endpoint)
    (context,) = _with_picks([row], sample, each=request.POST.get("each", ""))
    focus = "expression" if picked else "field"
    return render(request, "webhooks/_mapping_row.html", {**context, "endpoint": endpoint, "focus": focus})


@admin_required
@require_POST
def mapping_rows(request: PageRequest, endpoint_id: int) -> HttpResponse:
    """All rows anew, with what another sample offers."""
    endpoint = _found(endpoint_id)
    sample = sample_from(request.POST, endpoint)
    context = {
        "endpoint": endpoint,
        "rows": _with_picks(rows_from(request.POST), sample, each=request.POST.get("each", "")),
        "lists": lists_of(sample),
        "sample": sample,
        "lines": lines_of(sample, each=request.POST.get("each", "")),
        "swap": True,
    }
    return render(request, "webhooks/_mapping_rows.html", context)


@admin_required
@require_POST
def mapping_preview(request: PageRequest, endpoint_id: int) -> HttpResponse:
    """What the mapping as it is filled in would make of the sample, and what would happen; nothing is written."""
    endpoint = _found(endpoint_id)
    sample = sample_from(request.POST, endpoint)
    draft, wrong = drafted(request.POST, endpoint)
    as_json = as_text(draft.mapping) if draft else ""
    context: dict[str, Any] = {"wrong": wrong, "sample": sample, "as_json": as_json}
    if sample is not None and draft is not None:
        context |= _outcome(draft, sample)
    return render(request, "webhooks/_mapping_preview.html", context)


def _outcome(draft: InboundEndpoint, sample: Sample) -> dict[str, Any]:
    found = preview(
        endpoint=draft, body=sample.body, content_type=sample.content_type, headers=sample.headers
    )
    changes = [(path, plain(before), plain(after)) for path, (before, after) in found["changes"].items()]
    return {
        "outcome": found,
        "errors": in_readers_language(found["errors"]),
        "changes": changes,
        "deal": Deal.objects.filter(pk=found["deal"]).first() if found["deal"] else None,
        "documents": json.dumps(found["documents"], indent=2, ensure_ascii=False, default=str),
    }
