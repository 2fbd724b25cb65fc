"""The life of a request: stored in its own commit, then applied in a second one together with its new state.

The states change here and nowhere else, each by an UPDATE that repeats the old state. A stored request is *due* when
nobody is at work on it any more: `claim` counts the try and puts the next one off before the work begins, so that a
process that dies costs a wait, and a request that kills its process is given up in the end.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import Min
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.actors import Actor, acting_as
from webhooks import wakes
from webhooks.alerts import tell_given_up, tell_of_review
from webhooks.applying import NeedsDecision, NothingToDo, apply_documents
from webhooks.contents import judged, records_in
from webhooks.documents import InvalidDocument, Problem, problem
from webhooks.hours import counted_anew
from webhooks.landing import landing_of
from webhooks.mapping import NotWanted
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.problems import in_every_language
from webhooks.remembered import VERSION, EndpointChanged
from webhooks.snapshots import Changes
from webhooks.writing import Applied

log = logging.getLogger(__name__)

State, Reason = InboundRequest.State, InboundRequest.Reason

# After each try; the last is how long a process may be at the sixth before the request counts as given up.
WAITS = [timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 3600, 3600)]


class FinishedMeanwhile(Exception):
    """Somebody else has done with the request while we were at it; what we did is to be undone."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came in, as far as it is kept. `query` and `headers` are masked."""

    endpoint: InboundEndpoint
    received_at: datetime
    method: str = "POST"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    remote_address: str = ""
    chain: UUID = field(default_factory=uuid4)
    depth: int = 0

    def row(self, **more: Any) -> InboundRequest:
        return InboundRequest(
            endpoint=self.endpoint,
            received_at=self.received_at,
            method=self.method,
            query=self.query,
            headers=self.headers,
            content_type=self.content_type,
            remote_address=self.remote_address,
            chain=self.chain,
            depth=self.depth,
            **more,
        )


# ---- Storing ----


def keep(
    arrival: Arrival,
    *,
    state: InboundRequest.State,
    reason: InboundRequest.Reason,
    problems: Sequence[Problem] = (),
    body: bytes = b"",
    dedupe_key: str = "",
) -> InboundRequest:
    """Keep a request that will not be applied, as `rejected` or `ignored`. It does not hold its key: the sender may
    mend it and send it again.
    """
    request = arrival.row(
        state=state,
        reason=reason,
        errors=list(problems),
        body=body,
        dedupe_key=dedupe_key,
        processed_at=arrival.received_at,
    )
    request.save(force_insert=True)
    return request


def store(
    arrival: Arrival, *, body: bytes, dedupe_key: str, window: timedelta, at_work: bool
) -> InboundRequest:
    """Keep a request that shall be applied, as `received`; as `duplicate` where another one came within `window`
    and holds the key.

    `at_work` says that the caller is going to apply it now; else it is due at once, and a task is queued for it.
    Raises EndpointChanged where the endpoint is no longer as the caller read it; nothing is kept then.
    """
    claimed = {"tries": 1, "next_try_at": arrival.received_at + WAITS[0]}
    request = arrival.row(
        state=State.RECEIVED,
        body=body,
        dedupe_key=dedupe_key,
        holds_key=True,
        **(claimed if at_work else {"next_try_at": arrival.received_at}),
    )
    first = _take_key(request, window=window, wakes_worker=not at_work)
    if first is not None:
        request.holds_key, request.state, request.first_request = False, State.DUPLICATE, first
        request.next_try_at, request.tries, request.processed_at = None, 0, arrival.received_at
        request.save(force_insert=True)
    return request


def hand_over(*, request_id: str, now: datetime) -> None:
    """Leave a request that was stored as at work to a task, untouched."""
    InboundRequest.objects.waiting().filter(pk=request_id, tries=1).update(tries=0, next_try_at=now)
    wakes.wake()


def _take_key(request: InboundRequest, *, window: timedelta, wakes_worker: bool) -> InboundRequest | None:
    """Insert the request as the holder of its key, or return the request that holds it already.

    The unique constraint decides between simultaneous ones: the insert waits for the other's commit.
    """
    while not _is_inserted(request, wakes_worker=wakes_worker):
        same = {"endpoint": request.endpoint, "dedupe_key": request.dedupe_key, "holds_key": True}
        holders, opens_at = InboundRequest.objects.filter(**same), request.received_at - window
        holder = holders.only("received_at").first()
        if holder is not None and holder.received_at > opens_at:
            return holder
        holders.filter(received_at__lte=opens_at).update(holds_key=False)
    return None


def _is_inserted(request: InboundRequest, *, wakes_worker: bool) -> bool:
    """Insert unless the key is held, and see whether the endpoint is as it was and whether somebody has to be woken;
    in one statement, which the ORM has no words for.
    """
    row = [
        field.get_db_prep_save(getattr(request, field.attname), connection)
        for field in InboundRequest._meta.concrete_fields
    ]
    with connection.cursor() as cursor:
        statement = _insert_statement(wakes_worker=wakes_worker)
        cursor.execute(statement, [request.endpoint_id, request.endpoint.row_version, *row])
        is_as_read, is_inserted, wakes_now = cursor.fetchone()
    if not is_as_read:
        raise EndpointChanged
    if wakes_now:
        wakes.queue()
    return bool(is_inserted)


@cache
def _insert_statement(*, wakes_worker: bool) -> str:
    """Returns whether the endpoint is as it was read, whether the request is inserted, and whether a worker is to be
    woken for it.
    """
    table = InboundRequest._meta
    names = ", ".join(str(field.column) for field in table.concrete_fields)
    # In a SELECT a value has the type that it is written with, and NULL has none.
    values = ", ".join(f"%s::{field.db_type(connection)}" for field in table.concrete_fields)
    # Who has the lock has to queue a task, so a repeat does not ask for it.
    wakes_now = (
        f"CASE WHEN EXISTS (SELECT FROM inserted) THEN {wakes.IS_IDLE} END" if wakes_worker else "false"
    )
    return f"""
        WITH as_read AS (SELECT FROM webhooks_inboundendpoint WHERE id = %s AND {VERSION} = %s),
        inserted AS (
            INSERT INTO {table.db_table} ({names}) SELECT {values} FROM as_read ON CONFLICT DO NOTHING RETURNING 1
        )
        SELECT EXISTS (SELECT FROM as_read), EXISTS (SELECT FROM inserted), {wakes_now}
    """  # noqa: S608


# ---- Applying ----


_CLAIM = """
    UPDATE webhooks_inboundrequest
    SET tries = tries + 1, next_try_at = %(now)s + (%(waits)s)[least(tries + 1, %(most)s)]
    WHERE id = %(id)s AND state = 'received' AND next_try_at <= %(now)s RETURNING *
"""


def claim(*, request_id: str, now: datetime) -> InboundRequest | None:
    """Take up a request that is due. None where it is not, or no longer; a request tried in vain too often fails."""
    claimed = {"id": request_id, "now": now, "waits": WAITS, "most": len(WAITS)}
    request = next(iter(InboundRequest.objects.raw(_CLAIM, claimed)), None)
    if request is not None and request.tries > len(WAITS):
        _give_up(request_id, now=now)
        return None
    return request


def apply_request(*, request: InboundRequest, now: datetime) -> InboundRequest:
    """Apply a claimed request and return it as it then is: applied, ignored, rejected; `received` with the reason
    `review` where a person has to choose; or, where something went wrong on our side, still `received` until its
    next try, after the last one `failed`.
    """
    try:
        if request.state == State.RECEIVED:
            _finish(request, now=now)
    except FinishedMeanwhile:
        return _as_it_is(request)
    except Exception:
        # Whatever it is, the sender is not to blame: a deadlock passes, and a mistake of ours gets mended.
        log.exception("Inbound request %s could not be applied.", request.pk)
        tries = InboundRequest.objects.values_list("tries", flat=True).get(pk=request.pk)
        if tries >= len(WAITS):
            _give_up(request.pk, now=now)
        return _as_it_is(request)
    else:
        return request


def _as_it_is(request: InboundRequest) -> InboundRequest:
    return InboundRequest.objects.select_related("endpoint", "first_request").get(pk=request.pk)


def _finish(request: InboundRequest, *, now: datetime) -> None:
    """Do what the request asks and write what became of it, in one transaction. A refusal undoes it and is written
    in another one.
    """
    try:
        with transaction.atomic():
            applied = attempt(request)
            deals = list(dict.fromkeys(each.deal.pk for each in applied if each.deal))
            several = deals if len(deals) > 1 else []
            changes = changes_of(applied)
            _write(request, State.APPLIED, now=now, deal=applied[0].deal, deals=several, changes=changes)
    except InvalidDocument as error:
        missing = all(row["code"] == "no_match" for row in error.problems)
        reason = Reason.NO_MATCH if missing else Reason.INVALID
        problems = in_every_language(error.problems, lambda: _problems_of(request))
        _write(request, State.REJECTED, now=now, reason=reason, errors=problems, holds_key=False)
    except NotWanted as unwanted:
        _write(request, State.IGNORED, now=now, reason=Reason.NOT_WANTED, detail=unwanted.why)
    except NothingToDo as nothing:
        why = {"reason": nothing.reason, "detail": nothing.detail}
        _write(request, State.IGNORED, now=now, deal=nothing.deal, **why)
    except NeedsDecision:
        _put_up_for_review(request)


def attempt(request: InboundRequest) -> list[Applied]:
    """Apply what is in a request, in the caller's transaction.

    Raises InvalidDocument, NotWanted, NothingToDo, NeedsDecision: the caller then rolls back.
    """
    endpoint = request.endpoint
    actor = Actor.inbound(
        endpoint_id=endpoint.pk, name=endpoint.name, chain=request.chain, depth=request.depth
    )
    records = records_in(
        mapping=endpoint.mapping,
        page=landing_of(endpoint),
        body=bytes(request.body),
        content_type=request.content_type,
        headers=request.headers,
    )
    documents = judged(records)
    with acting_as(actor):
        return apply_documents(documents, endpoint=endpoint, actor=actor, decisions=request.decisions)


def changes_of(applied: Sequence[Applied]) -> Changes:
    """`{path: [before, after]}`, with the place of each record before its paths where there are several."""
    if len(applied) == 1:
        return applied[0].changes
    return {
        f"[{place}].{path}": change
        for place, each in enumerate(applied)
        for path, change in each.changes.items()
    }


def _problems_of(request: InboundRequest) -> list[Problem]:
    try:
        with transaction.atomic():
            attempt(request)
            transaction.set_rollback(True)
    except InvalidDocument as error:
        return error.problems
    except (NotWanted, NothingToDo, NeedsDecision):
        return []
    return []


@transaction.atomic
def _put_up_for_review(request: InboundRequest) -> None:
    """It keeps its key, so that a repeat is one, and is due no more until somebody has chosen."""
    request.reason, request.next_try_at = Reason.REVIEW, None
    waiting = InboundRequest.objects.waiting().filter(pk=request.pk)
    if not waiting.update(reason=request.reason, next_try_at=None):
        raise FinishedMeanwhile(request.pk)
    tell_of_review(request=request)


def _write(request: InboundRequest, state: InboundRequest.State, *, now: datetime, **result: Any) -> None:
    """From `received` to `state`, once. Raises FinishedMeanwhile."""
    fresh = {"reason": "", "detail": "", "errors": [], "changes": {}}
    result = {**fresh, **result, "state": state, "processed_at": now, "next_try_at": None}
    with counted_anew(request, now=now):
        if not InboundRequest.objects.waiting().filter(pk=request.pk).update(**result):
            raise FinishedMeanwhile(request.pk)
    for name, value in result.items():
        setattr(request, name, value)


def _given_up() -> list[Problem]:
    return [problem("error", "", _("Stagehook tried %(count)d times.") % {"count": len(WAITS)})]


@transaction.atomic
def _give_up(request_id: str, *, now: datetime) -> None:
    waiting = InboundRequest.objects.waiting().filter(pk=request_id)
    request = waiting.only("endpoint", "received_at").first()
    if request is None:
        return
    with counted_anew(request, now=now):
        given_up = waiting.update(
            state=State.FAILED,
            reason=Reason.ERROR,
            errors=in_every_language(_given_up(), _given_up),
            holds_key=False,
            next_try_at=None,
            processed_at=now,
        )
    if given_up:
        tell_given_up(request_id=request_id, now=now)


def drop(*, request_ids: Collection[str], now: datetime) -> None:
    """Give up what waits, because the person it is about was erased."""
    waiting = InboundRequest.objects.waiting().filter(pk__in=request_ids)
    waiting.update(state=State.IGNORED, reason=Reason.ERASED, next_try_at=None, processed_at=now)


# ---- What was left lying, and what shall be tried again ----


def oldest_due(*, now: datetime) -> datetime | None:
    """Since when the longest waiting request is due, None where none is. One look into a small index."""
    due = InboundRequest.objects.waiting().filter(next_try_at__lte=now)
    oldest: datetime | None = due.aggregate(oldest=Min("next_try_at"))["oldest"]
    return oldest


def apply_due(*, now: datetime, most: int = 100) -> int:
    """Apply what is due, oldest first, and return how many were taken up. Each endpoint is read once."""
    due = InboundRequest.objects.waiting().filter(next_try_at__lte=now).order_by("next_try_at")
    endpoints: dict[int, InboundEndpoint] = {}
    claimed = 0
    for request_id in due.values_list("pk", flat=True)[:most]:
        if request := claim(request_id=request_id, now=now):
            claimed += 1
            if request.endpoint_id not in endpoints:
                endpoints[request.endpoint_id] = request.endpoint
            request.endpoint = copy(endpoints[request.endpoint_id])  # what it refers to is read anew
            apply_request(request=request, now=timezone.now())
    return claimed


def restart(request: InboundRequest, *, now: datetime, **changes: Any) -> bool:
    """Take a request that was done with, or that waited for a decision, back to work, claimed by the caller who is
    going to apply it now. `request` is as the caller saw it; False where it is so no more.
    """
    as_seen = InboundRequest.objects.filter(pk=request.pk, state=request.state, reason=request.reason)
    started = {"state": State.RECEIVED, "reason": "", "holds_key": True, "tries": 1, "processed_at": None}
    return bool(as_seen.update(**started, next_try_at=now + WAITS[0], **changes))


def dismiss(request: InboundRequest, *, now: datetime, detail: str) -> None:
    """End a request that waited for a decision: nothing is to be done."""
    _write(request, State.IGNORED, now=now, reason=Reason.NOT_WANTED, detail=detail)
