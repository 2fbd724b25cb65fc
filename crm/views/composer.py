"""Writing down on a deal's page: notes that name people, calls, files.

Each answers with its empty form, or with the form and what is wrong (422). The page hears `deal-changed`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models.lookups import Contains
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from crm.activities import NothingToHangOn
from crm.actors import Actor
from crm.announcements import announce_deals
from crm.calls import create_call
from crm.deals import UnknownDeals
from crm.deals.verbs import add_note
from crm.files import NotKept, keep_file
from crm.folding import Folded, fold
from crm.mentions import people_who_see
from crm.models import Deal
from crm.views.access import PageRequest
from crm.views.composer_forms import CallForm, FilesForm, NoteForm
from crm.views.deal import visible_deal

_OFFERED = 8


@contextmanager
def _of_a_deal_that_is_there() -> Iterator[None]:
    """One transaction; 404 where the deal was deleted since it was looked up."""
    try:
        with transaction.atomic():
            yield
    except (NothingToHangOn, UnknownDeals) as error:
        raise Http404 from error


@login_required
@require_POST
def write_note(request: PageRequest, deal_id: int) -> HttpResponse:
    deal = visible_deal(request, deal_id)
    form = NoteForm(deal, request.POST)
    if not form.is_valid():
        return _shown(request, "_note_form", deal, note_form=form)
    with _of_a_deal_that_is_there():
        add_note(deal=deal, body=form.cleaned_data["body"], actor=Actor.user(request.user))
    return _shown(request, "_note_form", deal, note_form=NoteForm(deal))


@login_required
@require_POST
def write_call(request: PageRequest, deal_id: int) -> HttpResponse:
    """Keep a call, and what was said as a note."""
    deal = visible_deal(request, deal_id)
    form = CallForm(deal, request.POST)
    if not form.is_valid():
        return _shown(request, "_call_form", deal, call_form=form)
    actor = Actor.user(request.user)
    fields = {**form.for_the_door(), "deal": deal, "contact": deal.contact, "agent": request.user}
    with _of_a_deal_that_is_there():
        call = create_call(fields=fields, actor=actor)
        if note := form.cleaned_data["note"]:
            subject = _("Call with %(number)s") % {"number": call.to_number or call.from_number}
            add_note(deal=deal, body=note, subject=subject, actor=actor)
        announce_deals(pipelines=[deal.pipeline_id], stages=[], deals=[deal.pk], actor=actor)
    return _shown(request, "_call_form", deal, call_form=CallForm(deal))


@login_required
@require_POST
def upload(request: PageRequest, deal_id: int) -> HttpResponse:
    """Keep each file that can be; what cannot is named in the form."""
    deal = visible_deal(request, deal_id)
    form = FilesForm(request.POST, request.FILES)
    if not form.is_valid():
        return _shown(request, "_files_form", deal, files_form=form)
    for file in form.cleaned_data["upload"]:
        try:
            keep_file(deal=deal, name=file.name, content=file, actor=Actor.user(request.user))
        except NotKept as refusal:
            form.add_error("upload", str(refusal))
        except UnknownDeals as error:
            raise Http404 from error
    return _shown(request, "_files_form", deal, files_form=form if form.errors else FilesForm())


def _shown(request: PageRequest, template: str, deal: Deal, **form: Any) -> HttpResponse:
    status = 422 if any(each.errors for each in form.values()) else 200
    answer = render(request, f"crm/{template}.html", {"deal": deal, **form}, status=status)
    return trigger_client_event(answer, "deal-changed")


@login_required
@require_safe
def mentions(request: PageRequest, deal_id: int) -> HttpResponse:
    """The people who see the deal and whose name has `?q=` in it, for the list under a note."""
    deal = visible_deal(request, deal_id)
    typed = fold(request.GET.get("q", "").replace("\0", ""))
    people = people_who_see(deal).filter(Contains(Folded("name"), typed)).order_by("name", "pk")
    return render(request, "crm/_mentions.html", {"people": people[:_OFFERED]})
