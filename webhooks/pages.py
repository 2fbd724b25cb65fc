"""The pages of what comes in: endpoints with their URLs and secrets, and the log of requests. For administrators."""

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.formats import pretty_json
from crm.ids import read_text_id
from crm.refusals import InvalidFields
from crm.views.access import PageRequest, admin_required
from webhooks.advice import ADVICE
from webhooks.endpoints import create_endpoint, delete_endpoint, rotate_secret, rotate_url, update_endpoint
from webhooks.forms import EndpointForm, RequestFilter
from webhooks.gallery import shelves
from webhooks.landing_form import html_form_for
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.presets import UnknownPreset, read_preset
from webhooks.presets.guides import guide_as_html
from webhooks.problems import in_readers_language
from webhooks.replays import REPLAYABLE, NotReplayable, replay
from webhooks.review_pages import ReplayForm, question_context, tab_context
from webhooks.samples import curl_for
from webhooks.sender_form import SenderForm
from webhooks.shown_once import keep_secret, take_secret
from webhooks.snapshots import plain

PAGE = 50
NEWER = 99
OVERLAP = timedelta(days=1)
_UNREAD = ("body", "headers", "changes", "errors")
State = InboundRequest.State


@admin_required
@require_safe
def endpoints(request: PageRequest) -> HttpResponse:
    since = timezone.now() - timedelta(days=1)
    last = InboundRequest.objects.filter(endpoint=OuterRef("pk")).newest_first()
    today = Q(requests__received_at__gt=since)
    refused = today & Q(requests__state__in=(State.REJECTED, State.FAILED))
    shown = (
        InboundEndpoint.objects.present()
        .defer("secret", "previous_secret")
        .annotate(
            last_at=Subquery(last.values("received_at")[:1]),
            last_state=Subquery(last.values("state")[:1]),
            today=Count("requests", filter=today),
            refused_today=Count("requests", filter=refused),
        )
        .order_by("name", "pk")
    )
    return render(request, "webhooks/endpoints.html", {"endpoints": shown, **tab_context()})


@admin_required
@require_http_methods(["GET", "POST"])
def new_endpoint(request: PageRequest) -> HttpResponse:
    form = SenderForm(request.POST or None, instance=InboundEndpoint())
    if form.is_valid() and (made := _save(request, form, None)):
        return redirect(made)
    context = {"form": form, "endpoint": None, "shelves": shelves()}
    return render(request, "webhooks/endpoint.html", context, status=422 if form.is_bound else 200)


@admin_required
@never_cache
@require_http_methods(["GET", "POST"])
def endpoint(request: PageRequest, endpoint_id: int) -> HttpResponse:
    """An endpoint with its form and its last requests, and a secret that was just made, this once."""
    found = _found(endpoint_id)
    form = SenderForm(request.POST or None, instance=_found(endpoint_id))
    if form.is_valid() and _save(request, form, found):
        return redirect(found)
    secret = take_secret(request, found)
    context = {
        "form": form,
        "endpoint": found,
        "secret": secret,
        "curl": curl_for(found, secret=secret) if found.mapping is None else "",
        "html_form": html_form_for(found),
        **_guide(found),
        "requests": found.requests.newest_first().defer(*_UNREAD).select_related("endpoint", "deal")[:PAGE],
        "job": found.replays.first(),
        "can_replay_many": found.requests.filter(state__in=(State.REJECTED, State.FAILED)).exists(),
        "replay_form": ReplayForm(),
        "old_secret_until": found.previous_secret_until
        if found.previous_secret_until and found.previous_secret_until > timezone.now()
        else None,
    }
    return render(request, "webhooks/endpoint.html", context, status=422 if form.is_bound else 200)


def _found(endpoint_id: int) -> InboundEndpoint:
    present = InboundEndpoint.objects.present().select_related("default_stage")
    return get_object_or_404(present, pk=endpoint_id)


def _save(request: PageRequest, form: EndpointForm, found: InboundEndpoint | None) -> InboundEndpoint | None:
    """The endpoint as saved; None where the door objects, told beside the fields."""
    try:
        if found is None:
            saved = create_endpoint(fields=form.values(), created_by=request.user)
        else:
            saved = update_endpoint(endpoint_id=found.pk, fields=form.values())
    except InvalidFields as refusal:
        form.take_refusal(refusal)
        return None
    keep_secret(request, saved)
    messages.success(request, _("“%(name)s” is saved.") % {"name": saved.name})
    return saved


def _guide(endpoint: InboundEndpoint) -> dict[str, object]:
    """The preset it was made from with the instructions in the reader's language; nothing where there is none."""
    try:
        preset = read_preset(endpoint.preset)
    except UnknownPreset:
        return {}
    return {
        "preset": preset,
        "guide": guide_as_html(preset, url=endpoint.url, language=get_language() or "en"),
    }


@admin_required
@require_POST
def new_url(request: PageRequest, endpoint_id: int) -> HttpResponse:
    rotate_url(endpoint_id=_found(endpoint_id).pk)
    messages.success(request, _("The URL is new; the former one is unknown from now on."))
    return redirect("endpoint", endpoint_id)


@admin_required
@require_POST
def new_secret(request: PageRequest, endpoint_id: int) -> HttpResponse:
    try:
        rotated = rotate_secret(endpoint_id=_found(endpoint_id).pk, overlap=OVERLAP, now=timezone.now())
    except InvalidFields as refusal:
        messages.error(request, str(refusal))
    else:
        keep_secret(request, rotated)
        messages.success(request, _("The secret is new; the former one is accepted for one more day."))
    return redirect("endpoint", endpoint_id)


@admin_required
@require_POST
def remove_endpoint(request: PageRequest, endpoint_id: int) -> HttpResponse:
    delete_endpoint(endpoint_id=_found(endpoint_id).pk)
    messages.success(request, _("The endpoint is deleted. What it received stays in the log."))
    return redirect("endpoints")


@admin_required
@require_safe
def requests(request: PageRequest) -> HttpResponse:
    """Newest first; `?before=` an id goes on from there, RequestFilter names the other parameters."""
    chosen = RequestFilter(request.GET)
    rows = chosen.narrow(InboundRequest.objects.newest_first(), now=timezone.now())
    last = InboundRequest.objects.filter(pk=read_text_id(request.GET.get("before", ""))).first()
    if last is not None:
        earlier = Q(received_at__lt=last.received_at) | Q(received_at=last.received_at, pk__lt=last.pk)
        rows = rows.filter(earlier, received_at__lte=last.received_at)
    found = list(rows.defer(*_UNREAD).select_related("endpoint", "deal")[: PAGE + 1])
    shown = found[:PAGE]
    context = {
        "filter": chosen,
        "tabs": _tabs(request),
        "requests": shown,
        "first_url": _url(request, before=None) if last else "",
        "next_url": _url(request, before=shown[-1].pk) if len(found) > PAGE else "",
        "is_narrowed": any(chosen.cleaned_data.values()),
        "newest": "" if last or not shown else shown[0].pk,
        "query": request.GET.urlencode(),
        **tab_context(),
    }
    return render(request, "webhooks/requests.html", context)


@admin_required
@require_safe
def newer_requests(request: PageRequest) -> HttpResponse:
    """How many came after the id `?since=` that fit the filters, counted up to one more than NEWER."""
    chosen, since = RequestFilter(request.GET), request.GET.get("since", "")
    fresh = chosen.narrow(InboundRequest.objects.filter(pk__gt=since), now=timezone.now())
    context = {
        "count": fresh[: NEWER + 1].count(),
        "most": NEWER,
        "url": _url(request, since=None),
    }
    return render(request, "webhooks/_newer.html", context)


def _tabs(request: HttpRequest) -> list[tuple[str, str, str]]:
    """(state, label, address) of each tab."""
    states = [("", pgettext("requests", "All")), *State.choices]
    return [(value, str(label), _url(request, state=value or None, before=None)) for value, label in states]


def _url(request: HttpRequest, **changes: str | None) -> str:
    query = request.GET.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value is not None:
            query[name] = value
    return f"?{query.urlencode()}"


@admin_required
@require_safe
def inbound_request(request: PageRequest, request_id: str) -> HttpResponse:
    found = get_object_or_404(_whole(), pk=request_id)
    context = {
        "found": found,
        "body": pretty_json(bytes(found.body).decode(errors="replace")),
        "headers": sorted(found.headers.items()),
        "changes": [
            (path, plain(before), plain(after)) for path, (before, after) in sorted(found.changes.items())
        ],
        "errors": [
            error
            for error in in_readers_language(found.errors)
            if error["path"] or error["message"] != found.get_reason_display()
        ],
        "advice": ADVICE.get(found.reason, ""),
        **question_context(found),
        "can_replay": found.reason in REPLAYABLE.get(found.state, ()) and not found.is_emptied,
        "keep_days": settings.KEEP_BODIES_DAYS,
    }
    return render(request, "webhooks/request.html", context)


def _whole() -> QuerySet[InboundRequest]:
    return InboundRequest.objects.select_related("endpoint", "deal", "first_request")


@admin_required
@require_POST
def replay_request(request: PageRequest, request_id: str) -> HttpResponse:
    found = get_object_or_404(_whole(), pk=request_id)
    try:
        replayed = replay(request_id=found.pk, now=timezone.now())
    except NotReplayable as error:
        messages.error(request, str(error))
    else:
        outcome = replayed.get_state_display()
        messages.success(request, _("Tried again: %(outcome)s.") % {"outcome": outcome})
    return redirect(found)
