"""Merging two contacts or companies: with whom, and a preview in which it is chosen what is kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from crm.actors import Actor
from crm.duplicates import duplicates_of
from crm.merging import Choice, choices, moving
from crm.models import CustomField, Deal
from crm.party_history import field_label, shown
from crm.refusals import Refused
from crm.signals import sending_requested
from crm.timeline import Sending, answers_to
from crm.views.access import PageRequest
from crm.views.people.kinds import Kind, Party

_OFFERED = 10


@dataclass(frozen=True, slots=True)
class Line:
    """A field of the preview: what both say, and whose value is proposed."""

    name: str
    label: str
    kept: str
    other: str
    differs: bool
    takes_others: bool


@login_required
@require_safe
def choose(request: PageRequest, pk: int, kind: Kind) -> HttpResponse:
    """With whom: those who seem to be the same, and whatever a search finds."""
    _refuse_reps(request)
    found = kind.get(pk)
    q = request.GET.get("q", "").strip()
    others = kind.found(request).exclude(pk=found.pk).order_by("name", "pk")[:_OFFERED] if q else []
    context = {"kind": kind, "party": found, "duplicates": duplicates_of(found), "others": others, "q": q}
    return render(request, "crm/merge_with.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def merge(request: PageRequest, pk: int, other_id: int, kind: Kind) -> HttpResponse:
    """The preview; on POST the merge. Where it cannot be, or somebody changed one meanwhile, the preview says so."""
    _refuse_reps(request)
    if pk == other_id:
        raise Http404
    if request.method == "GET":
        return _preview(request, kind, kind.get(pk), kind.get(other_id))
    name = str(kind.get(other_id))
    try:
        kept = _merge(request, kind, pk, other_id, take=_taken(request), seen=_seen(request))
    except (kind.model.DoesNotExist, Refused) as error:
        problem = str(error) if isinstance(error, Refused) else _("One of them is gone.")
        return _preview(request, kind, kind.get(pk), kind.get(other_id), problem=problem)
    messages.success(request, _("“%(other)s” was merged into “%(kept)s”.") % {"other": name, "kept": kept})
    return redirect(kept)


def _merge(request: PageRequest, kind: Kind, pk: int, other_id: int, **options: Any) -> Party:
    return kind.merge(kept_id=pk, other_id=other_id, actor=Actor.user(request.user), **options)


def _taken(request: PageRequest) -> list[str]:
    """The fields for which the other's value was chosen: `keep-job_title=other`."""
    return [name.removeprefix("keep-") for name, value in request.POST.items() if value == "other"]


def _seen(request: PageRequest) -> dict[int, datetime]:
    """When both had been changed last as the preview showed them, sent as `seen`: "7 2026-11-24T12:00:00.1+00:00"."""
    seen = {}
    for text in request.POST.getlist("seen"):
        pk, _space, moment = text.partition(" ")
        try:
            seen[int(pk)] = datetime.fromisoformat(moment)
        except ValueError:
            continue
    return seen


def _preview(request: PageRequest, kind: Kind, kept: Any, other: Any, *, problem: str = "") -> HttpResponse:
    offered = choices(kept, other)
    labels = dict(CustomField.objects.filter(entity=kind.name).values_list("key", "label"))
    context = {
        "kind": kind,
        "kept": kept,
        "other": other,
        "lines": [_line(request, choice, kind, labels) for choice in offered],
        "moving": moving(other),
        "sending": None if problem else _sending(request, kind, kept, other),
        "seen": [f"{row.pk} {row.updated_at.isoformat()}" for row in (kept, other)],
        "problem": problem,
    }
    return render(request, "crm/merge.html", context, status=409 if problem else 200)


def _line(request: PageRequest, choice: Choice, kind: Kind, labels: dict[str, str]) -> Line:
    is_taken = choice.field in _taken(request)
    return Line(
        name=choice.field,
        label=field_label(choice.field, kind.model, labels),
        kept=shown(choice.kept),
        other=shown(choice.other),
        differs=choice.differs,
        takes_others=is_taken if request.method == "POST" else choice.is_others,
    )


def _sending(request: PageRequest, kind: Kind, kept: Party, other: Party) -> Sending | None:
    """What the merge will send, found out by doing it and rolling it back; None where that is nothing."""
    deals = list(Deal.objects.filter(**{kind.name: other.pk}).values_list("pk", flat=True))
    actor = Actor.user(request.user)
    try:
        with transaction.atomic():
            kind.merge(kept_id=kept.pk, other_id=other.pk, actor=actor)
            answers: list[Sending] = answers_to(sending_requested, Deal, deal_ids=deals, chain=actor.chain)
            transaction.set_rollback(True)
    except (kind.model.DoesNotExist, Refused):
        return None
    requests = sum(answer.requests for answer in answers)
    return Sending(rules=sum(answer.rules for answer in answers), requests=requests) if requests else None


def _refuse_reps(request: PageRequest) -> None:
    """A merge moves deals that a rep may not see."""
    if not request.user.sees_all_deals:
        raise PermissionDenied
