"""Destinations: the list, the form of one, its secret, and holding it back."""

from collections.abc import Callable
from datetime import timedelta

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automations.deliveries import DeliveryError
from automations.destinations import (
    DestinationError,
    create_destination,
    delete_destination,
    pause_destination,
    resume_destination,
    rotate_secret,
    update_destination,
)
from automations.explanations import explain_destination, explain_last_failure
from automations.forms.destinations import DestinationForm, RecoveryForm, RotationForm
from automations.health import probe_now
from automations.jobs import MANY, given_up_lately, recover
from automations.models import Delivery, Destination, Event
from automations.receiving import SIGNED_WITH, examples, own_headers
from automations.views.destination_health import health_of
from automations.views.rules import offered_deals
from crm.views.access import PageRequest, admin_required

_SECRETS = ("headers", "variables", "credentials", "client_certificate", "secret", "previous_secret")


@admin_required
@require_safe
def destinations(request: PageRequest) -> HttpResponse:
    shown = Destination.objects.present().defer(*_SECRETS)
    counted = shown.annotate(rule_count=Count("rules", filter=Q(rules__deleted_at=None))).order_by(
        "name", "pk"
    )
    pending = Delivery.objects.filter(state=Delivery.State.PENDING).order_by()
    waiting = dict(pending.values_list("destination").annotate(n=Count("pk")))
    rows = [(destination, waiting.get(destination.pk, 0)) for destination in counted]
    return render(request, "automations/destinations.html", {"rows": rows})


@admin_required
@require_http_methods(["GET", "POST"])
def new_destination(request: PageRequest) -> HttpResponse:
    return _edit(request, Destination())


@admin_required
@require_http_methods(["GET", "POST"])
def destination(request: PageRequest, destination_id: int) -> HttpResponse:
    return _edit(request, _found(destination_id))


def _found(destination_id: int) -> Destination:
    return get_object_or_404(Destination.objects.present(), pk=destination_id)


def _edit(request: PageRequest, found: Destination) -> HttpResponse:
    name = found.name  # the form writes into its instance
    form = DestinationForm(request.POST or None, instance=found)
    if form.is_valid() and (saved := _save(form, found)):
        messages.success(request, _("“%(name)s” is saved.") % {"name": saved.name})
        return redirect("destination", saved.pk)
    context = {"form": form, "destination": found, "name": name, "rotation": RotationForm()}
    if found.pk:
        kept = _found(found.pk) if form.is_bound else found
        context |= _surroundings(kept, span=request.GET.get("span", ""))
    return render(request, "automations/destination.html", context, status=422 if form.is_bound else 200)


def _save(form: DestinationForm, found: Destination) -> Destination | None:
    try:
        if found.pk:
            return update_destination(destination_id=found.pk, fields=form.values())
        return create_destination(fields=form.values())
    except DestinationError as refusal:
        form.take_refusal(refusal)
        return None


def _surroundings(found: Destination, *, span: str) -> dict[str, object]:
    now = timezone.now()
    rules = found.rules.filter(deleted_at__isnull=True)
    waiting = found.deliveries.filter(state=Delivery.State.PENDING).count()
    return {
        "rules": rules,
        "waiting": waiting,
        "state": explain_destination(found, waiting=waiting, now=now),
        "last_failure": explain_last_failure(found),
        "health": health_of(found, span=span, now=now),
        "many": MANY,
        "given_up": given_up_lately(destination_id=found.pk, now=now),
        "recovery": RecoveryForm(initial={"since": found.failing_since or now - timedelta(days=1)}),
        "examples": examples(),
        "signed_with": SIGNED_WITH,
        "own_headers": own_headers(found),
        "old_secret_until": found.previous_secret_until if len(found.secrets_at(now)) > 1 else None,
        "events": Event.choices,
        "deals": offered_deals(),
        "delete_text": _(
            "Rules deleted with it: %(rules)d. Waiting deliveries cancelled: %(waiting)d. The log stays."
        )
        % {"rules": rules.count(), "waiting": waiting},
    }


@admin_required
@require_POST
def remove_destination(request: PageRequest, destination_id: int) -> HttpResponse:
    cancelled = delete_destination(destination_id=_found(destination_id).pk)
    text = ngettext(
        "The destination is deleted, %(n)d delivery was cancelled.",
        "The destination is deleted, %(n)d deliveries were cancelled.",
        cancelled,
    )
    messages.success(request, text % {"n": cancelled})
    return redirect("destinations")


@admin_required
@require_POST
def pause(request: PageRequest, destination_id: int) -> HttpResponse:
    return _switch(request, destination_id, pause_destination, _("Paused: what is due waits."))


@admin_required
@require_POST
def resume(request: PageRequest, destination_id: int) -> HttpResponse:
    return _switch(
        request, destination_id, resume_destination, _("Switched on: what has waited is sent now.")
    )


@admin_required
@require_POST
def probe(request: PageRequest, destination_id: int) -> HttpResponse:
    if probe_now(destination_id=_found(destination_id).pk, now=timezone.now()):
        messages.success(request, _("One delivery is sent now to see whether it is well again."))
    else:
        messages.error(request, _("This destination is not in a pause that could be ended."))
    return redirect("destination", destination_id)


@admin_required
@require_POST
def recover_since(request: PageRequest, destination_id: int) -> HttpResponse:
    found, form = _found(destination_id), RecoveryForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Say since when to send again what was given up."))
        return redirect("destination", destination_id)
    try:
        job = recover(destination_id=found.pk, since=form.cleaned_data["since"], by=request.user)
    except DeliveryError as refusal:
        messages.error(request, str(refusal))
        return redirect("destination", destination_id)
    return redirect(f"{reverse('deliveries')}?{urlencode({'destination': found.pk, 'job': job.pk})}")


def _switch(
    request: PageRequest, destination_id: int, verb: Callable[..., Destination], told: str
) -> HttpResponse:
    verb(destination_id=_found(destination_id).pk)
    messages.success(request, told)
    return redirect("destination", destination_id)


@admin_required
@never_cache
@require_POST
def reveal_secret(request: PageRequest, destination_id: int) -> HttpResponse:
    return render(request, "_parts/copy.html", {"text": _found(destination_id).secret})


@admin_required
@require_POST
def rotate(request: PageRequest, destination_id: int) -> HttpResponse:
    form = RotationForm(request.POST)
    if form.is_valid():
        rotate_secret(destination_id=_found(destination_id).pk, overlap_seconds=form.cleaned_data["overlap"])
        messages.success(request, _("The secret is new. Give it to the receiver."))
    else:
        messages.error(request, _("The secret stays as it was: choose how long the former one is used too."))
    return redirect("destination", destination_id)
