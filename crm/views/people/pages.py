"""The page of one contact or company: its fields, its deals and calls, what came in and went out for them."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import trigger_client_event

from crm.actors import Actor
from crm.agenda import next_monday, planned_rows
from crm.duplicates import duplicates_of
from crm.history import shown_calls
from crm.merging import survivor_of
from crm.models import Activity, Call, Company, Contact, Deal, DealQuerySet, Subscription
from crm.party_history import done_with, party_change_text, party_timeline
from crm.signals import traffic_requested
from crm.standings import standing_of
from crm.timeline import TimelineEntry, answers_to
from crm.views.access import PageRequest
from crm.views.field_forms import FieldForm, save_field
from crm.views.people.kinds import Kind, Party

_NEWEST = 100


@login_required
@require_safe
def party(request: PageRequest, pk: int, kind: Kind) -> HttpResponse:
    """The page; of one that was merged into another it leads there."""
    found = kind.model.objects.filter(pk=pk).first()
    if found is None:
        if (survivor := survivor_of(kind.model, pk)) is None:
            raise Http404
        return redirect(survivor)
    deals = _deals(request, found)
    context = {
        "kind": kind,
        "party": found,
        "fields": kind.editable.forms(found),
        "external_ids": found.external_id_rows.order_by("system", "former"),
        "duplicates": duplicates_of(found),
        "deals": deals[:_NEWEST],
        "traffic": _traffic(request, deals),
        "timeline": party_timeline(found),
        **(_of_contact(request, found) if isinstance(found, Contact) else _of_company(request, found)),
    }
    return render(request, f"crm/{kind.name}.html", context)


def _of_contact(request: PageRequest, contact: Contact) -> dict[str, Any]:
    now, activities = timezone.now(), Activity.objects.visible_to(request.user).filter(contact=contact)
    return {
        "calls": shown_calls(Call.objects.audible_to(request.user).filter(contact=contact)),
        "planned": planned_rows(activities),
        "done": done_with(activities),
        "about": f"contact:{contact.pk}",
        "now": now,
        "next_monday": next_monday(timezone.localdate(now)),
    }


def _of_company(request: PageRequest, company: Company) -> dict[str, Any]:
    plans = Subscription.objects.visible_to(request.user).filter(company=company)[:_NEWEST]
    return {
        "contacts": company.contacts.all()[:_NEWEST],
        "plans": [(plan, standing_of(plan, today=timezone.localdate())) for plan in plans],
    }


def _deals(request: PageRequest, found: Party) -> DealQuerySet:
    whose = Q(contact=found) if isinstance(found, Contact) else Q(company=found)
    deals = Deal.objects.visible_to(request.user).filter(whose).select_related("company", "stage", "owner")
    return deals.order_by("-created_at", "-pk")


def _traffic(request: PageRequest, deals: DealQuerySet) -> list[TimelineEntry]:
    """What came in and went out for these deals; with the way to the logs for whoever may read them."""
    ids = list(deals.values_list("pk", flat=True)[:_NEWEST])
    answers = answers_to(traffic_requested, Deal, deal_ids=ids) if ids else []
    entries = sorted((each for answer in answers for each in answer), key=lambda each: each.at, reverse=True)
    return [each if request.user.is_admin else replace(each, url="") for each in entries[:_NEWEST]]


@login_required
@require_http_methods(["GET", "POST"])
def edit_field(request: PageRequest, pk: int, name: str, kind: Kind) -> HttpResponse:
    """One field's row; on POST it is saved. 422 with what is wrong, 409 with who was faster."""
    try:
        form = kind.editable.form(kind.get(pk), name, request.POST if request.method == "POST" else None)
    except KeyError as error:
        raise Http404 from error
    if request.method == "GET":
        return _row(request, form)
    status = save_field(form, actor=Actor.user(request.user))
    if status == HTTPStatus.CONFLICT:
        late = kind.editable.form(kind.get(pk), name, request.POST)
        who = party_change_text(late.row, name, now=timezone.now())
        return _row(request, late, status=409, conflict=who)
    if status != HTTPStatus.OK:
        return _row(request, form, status=status)
    saved = _row(request, kind.editable.form(kind.get(pk), name), saved=True)
    return trigger_client_event(saved, "party-changed")


def _row(request: PageRequest, form: FieldForm, *, status: int = 200, **more: Any) -> HttpResponse:
    return render(request, "crm/_edit_field.html", {"form": form, **more}, status=status)
