"""Applying requests once more, now that what stood in their way is mended: one, or all that were rejected since a time.

A job goes through its requests in the order in which they came. It moves its place after each, by an UPDATE that
repeats the old place, so that two workers may share a job, and a crash costs a second look at one request.
"""

import time
from contextlib import suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from crm.models import User
from crm.refusals import InvalidFields, Refused
from webhooks.models import InboundEndpoint, InboundRequest, ReplayJob
from webhooks.models.requests import new_request_id
from webhooks.requests import apply_request, restart

State, Reason = InboundRequest.State, InboundRequest.Reason

REPLAYABLE: dict[str, tuple[str, ...]] = {
    State.REJECTED: (Reason.INVALID, Reason.NO_MATCH),
    State.IGNORED: (Reason.STALE, Reason.NO_MATCH, Reason.NOT_WANTED, Reason.SETTING_UP),
    State.FAILED: (Reason.ERROR,),
}
SHIFT = timedelta(seconds=40)  # that a task works, well below its time limit


class NotReplayable(Refused):
    """The request was applied, or another one with the same content was, or there is nothing to apply."""

    code = "not_replayable"


def replay(*, request_id: str, now: datetime) -> InboundRequest:
    """Apply a request once more that was rejected, ignored or given up. Raises NotReplayable."""
    with transaction.atomic():
        request = InboundRequest.objects.select_for_update().get(pk=request_id)
        if request.reason not in REPLAYABLE.get(request.state, ()):
            raise NotReplayable(
                _("Only what was rejected for its content, ignored or failed can be replayed.")
            )
        if request.endpoint.setting_up:
            raise NotReplayable(_still_set_up())
        if request.is_emptied:
            raise NotReplayable(
                _("Its body was removed after %(days)d days, so there is nothing left to apply.")
                % {"days": settings.KEEP_BODIES_DAYS}
            )
        if _held_by_another(request):
            raise NotReplayable(_("A later request with the same content was applied already."))
        restart(request, now=now)
    return apply_request(request=InboundRequest.objects.get(pk=request_id), now=now)


def _still_set_up() -> str:
    return _("The endpoint is still being set up: switch it on first.")


def _held_by_another(request: InboundRequest) -> bool:
    holders = InboundRequest.objects.filter(
        endpoint=request.endpoint, dedupe_key=request.dedupe_key, holds_key=True
    )
    return holders.exclude(pk=request.pk).exists()


# ---- All that were rejected since a time ----


@transaction.atomic
def start_replay(*, endpoint_id: int, since: datetime, by: User | None) -> ReplayJob:
    """Begin to apply anew, by tasks, what an endpoint rejected for its content, gave up, or kept while it was set up,
    since a time.

    Raises InvalidFields where the bodies of that time are gone, or such a job is running already.
    """
    now = timezone.now()
    if not now - timedelta(days=settings.KEEP_BODIES_DAYS) <= since <= now:
        text = _("Bodies are kept for %(days)d days.") % {"days": settings.KEEP_BODIES_DAYS}
        raise InvalidFields({"since": [text]})
    endpoint = InboundEndpoint.objects.present().select_for_update(no_key=True).get(pk=endpoint_id)
    if endpoint.setting_up:
        raise InvalidFields({"since": [_still_set_up()]})
    if ReplayJob.objects.filter(endpoint=endpoint, state=ReplayJob.State.RUNNING).exists():
        raise InvalidFields({"since": [_("This is going on already.")]})
    job = ReplayJob(endpoint=endpoint, since=since, until=new_request_id(), created_by=by)
    job.total = _left(job).count()
    if not job.total:
        job.state, job.finished_at = ReplayJob.State.DONE, now
    job.save()
    transaction.on_commit(lambda: async_task("webhooks.tasks.work_replays"), robust=True)
    return job


@transaction.atomic
def cancel_replay(*, job_id: int) -> ReplayJob:
    """Stop a job where it is; what it has applied stays. One that has ended stays as it is."""
    job = ReplayJob.objects.select_for_update().get(pk=job_id)
    if job.state == ReplayJob.State.RUNNING:
        job.state, job.finished_at = ReplayJob.State.CANCELLED, timezone.now()
        job.save(update_fields=["state", "finished_at"])
    return job


def work_replays(*, shift: timedelta = SHIFT) -> None:
    """Go on with all jobs that are running, for a while; the next sweep does the rest."""
    end = time.monotonic() + shift.total_seconds()
    for job in ReplayJob.objects.filter(state=ReplayJob.State.RUNNING).order_by("pk"):
        while _work_one(job.pk):
            if time.monotonic() > end:
                return


def _work_one(job_id: int) -> bool:
    """Apply the next request of a job. False where none is left."""
    job = ReplayJob.objects.filter(pk=job_id, state=ReplayJob.State.RUNNING).first()
    if job is None:
        return False
    here = ReplayJob.objects.filter(pk=job_id, state=ReplayJob.State.RUNNING, after=job.after)
    request = _left(job).order_by("pk").only("pk").first()
    if request is None:
        here.update(state=ReplayJob.State.DONE, finished_at=timezone.now())
        return False
    with suppress(NotReplayable):  # its content came again meanwhile, or somebody was faster
        replay(request_id=request.pk, now=timezone.now())
    is_applied = InboundRequest.objects.filter(pk=request.pk, state=State.APPLIED).exists()
    here.update(after=request.pk, looked_at=job.looked_at + 1, applied=job.applied + is_applied)
    return True


def _left(job: ReplayJob) -> QuerySet[InboundRequest]:
    requests = InboundRequest.objects.left_undone().filter(endpoint=job.endpoint_id)
    return requests.filter(received_at__gte=job.since, pk__gt=job.after, pk__lte=job.until)
