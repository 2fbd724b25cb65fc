"""The pages of what comes in: endpoints with their URLs and secrets, and the log of requests. For administrators."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.ids import read_text_id
from crm.refusals import InvalidFields
from crm.views.access import PageRequest, admin_required
from webhooks.advice import ADVICE
from webhooks.endpoint_health import days_of
from webhooks.endpoints import create_endpoint, delete_endpoint, rotate_secret, rotate_url, update_endpoint
from webhooks.forms import EndpointForm, RequestFilter
from webhooks.gallery import shelves
from webhooks.landing_form import html_form_for
from webhooks.masking import readable_body
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
from webhooks.standing import counts_by_state

PAGE = 50
NEWER = 99
OVERLAP = timedelta(days=1)
_UNREAD = ("body", "headers", "changes", "errors")
State, Reason = InboundRequest.State, InboundRequest.Reason


@admin_required
@require_safe
def endpoints(request: PageRequest) -> HttpResponse:
    last = InboundRequest.objects.filter(endpoint=OuterRef("pk")).newest_first()
    shown = (
        InboundEndpoint.objects.present()
        .defer("secret", "previous_secret", "mapping")
        .annotate(
            last_at=Subquery(last.values("received_at")[:1]), last_state=Subquery(last.values("state")[:1])
        )
        .order_by("name", "pk")
    )
    days = days_of([each.pk for each in shown], now=timezone.now())
    rows = [(each, days[each.pk]) for each in shown]
    return render(request, "webhooks/endpoints.html", {"rows": rows, **tab_context()})


@admin_required
@require_http_methods(["GET", "POST"])
def new_endpoint(request: PageRequest) -> HttpResponse:
    form = SenderForm(request.POST or None, instance=InboundEndpoint(setting_up=True))
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
        "can_replay_many": not found.setting_up and found.requests.left_undone().exists(),
        "kept_for_later": _kept_for_later(found),
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


def _kept_for_later(endpoint: InboundEndpoint) -> int:
    """How many requests that came while it was set up can be applied now; counted up to one more than NEWER."""
    if endpoint.setting_up:
        return 0
    kept = endpoint.requests.filter(state=State.IGNORED, reason=Reason.SETTING_UP).exclude(body=b"")
    return kept[: NEWER + 1].count()


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
        "tabs": _tabs(request, chosen),
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
    """How many came after the id `?since=` that fit the filters, counted up to one more than NEWER, and the rows among
    `?seen=ID.VERSION` that have changed since.
    """
    chosen, since = RequestFilter(request.GET), read_text_id(request.GET.get("since", ""))
    texts = map(read_text_id, request.GET.getlist("seen")[:PAGE])
    seen = dict(text.split(".", 1) for text in texts if "." in text)
    rows = InboundRequest.objects.filter(pk__in=seen).defer(*_UNREAD).select_related("endpoint", "deal")
    fresh = chosen.narrow(InboundRequest.objects.filter(pk__gt=since), now=timezone.now())
    context = {
        "count": fresh[: NEWER + 1].count(),
        "most": NEWER,
        "url": _url(request, since=None, seen=None),
        "changed": [row for row in rows if row.version != seen[row.pk]],
    }
    return render(request, "webhooks/_newer.html", context)


@dataclass(frozen=True, slots=True)
class Tab:
    """`count` is None where it is not shown, and COUNTED + 1 where there are more."""

    label: str
    state: str
    url: str
    count: int | None


def _tabs(request: HttpRequest, chosen: RequestFilter) -> list[Tab]:
    is_narrowed = any(chosen.cleaned_data.get(name) for name in ("endpoint", "period"))
    counts = {} if is_narrowed else counts_by_state()
    states = [("", pgettext("requests", "All")), *State.choices]
    return [
        Tab(str(label), value, _url(request, state=value or None, before=None), counts.get(value))
        for value, label in states
    ]


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
        "body": readable_body(found.body, content_type=found.content_type),
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
        "can_replay": _can_replay(found),
        "keep_days": settings.KEEP_BODIES_DAYS,
    }
    return render(request, "webhooks/request.html", context)


def _can_replay(found: InboundRequest) -> bool:
    is_undone = found.reason in REPLAYABLE.get(found.state, ())
    return is_undone and not found.is_emptied and not found.endpoint.setting_up


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
