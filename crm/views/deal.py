"""The page of one deal: its stage, its fields, its story. Everything is written through `crm.deals`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import trigger_client_event

from crm import formats
from crm.actors import Actor
from crm.agenda import next_monday, planned_rows
from crm.deals import DealError, lock_present, reopen_deal
from crm.history import deal_calls, deal_timeline, field_change_text, stage_stays
from crm.models import Deal, Stage
from crm.products import totals_of
from crm.signals import deal_actions_requested
from crm.standings import standing_of
from crm.timeline import DealAction, EntryKind, TimelineEntry, answers_to
from crm.views.access import PageRequest
from crm.views.composer_forms import composer_forms
from crm.views.deal_fields import all_field_forms, field_form
from crm.views.field_forms import FieldForm, save_field

_RELATED = ("pipeline", "stage", "owner", "contact", "company", "source", "lost_reason")


def visible_deal(request: PageRequest, deal_id: int) -> Deal:
    """The deal, or 404 where there is none or it is none of this person's."""
    deals = Deal.objects.visible_to(request.user).select_related(*_RELATED)
    return get_object_or_404(deals, pk=deal_id)


@login_required
@require_safe
def deal(request: PageRequest, deal_id: int) -> HttpResponse:
    now = timezone.now()
    found = visible_deal(request, deal_id)
    context = {
        "deal": found,
        "steps": _steps(found, now=now),
        "fields": all_field_forms(found),
        "external_ids": found.external_id_rows.order_by("system"),
        "actions": _actions(found),
        "planned": planned_rows(found.activities.all()),
        "about": f"deal:{found.pk}",
        "next_monday": next_monday(timezone.localdate(now)),
        "plans": [
            (plan, standing_of(plan, today=timezone.localdate())) for plan in found.subscriptions.all()
        ],
        "calls": deal_calls(found),
        "lines": (lines := list(found.lines.all())),
        "totals": totals_of(lines),
        **_story(request, found),
        **composer_forms(found),
        "files": found.files.all(),
        "now": now,
        "rendered_at": str(now.timestamp()),
    }
    return render(request, "crm/deal.html", context)


def _steps(deal: Deal, *, now: datetime) -> list[tuple[Stage, str]]:
    """The stages of the pipeline, each with how long the deal was in it; "" where it was not."""
    stays = stage_stays(deal, now=now)
    return [
        (stage, formats.stay(stays[stage.pk]) if stage.pk in stays else "")
        for stage in deal.pipeline.stages.all()
    ]


@dataclass(frozen=True, slots=True)
class StoryFilter:
    """What of the history is shown under one name; no kinds stand for all of it."""

    key: str
    label: Promise
    kinds: frozenset[EntryKind] = frozenset()

    def narrow(self, entries: Sequence[TimelineEntry]) -> Sequence[TimelineEntry]:
        return [entry for entry in entries if entry.kind in self.kinds] if self.kinds else entries


_STORIES = {
    story.key: story
    for story in (
        StoryFilter("all", gettext_lazy("All")),
        StoryFilter("notes", gettext_lazy("Notes"), frozenset({EntryKind.NOTE})),
        StoryFilter("activities", gettext_lazy("Activities"), frozenset({EntryKind.ACTIVITY})),
        StoryFilter("calls", gettext_lazy("Calls"), frozenset({EntryKind.CALL})),
        StoryFilter("stages", gettext_lazy("Stages"), frozenset({EntryKind.STAGE})),
        StoryFilter("sent", gettext_lazy("Requests sent"), frozenset({EntryKind.SENDING})),
        StoryFilter("received", gettext_lazy("Requests received"), frozenset({EntryKind.INBOUND})),
    )
}
_FIRST = 40  # entries, until more are asked for


def _story(request: PageRequest, deal: Deal) -> dict[str, Any]:
    """The history as far as it is asked for: `?story=` one of `_STORIES`, and with `whole` all of it."""
    story = _STORIES.get(request.GET.get("story", ""), _STORIES["all"])
    entries = story.narrow(deal_timeline(deal, reader=request.user))
    shown = entries if "whole" in request.GET else entries[:_FIRST]
    return {
        "stories": _STORIES.values(),
        "story": story,
        "timeline": shown,
        "untold": len(entries) - len(shown),
    }


def _actions(deal: Deal) -> list[DealAction]:
    """What other parts of Stagehook offer to do with the deal."""
    return [action for answer in answers_to(deal_actions_requested, Deal, deal=deal) for action in answer]


@login_required
@require_safe
def actions(request: PageRequest, deal_id: int) -> HttpResponse:
    """The same for the menu of its card; nothing where there are none."""
    found = visible_deal(request, deal_id)
    return render(request, "crm/_card_actions.html", {"deal": found, "actions": _actions(found)})


@login_required
@require_http_methods(["GET", "POST"])
def edit_field(request: PageRequest, deal_id: int, name: str) -> HttpResponse:
    """One field's row; on POST it is saved. 422 with what is wrong, 409 with who was faster and what it says now."""
    if request.method == "GET":
        return _row(request, _field_form(visible_deal(request, deal_id), name))
    form, status = saved_field(request, deal_id, name)
    if status == HTTPStatus.CONFLICT:
        return _row(
            request, form, status=status, conflict=field_change_text(form.row, name, now=timezone.now())
        )
    if status != HTTPStatus.OK:
        return _row(request, form, status=status)
    saved = _row(request, field_form(visible_deal(request, deal_id), name), saved=True)
    return trigger_client_event(saved, "deal-changed")


@transaction.atomic
def saved_field(request: PageRequest, deal_id: int, name: str) -> tuple[FieldForm, HTTPStatus]:
    """What was posted for a field, and what became of it (see `save_field`).

    The deal is locked before it is read, so that nothing but a change of this very field comes in between.
    """
    lock_present([visible_deal(request, deal_id).pk])
    form = _field_form(visible_deal(request, deal_id), name, request.POST)
    return form, save_field(form, actor=Actor.user(request.user))


def _field_form(found: Deal, name: str, data: Any = None) -> FieldForm:
    try:
        return field_form(found, name, data)
    except KeyError as error:
        raise Http404 from error


def _row(request: PageRequest, form: FieldForm, *, status: int = 200, **told: Any) -> HttpResponse:
    return render(request, "crm/_edit_field.html", {"form": form, **told}, status=status)


@login_required
@require_POST
def reopen(request: PageRequest, deal_id: int) -> HttpResponse:
    """Open it again, say what the deal is now or why not, and go back to its page."""
    found = visible_deal(request, deal_id)
    try:
        status = reopen_deal(deal_id=found.pk, actor=Actor.user(request.user)).get_status_display()
    except DealError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("“%(deal)s”: %(status)s") % {"deal": found, "status": status})
    return redirect(found)
