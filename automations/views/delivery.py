"""One delivery: why it is as it is, its attempts, and what passed between us and the receiver."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from automations.curl import as_curl
from automations.explanations import advise_delivery, explain_attempt, explain_delivery
from automations.models import Attempt, Delivery
from automations.rendering import FAILED, TOO_LARGE
from crm.formats import pretty_json
from crm.models import Deal
from crm.views.access import PageRequest, admin_required

UNSENDABLE = (TOO_LARGE, FAILED)  # these never had a body
PHASE_HUES = (7, 5, 3, 1, 6)


@admin_required
@require_safe
def delivery(request: PageRequest, delivery_id: str) -> HttpResponse:
    """One delivery and one of its attempts (`?attempt=` a number, else the newest).

    204 where the page says in `?seen=` what it shows and nothing has changed.
    """
    found = get_object_or_404(Delivery.objects.select_related("rule", "destination"), pk=delivery_id)
    if request.GET.get("seen") == found.version:
        return HttpResponse(status=204)
    attempts = list(found.attempts.order_by("-number"))
    number = request.GET.get("attempt", "")
    chosen = next((attempt for attempt in attempts if str(attempt.number) == number), None)
    last = attempts[0] if attempts else None
    context = {
        "delivery": found,
        "deal": Deal.objects.filter(pk=found.deal_id or 0).first(),
        "lines": _lines(attempts),
        "explanation": explain_delivery(found, last=last, now=timezone.now()),
        "advice": advise_delivery(found, last=last),
        "payload": pretty_json(bytes(found.body).decode()),
        "is_cut": not found.body and found.error_code not in UNSENDABLE,
        "kept_days": settings.KEEP_BODIES_DAYS,
        **(_details(found, chosen or last) if last else {}),
    }
    return render(request, "automations/delivery.html", context)


def _details(delivery: Delivery, attempt: Attempt | None) -> dict[str, Any]:
    if attempt is None:
        return {}
    return {
        "attempt": attempt,
        "phases": phases_of(attempt),
        "curl": as_curl(delivery, attempt) if delivery.body else "",
        "response_body": pretty_json(attempt.response_body),
    }


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of an attempt's time; `start` and `width` in per cent of the whole that is drawn."""

    label: str
    hue: int
    ms: int
    start: str
    width: str


@dataclass(frozen=True, slots=True)
class Line:
    """An attempt in the timeline; its phases are drawn to the scale of the longest attempt."""

    attempt: Attempt
    text: str
    phases: list[Phase]


def _lines(attempts: list[Attempt]) -> list[Line]:
    longest = max((sum(ms for _label, ms in _stretches(attempt)) for attempt in attempts), default=0)
    return [Line(it, explain_attempt(it), phases_of(it, whole_ms=longest)) for it in attempts]


def phases_of(attempt: Attempt, *, whole_ms: int = 0) -> list[Phase]:
    """What the time went into, in order, in per cent of `whole_ms` or of all of it; nothing where none was taken."""
    stretches = _stretches(attempt)
    whole = whole_ms or sum(ms for _label, ms in stretches)
    phases, start = [], 0.0
    for (label, ms), hue in zip(stretches, PHASE_HUES, strict=True):
        width = 100 * ms / whole if whole else 0.0
        phases.append(Phase(label, hue, ms, f"{start:.2f}", f"{width:.2f}"))
        start += width
    return phases if start else []


def _stretches(attempt: Attempt) -> list[tuple[str, int]]:
    timings = attempt.timings
    named = (("dns", "DNS"), ("connect", _("Connection")), ("tls", "TLS"), ("first_byte", _("Waiting")))
    stretches = [(label, timings.get(name, 0)) for name, label in named]
    transfer = max(timings.get("total", 0) - sum(ms for _label, ms in stretches), 0)
    return [*stretches, (_("Transfer"), transfer)]
