"""The life of a request: stored in its own commit, then applied in a second one together with its new state.

The states change here and nowhere else, each by an UPDATE that repeats the old state. A stored request is *due* when
nobody is at work on it any more: `claim` counts the try and puts the next one off before the work begins, so that a
process that dies costs a wait, and a request that kills its process is given up in the end.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, Min
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from crm.actors import Actor, acting_as
from crm.refusals import Refused
from webhooks.applying import NothingToDo, apply_document
from webhooks.bodies import Malformed, parse_body
from webhooks.documents import Document, InvalidDocument, Problem, problem, read_document
from webhooks.models import InboundEndpoint, InboundRequest

log = logging.getLogger(__name__)

State, Reason = InboundRequest.State, InboundRequest.Reason

WINDOW = timedelta(days=30)  # how long a repeat is recognised
WAITS = [timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 3600)]  # after each try
_REPLAYABLE = (
    (State.REJECTED, (Reason.INVALID, Reason.NO_MATCH)),
    (State.IGNORED, (Reason.STALE, Reason.NO_MATCH)),
    (State.FAILED, (Reason.ERROR,)),
)


class NotReplayable(Refused):
    """The request was applied, or another one with the same content was, or there is nothing to apply."""

    code = "not_replayable"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came in, as far as it is kept. `headers` are masked."""

    endpoint: InboundEndpoint
    received_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    remote_address: str = ""
    chain: UUID = field(default_factory=uuid4)
    depth: int = 0

    def row(self, **more: Any) -> InboundRequest:
        return InboundRequest(
            endpoint=self.endpoint,
            received_at=self.received_at,
            headers=self.headers,
            content_type=self.content_type,
            remote_address=self.remote_address,
            chain=self.chain,
            depth=self.depth,
            **more,
        )


# ---- Storing ----


def refuse(
    arrival: Arrival,
    *,
    reason: InboundRequest.Reason,
    problems: Sequence[Problem],
    body: bytes = b"",
) -> InboundRequest:
    """Keep a request that will not be applied. It holds no key: the sender may mend it and send it again."""
    request = arrival.row(
        state=State.REJECTED,
        reason=reason,
        errors=list(problems),
        body=body,
        processed_at=arrival.received_at,
    )
    request.save(force_insert=True)
    return request


def store(arrival: Arrival, *, body: bytes, dedupe_key: str, at_work: bool) -> InboundRequest:
    """Keep a request that shall be applied, as `received`; as `duplicate` where another one holds the key.

    `at_work` says that the caller is going to apply it now; else it is due at once, and a task is queued for it.
    """
    claimed = {"tries": 1, "next_try_at": arrival.received_at + WAITS[0]}
    request = arrival.row(
        state=State.RECEIVED,
        body=body,
        dedupe_key=dedupe_key,
        holds_key=True,
        **(claimed if at_work else {"next_try_at": arrival.received_at}),
    )
    with transaction.atomic():
        first = _take_key(request)
        if first is not None:
            request.holds_key, request.state, request.first_request = False, State.DUPLICATE, first
            request.next_try_at, request.tries, request.processed_at = None, 0, arrival.received_at
            request.save(force_insert=True)
        elif not at_work:
            # What is stored is kept: where queueing fails, the sweep applies it.
            transaction.on_commit(lambda: async_task("webhooks.tasks.apply_one", request.pk), robust=True)
    return request


def _take_key(request: InboundRequest) -> InboundRequest | None:
    """Insert the request as the holder of its key, or return the request that holds it already.

    The unique constraint decides between simultaneous ones: the insert waits for the other's commit.
    """
    rows = InboundRequest.objects.filter(
        endpoint=request.endpoint, dedupe_key=request.dedupe_key, holds_key=True
    )
    while True:
        InboundRequest.objects.bulk_create([request], ignore_conflicts=True)
        holder = rows.first()
        if holder is not None and holder.pk == request.pk:
            return None
        if holder is not None and holder.received_at > request.received_at - WINDOW:
            return holder
        rows.filter(received_at__lte=request.received_at - WINDOW).update(holds_key=False)


# ---- Applying ----


def claim(*, request_id: str, now: datetime) -> bool:
    """Take up a request that is due. False where it is not, or no longer; a request tried in vain too often fails."""
    due = InboundRequest.objects.waiting().filter(pk=request_id, next_try_at__lte=now)
    tries = due.values_list("tries", flat=True).first()
    if tries is None:
        return False
    if tries >= len(WAITS):
        _give_up(request_id, now=now)
        return False
    return bool(due.filter(tries=tries).update(tries=F("tries") + 1, next_try_at=now + WAITS[tries]))


def apply_request(*, request_id: str, now: datetime) -> InboundRequest:
    """Apply a claimed request and return it as it then is: applied, ignored, rejected; or, where something went
    wrong on our side, still `received` until its next try, after the last one `failed`.
    """
    try:
        with transaction.atomic():
            request = InboundRequest.objects.select_for_update().get(pk=request_id)
            if request.state == State.RECEIVED:
                _finish(request, now=now)
    except Exception:
        # Whatever it is, the sender is not to blame: a deadlock passes, and a mistake of ours gets mended.
        log.exception("Inbound request %s could not be applied.", request_id)
        tries = InboundRequest.objects.values_list("tries", flat=True).get(pk=request_id)
        if tries >= len(WAITS):
            _give_up(request_id, now=now)
    return InboundRequest.objects.select_related("endpoint", "first_request").get(pk=request_id)


def _finish(request: InboundRequest, *, now: datetime) -> None:
    """Do what the request asks and write what became of it. A refusal undoes the doing, not the writing."""
    endpoint = request.endpoint
    actor = Actor.inbound(
        endpoint_id=endpoint.pk, name=endpoint.name, chain=request.chain, depth=request.depth
    )
    document: Document = {}
    try:
        document = document_of(body=bytes(request.body), content_type=request.content_type)
        with transaction.atomic(), acting_as(actor):
            applied = apply_document(document, endpoint=endpoint, actor=actor)
    except InvalidDocument as error:
        missing = all(row["code"] == "no_match" for row in error.problems)
        reason = Reason.NO_MATCH if missing else Reason.INVALID
        _write(request, State.REJECTED, now=now, reason=reason, errors=error.problems, holds_key=False)
    except NothingToDo as error:
        told = {"deal": error.deal, "occurred_at": document.get("occurred_at")}
        _write(request, State.IGNORED, now=now, reason=error.reason, **told)
    else:
        told = {"deal": applied.deal, "occurred_at": document.get("occurred_at")}
        _write(request, State.APPLIED, now=now, changes=applied.changes, **told)


def document_of(*, body: bytes, content_type: str) -> Document:
    """The document in a body. Raises InvalidDocument, also for a body that is malformed."""
    try:
        return read_document(parse_body(body=body, content_type=content_type))
    except Malformed as error:
        raise InvalidDocument([problem("malformed", "", str(error))]) from error


def _write(request: InboundRequest, state: InboundRequest.State, *, now: datetime, **result: Any) -> None:
    """From `received` to `state`, once."""
    result = {"reason": "", "errors": [], "changes": {}, **result}
    waiting = InboundRequest.objects.waiting().filter(pk=request.pk)
    changed = waiting.update(state=state, processed_at=now, next_try_at=None, **result)
    if not changed:
        raise RuntimeError(f"{request.pk} was finished twice")


def _give_up(request_id: str, *, now: datetime) -> None:
    message = _("Stagehook tried %(count)d times.") % {"count": len(WAITS)}
    InboundRequest.objects.waiting().filter(pk=request_id).update(
        state=State.FAILED,
        reason=Reason.ERROR,
        errors=[problem("error", "", message)],
        holds_key=False,
        next_try_at=None,
        processed_at=now,
    )


# ---- What was left lying, and what shall be tried again ----


def oldest_due(*, now: datetime) -> datetime | None:
    """Since when the longest waiting request is due, None where none is. One look into a small index."""
    due = InboundRequest.objects.waiting().filter(next_try_at__lte=now)
    oldest: datetime | None = due.aggregate(oldest=Min("next_try_at"))["oldest"]
    return oldest


def apply_due(*, now: datetime, most: int = 100) -> int:
    """Apply what is due, oldest first, and return how many were taken up."""
    due = InboundRequest.objects.waiting().filter(next_try_at__lte=now).order_by("next_try_at")
    claimed = 0
    for request_id in due.values_list("pk", flat=True)[:most]:
        if claim(request_id=request_id, now=now):
            claimed += 1
            apply_request(request_id=request_id, now=timezone.now())
    return claimed


def replay(*, request_id: str, now: datetime) -> InboundRequest:
    """Apply a request once more that was rejected, ignored or given up. Raises NotReplayable."""
    with transaction.atomic():
        request = InboundRequest.objects.select_for_update().get(pk=request_id)
        if not any(request.state == state and request.reason in reasons for state, reasons in _REPLAYABLE):
            raise NotReplayable(
                _("Only what was rejected for its content, ignored or failed can be replayed.")
            )
        if request.is_emptied:
            raise NotReplayable(
                _("Its body was removed after %(days)d days, so there is nothing left to apply.")
                % {"days": settings.KEEP_BODIES_DAYS}
            )
        if _held_by_another(request):
            raise NotReplayable(_("A later request with the same content was applied already."))
        InboundRequest.objects.filter(pk=request_id, state=request.state).update(
            state=State.RECEIVED, holds_key=True, tries=1, next_try_at=now + WAITS[0], processed_at=None
        )
    return apply_request(request_id=request_id, now=now)


def _held_by_another(request: InboundRequest) -> bool:
    holders = InboundRequest.objects.filter(
        endpoint=request.endpoint, dedupe_key=request.dedupe_key, holds_key=True
    )
    return holders.exclude(pk=request.pk).exists()
