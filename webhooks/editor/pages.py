"""The editor of an endpoint's mapping: the page, its rows, and the preview beside it. For administrators."""

import json
from copy import copy
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from crm.ids import read_id
from crm.models import Deal
from crm.refusals import InvalidFields
from crm.views.access import PageRequest, admin_required
from webhooks.editor.forms import MappingForm, as_text, drafted, fingerprint
from webhooks.editor.lines import lines_of
from webhooks.editor.offers import Offer
from webhooks.editor.readings import Reader
from webhooks.editor.rows import Row, new_row, rows_from
from webhooks.editor.samples import Sample, lists_of, newest_sample, sample_from
from webhooks.editor.shown_rows import ShownRow
from webhooks.editor.trying import choice_context
from webhooks.editor.words import Table, table_in
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
    form = MappingForm(request.POST or None, endpoint=endpoint, part=read_id(request.GET.get("part", "")))
    seen = request.POST.get("switch_on", "")
    if form.is_bound and form.is_valid() and _save(form, endpoint, seen=seen):
        text = _("“%(name)s” is switched on.") if seen else _("“%(name)s” is saved.")
        messages.success(request, text % {"name": endpoint.name})
        return redirect("endpoint", endpoint.pk) if seen else redirect(_url_of(endpoint, part=form.place))
    told = request.POST if form.is_bound else request.GET
    sample = sample_from(told, endpoint) or (None if form.is_bound else newest_sample(endpoint))
    context = {
        "form": form,
        "endpoint": endpoint,
        "parts": [each.get("when") or "" for each in form.parts],
        "sample": sample,
        "curl": curl_for(endpoint, secret=None, document=FOREIGN),
        "pasted": told.get("pasted", ""),
        "lines": lines_of(sample, each=form["each"].value() or ""),
        **choice_context(endpoint),
        "lists": lists_of(sample),
        "rows": _shown(form.rows, sample, each=form["each"].value() or ""),
    }
    return render(request, "webhooks/mapping.html", context, status=422 if form.is_bound else 200)


def _url_of(endpoint: InboundEndpoint, *, part: int) -> str:
    url = reverse("endpoint-mapping", args=[endpoint.pk])
    return f"{url}?part={part}" if part else url


def _found(endpoint_id: int) -> InboundEndpoint:
    return get_object_or_404(InboundEndpoint.objects.present(), pk=endpoint_id)


def _save(form: MappingForm, endpoint: InboundEndpoint, *, seen: str) -> bool:
    """Save what is filled in, and switch the endpoint on if `seen` is the fingerprint of it: what was tried is what
    is then applied.
    """
    try:
        fields = form.values()
        if seen and seen != fingerprint(form.draft(copy(endpoint))):
            form.add_error(
                None, _("This has changed since it was tried. Look once more at what would happen.")
            )
            return False
        switched = {"setting_up": False, "enabled": True} if seen else {}
        update_endpoint(endpoint_id=endpoint.pk, fields={**fields, **switched})
    except InvalidFields as refusal:
        form.take_refusal(refusal)
        return False
    return True


def _shown(
    rows: list[Row], sample: Sample | None, *, each: str, offer: Offer | None = None
) -> list[ShownRow]:
    offer, reader = offer or Offer(), Reader(sample, each=each)
    return [ShownRow(row, offer, reader) for row in rows]


@admin_required
@require_POST
def mapping_row(request: PageRequest, endpoint_id: int) -> HttpResponse:
    """A row: a new one, or the one that is given (`this`) with what was picked for it from the sample, how that is
    read, or one more line of its own (`more`).
    """
    endpoint, offer = _found(endpoint_id), Offer()
    rows, this = rows_from(request.POST), request.POST.get("this", "")
    sample = sample_from(request.POST, endpoint)
    row = next((row for row in rows if row.key == this), None) or new_row(rows, offer)
    (shown,) = _shown([row], sample, each=request.POST.get("each", ""), offer=offer)
    focus = _changed(request, shown)
    again = ShownRow(row, offer, shown.reader)
    return render(
        request, "webhooks/_mapping_row.html", {"shown": again, "endpoint": endpoint, "focus": focus}
    )


def _changed(request: PageRequest, shown: ShownRow) -> str:
    """Do to a row what was asked, and return the name of the input where its reader goes on."""
    row, name = shown.row, request.headers.get("HX-Trigger-Name", "").rpartition("-")[2]
    picked, read = (request.POST.get(f"row-{row.key}-{each}", "") for each in ("pick", "read"))
    if "more" in request.POST:
        return _one_more(shown)
    if name == "read":
        row.write(read or row.expression)
        return "from-1" if table_in(row.expression) else "read"
    is_picked_anew = picked not in ("", shown.source if shown.fixed is None else shown.always)
    if name == "field" and not is_picked_anew and shown.source and not shown.table:
        row.pick(shown.source, reader=shown.reader, kind=shown.kind)
    if not picked or (name == "field" and not is_picked_anew):
        return name or "field"
    if picked == shown.always:
        row.fixed, row.table, row.expression = [""], None, ""
        return "fixed-1"
    row.pick(picked, reader=shown.reader, kind=shown.kind)
    return "pick"


def _one_more(shown: ShownRow) -> str:
    """An empty line at the end of what is always the same, or of the table."""
    row = shown.row
    if shown.fixed is not None:
        row.fixed = [*shown.fixed, ""]
        return f"fixed-{len(row.fixed)}"
    table = shown.table or Table(shown.source, [])
    row.table = replace(table, words=[*table.words, ("", "")])
    return f"from-{len(row.table.words)}"


@admin_required
@require_POST
def mapping_result(request: PageRequest, endpoint_id: int) -> HttpResponse:
    """What the row that is given (`this`) gives of the sample, as it is filled in."""
    endpoint = _found(endpoint_id)
    rows = [row for row in rows_from(request.POST) if row.key == request.POST.get("this", "")]
    sample = sample_from(request.POST, endpoint)
    shown = _shown(rows, sample, each=request.POST.get("each", ""))
    return render(request, "webhooks/_mapping_result.html", {"shown": shown[0] if shown else None})


@admin_required
@require_POST
def mapping_rows(request: PageRequest, endpoint_id: int) -> HttpResponse:
    """All rows anew, with what another sample offers."""
    endpoint = _found(endpoint_id)
    sample = sample_from(request.POST, endpoint)
    context = {
        "endpoint": endpoint,
        "rows": _shown(rows_from(request.POST), sample, each=request.POST.get("each", "")),
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
