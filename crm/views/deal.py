"""The page of one deal: its stage, its fields, its story. Everything is written through `crm.deals`."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import trigger_client_event

from crm.actors import Actor
from crm.deals import DealError, lose_deal, reopen_deal, win_deal
from crm.deals.verbs import add_note
from crm.history import deal_calls, deal_timeline, last_change_text
from crm.models import Deal, LostReason
from crm.signals import deal_actions_requested
from crm.standings import standing_of
from crm.timeline import DealAction, answers_to
from crm.views.access import PageRequest
from crm.views.deal_fields import all_field_forms, field_form
from crm.views.field_forms import FieldForm, save_field

_RELATED = ("pipeline", "stage", "owner", "contact", "company", "source", "lost_reason")


class LoseForm(forms.Form):
    """A reason is asked for wherever there are any to choose from."""

    lost_reason = forms.ModelChoiceField(
        LostReason.objects.filter(archived=False), label=gettext_lazy("Why was it lost?"), empty_label="—"
    )
    note = forms.CharField(
        label=gettext_lazy("Note"), required=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["lost_reason"].required = LostReason.objects.filter(archived=False).exists()


class NoteForm(forms.Form):
    body = forms.CharField(
        label=gettext_lazy("Note"),
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": gettext_lazy("Write a note…")}),
    )


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
        "stages": list(found.pipeline.stages.all()),
        "days": (now - found.stage_entered_at).days,
        "fields": all_field_forms(found),
        "external_ids": found.external_id_rows.order_by("system"),
        "actions": _actions(found),
        "planned": found.activities.filter(done_at=None).order_by("due_at").select_related("assignee"),
        "plans": [
            (plan, standing_of(plan, today=timezone.localdate())) for plan in found.subscriptions.all()
        ],
        "calls": deal_calls(found),
        "timeline": deal_timeline(found),
        "note_form": NoteForm(auto_id="note-%s"),
        "lose_form": LoseForm(auto_id="lose-%s"),
        "now": now,
        "rendered_at": str(now.timestamp()),
    }
    return render(request, "crm/deal.html", context)


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
    found = visible_deal(request, deal_id)
    try:
        form = field_form(found, name, request.POST if request.method == "POST" else None)
    except KeyError as error:
        raise Http404 from error
    if request.method == "GET":
        return _row(request, form)
    status = save_field(form, actor=Actor.user(request.user))
    if status == HTTPStatus.CONFLICT:
        return _conflict(request, field_form(visible_deal(request, deal_id), name, request.POST))
    if status != HTTPStatus.OK:
        return _row(request, form, status=status)
    saved = _row(request, field_form(visible_deal(request, deal_id), name), saved=True)
    return trigger_client_event(saved, "deal-changed")


def _row(request: PageRequest, form: FieldForm, *, status: int = 200, saved: bool = False) -> HttpResponse:
    return render(request, "crm/_edit_field.html", {"form": form, "saved": saved}, status=status)


def _conflict(request: PageRequest, form: FieldForm) -> HttpResponse:
    who = last_change_text(form.row, now=timezone.now())
    return render(request, "crm/_edit_field.html", {"form": form, "conflict": who}, status=409)


@login_required
@require_POST
def win(request: PageRequest, deal_id: int) -> HttpResponse:
    found = visible_deal(request, deal_id)
    return _closed(request, found, lambda: win_deal(deal_id=found.pk, actor=Actor.user(request.user)))


@login_required
@require_POST
def lose(request: PageRequest, deal_id: int) -> HttpResponse:
    found = visible_deal(request, deal_id)
    form = LoseForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose why the deal was lost."))
        return redirect(found)
    actor = Actor.user(request.user)
    return _closed(request, found, lambda: lose_deal(deal_id=found.pk, actor=actor, **form.cleaned_data))


@login_required
@require_POST
def reopen(request: PageRequest, deal_id: int) -> HttpResponse:
    found = visible_deal(request, deal_id)
    return _closed(request, found, lambda: reopen_deal(deal_id=found.pk, actor=Actor.user(request.user)))


def _closed(request: PageRequest, found: Deal, verb: Callable[[], Deal]) -> HttpResponse:
    """Do it, say what the deal is now or why not, and go back to its page."""
    try:
        status = verb().get_status_display()
    except DealError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("“%(deal)s”: %(status)s") % {"deal": found, "status": status})
    return redirect(found)


@login_required
@require_POST
def write_note(request: PageRequest, deal_id: int) -> HttpResponse:
    """Keep a note; the answer is the empty composer, or the composer with what is wrong (422)."""
    found = visible_deal(request, deal_id)
    form = NoteForm(request.POST, auto_id="note-%s")
    if not form.is_valid():
        return render(request, "crm/_note_form.html", {"deal": found, "note_form": form}, status=422)
    with transaction.atomic():
        add_note(deal=found, body=form.cleaned_data["body"], actor=Actor.user(request.user))
    composer = render(
        request, "crm/_note_form.html", {"deal": found, "note_form": NoteForm(auto_id="note-%s")}
    )
    return trigger_client_event(composer, "deal-changed")
