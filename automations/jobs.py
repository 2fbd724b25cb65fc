"""Sending many deliveries again: a job that goes through them in the order of their ids, batch by batch.

Each batch is one transaction that sends its deliveries again and moves the job's place, so that a crash at any line
loses nothing and repeats nothing, and its row is locked meanwhile, so that several workers share the work. A job takes
what existed when it began; what is given up again while it runs is not sent a second time.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from automations.deliveries import DeliveryError, restart
from automations.filters import filter_deliveries
from automations.models import Delivery, ResendJob, new_delivery_id
from crm.models import User

BATCH = 500
MANY = 1000
RECOVERABLE = timedelta(days=14)
_SHIFT = 40.0  # seconds that a task works, well below its time limit


@transaction.atomic
def start_resend(
    *,
    chosen: Mapping[str, Any],
    trigger: Delivery.Trigger = Delivery.Trigger.MANUAL,
    by: User | None,
) -> ResendJob:
    """Begin to send again what `chosen` names: `{"ids": [...]}`, or `{"filter": {...}}` in the list's filters.

    The first batch is done at once, the others by tasks. Raises UnknownFilter.
    """
    job = ResendJob(chosen=dict(chosen), trigger=trigger, until=new_delivery_id(), created_by=by)
    job.total = _chosen(job).count()
    job.save()
    _do_batch(job)
    if job.state == ResendJob.State.RUNNING:
        transaction.on_commit(_queue, robust=True)  # a sweep works on it too
    return job


def recover(
    *, destination_id: int, since: datetime, until: datetime | None = None, by: User | None
) -> ResendJob:
    """Begin to send again what was given up at a destination since a time, at most 14 days ago.

    `job.total` says how many there are. Raises DeliveryError.
    """
    now = timezone.now()
    if not now - RECOVERABLE <= since <= now:
        raise DeliveryError(_("Deliveries can be recovered from the last 14 days."))
    words: dict[str, Any] = {
        "destination": destination_id,
        "state": "failed",
        "failed_after": since.isoformat(),
    }
    if until is not None:
        words["failed_before"] = until.isoformat()
    return start_resend(chosen={"filter": words}, trigger=Delivery.Trigger.RECOVER, by=by)


def given_up_lately(*, destination_id: int, now: datetime) -> int:
    """How many deliveries could be recovered at a destination; MANY + 1 for more than MANY."""
    failed = Delivery.objects.filter(
        destination=destination_id, state=Delivery.State.FAILED, due_at__gte=now - RECOVERABLE
    )
    return failed.filter(rule__isnull=False).order_by()[: MANY + 1].count()


@transaction.atomic
def cancel_job(*, job_id: int) -> ResendJob:
    """Stop a job where it is; what it has sent again stays so. Raises ResendJob.DoesNotExist, and DeliveryError
    where it has ended.
    """
    job = ResendJob.objects.select_for_update().get(pk=job_id)
    if job.state != ResendJob.State.RUNNING:
        raise DeliveryError(_("This has ended already."))
    job.state, job.finished_at = ResendJob.State.CANCELLED, timezone.now()
    job.save(update_fields=["state", "finished_at"])
    return job


def work_jobs() -> None:
    """Do batches of whatever jobs are running for a while, and send for another task where some are left."""
    end = time.monotonic() + _SHIFT
    while work_batch():
        if time.monotonic() > end:
            _queue()
            return


@transaction.atomic
def work_batch() -> bool:
    """Do one batch of the oldest running job that nobody is at; False where there is none."""
    running = ResendJob.objects.filter(state=ResendJob.State.RUNNING).order_by("id")
    job = running.select_for_update(skip_locked=True).first()
    if job is None:
        return False
    _do_batch(job)
    return True


def _do_batch(job: ResendJob) -> None:
    rows = _chosen(job).order_by("id").values_list("pk", Length("body"))[:BATCH]
    batch: Sequence[tuple[str, int]] = list(rows)
    ids = [pk for pk, _size in batch]
    if ids:
        job.after = ids[-1]
        job.looked_at += len(ids)
        job.without_body += sum(size == 0 for _pk, size in batch)
        job.resent += restart(Delivery.objects.filter(pk__in=ids), trigger=Delivery.Trigger(job.trigger))
    if len(ids) < BATCH:
        job.state, job.finished_at = ResendJob.State.DONE, timezone.now()
    job.save(update_fields=["after", "looked_at", "without_body", "resent", "state", "finished_at"])


def _chosen(job: ResendJob) -> QuerySet[Delivery]:
    """What is left for a job. Tests are never sent again by one, nor is what goes to a deleted destination."""
    deliveries = Delivery.objects.filter(pk__gt=job.after, pk__lte=job.until, rule__isnull=False)
    deliveries = deliveries.filter(destination__deleted_at__isnull=True)
    if "ids" in job.chosen:
        return deliveries.filter(pk__in=job.chosen["ids"])
    return filter_deliveries(deliveries, job.chosen["filter"])


def _queue() -> None:
    async_task("automations.tasks.work_jobs")
