"""What is done with an import: taken in, mapped and checked, run, and undone.

Each of the last three is a job. A run goes through the rows chunk by chunk; a chunk and the job's place after it are
one transaction, so that a crash at any line loses nothing and repeats nothing. A check only reads, and begins anew.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from crm import formats
from crm.actors import Actor, ActorKind
from crm.imports.checks import check_rows
from crm.imports.files import Table
from crm.imports.plans import Choices, Plan
from crm.imports.targets import Entity
from crm.imports.undoing import count_changed, undo_some
from crm.imports.writing import write_rows
from crm.models import Change, Company, Contact, Deal, ExternalId, Import, ImportJob, ImportRow, User
from crm.notices import as_read_by, notify
from crm.refusals import Refused

CHUNK = 500  # rows of one transaction
_SHIFT = 40.0  # seconds that a task works, well below its time limit
_CUT = 5000  # rows removed in one transaction

State, Kind = ImportJob.State, ImportJob.Kind


class NotNow(Refused):
    """The import is not at the point where this can be done with it."""

    code = "not_now"


@transaction.atomic
def take_in(*, table: Table, entity: Entity, file_name: str, by: User) -> Import:
    """Keep a file's rows. Where the same person had one with the same headings, its mapping and choices come along."""
    former = Import.objects.filter(created_by=by, entity=entity, heads=table.heads).exclude(mapping=[])
    last = former.order_by("-id").first()
    imported = Import.objects.create(
        entity=entity,
        file_name=file_name[-200:],
        heads=table.heads,
        row_count=len(table.rows),
        mapping=last.mapping if last else [],
        choices={**last.choices, "tells": False} if last else {},
        created_by=by,
    )
    rows = [ImportRow(imported=imported, number=number, cells=cells) for number, cells in table.rows]
    ImportRow.objects.bulk_create(rows, batch_size=1000)
    return imported


@transaction.atomic
def start_check(*, import_id: int, mapping: Sequence[str], choices: Choices, by: User) -> ImportJob:
    """Keep what the columns become and find out what a run would do. Raises NotNow where one has begun."""
    imported = _locked(import_id)
    if imported.run:
        raise NotNow(_("This import has begun already."))
    running = imported.jobs.filter(state=State.RUNNING)
    idle = [job.pk for job in running.select_for_update(skip_locked=True)]
    if running.exclude(
        pk__in=idle
    ).exists():  # a worker has its lock, and will want the import's, which is ours
        raise NotNow(_("The rows are being checked just now. Try again in a moment."))
    running.update(state=State.CANCELLED, finished_at=timezone.now())
    imported.mapping, imported.choices, imported.checked = list(mapping), choices.as_json(), None
    imported.save(update_fields=["mapping", "choices", "checked"])
    return _start(imported, Kind.CHECK, total=imported.row_count, by=by)


@transaction.atomic
def start_run(*, import_id: int, by: User) -> ImportJob:
    """Begin to write the rows. Raises NotNow where it has begun already, or nothing was checked."""
    imported = _locked(import_id)
    if imported.checked is None or imported.run or not imported.rows.exists():
        raise NotNow(_("This import has begun already, or its rows were not checked."))
    imported.changes_after = imported.changes_until = _newest_change()
    imported.save(update_fields=["changes_after", "changes_until"])
    return _start(imported, Kind.RUN, total=imported.row_count, by=by)


@transaction.atomic
def start_undo(*, import_id: int, by: User) -> ImportJob:
    """Begin to take back what a run has done. Raises NotNow while it goes on, or where that was begun before."""
    imported = _locked(import_id)
    run = imported.run
    if run is None or run.state == State.RUNNING or imported.jobs.filter(kind=Kind.UNDO).exists():
        raise NotNow(_("There is nothing to undo, or it is being undone."))
    return _start(imported, Kind.UNDO, total=count_changed(imported), by=by)


@transaction.atomic
def cancel(*, import_id: int) -> None:
    """Stop what is going on with an import where it is; what it has done stays."""
    for job in ImportJob.objects.select_for_update().filter(imported=import_id, state=State.RUNNING):
        job.state, job.finished_at = State.CANCELLED, timezone.now()
        job.save(update_fields=["state", "finished_at"])


def work_jobs() -> None:
    """Do batches of whatever jobs are running for a while, and send for another task where some are left."""
    end = time.monotonic() + _SHIFT
    while work_batch():
        if time.monotonic() > end:
            _queue()
            return


def work_batch() -> bool:
    """Do one batch of the oldest running job that nobody is at; False where there is none."""
    with transaction.atomic():
        running = ImportJob.objects.filter(state=State.RUNNING).order_by("id")
        job = running.select_for_update(skip_locked=True).first()
        if job is None:
            return False
        job.imported = Import.objects.get(pk=job.imported_id)
        with as_read_by(job.created_by) if job.created_by else nullcontext():
            is_done = _WORK[Kind(job.kind)](job)
        if is_done:
            job.state, job.finished_at = State.DONE, timezone.now()
            if job.kind != Kind.CHECK:
                _tell_of_end(job)
        job.save(update_fields=["after", "looked_at", "tally", "state", "finished_at"])
    if is_done and job.kind != Kind.CHECK:
        _analyze()
    return True


def _tell_of_end(job: ImportJob) -> None:
    """Whoever began it may have left the page."""
    is_run, counts = job.kind == Kind.RUN, Counter(job.tally)
    notify(
        users=[job.created_by] if job.created_by else [],
        kind="import",
        subject=lambda: (
            (_("“%(file)s” was imported") if is_run else _("The import of “%(file)s” was undone"))
            % {"file": job.imported}
        ),
        body=lambda: _run_in_numbers(counts) if is_run else "",
        url=job.imported.get_absolute_url(),
    )


def _run_in_numbers(counts: Mapping[str, int]) -> str:
    text = _("%(created)s created, %(updated)s updated, %(skipped)s skipped, %(failed)s with errors")
    return text % {outcome: formats.number(counts[outcome]) for outcome in ImportRow.Outcome.values}


def cut_rows(*, now: datetime) -> None:
    """Remove the rows of files that were taken in long ago; what they did, and that they were there, stays."""
    old = ImportRow.objects.filter(imported__created_at__lt=now - timedelta(days=settings.KEEP_BODIES_DAYS))
    ids = list(
        old.exclude(imported__jobs__state=State.RUNNING).order_by().values_list("pk", flat=True)[:_CUT]
    )
    if ids:
        ImportRow.objects.filter(pk__in=ids).delete()


def _locked(import_id: int) -> Import:
    return Import.objects.select_for_update().get(pk=import_id)


def _start(imported: Import, kind: ImportJob.Kind, *, total: int, by: User) -> ImportJob:
    job = ImportJob.objects.create(imported=imported, kind=kind, total=total, created_by=by)
    transaction.on_commit(_queue, robust=True)  # a sweep works on it too
    return job


def _queue() -> None:
    async_task("crm.tasks.work_imports")


def _check(job: ImportJob) -> bool:
    job.imported.checked = check_rows(_chunks(job.imported), plan=Plan(job.imported))
    job.imported.save(update_fields=["checked"])
    job.looked_at = job.total
    return True


def _chunks(imported: Import) -> Iterator[Sequence[ImportRow]]:
    after = 0
    while rows := list(imported.rows.filter(number__gt=after)[: 2 * CHUNK]):
        yield rows
        after = rows[-1].number


def _run(job: ImportJob) -> bool:
    imported = job.imported
    rows = list(imported.rows.filter(number__gt=int(job.after or 0))[:CHUNK])
    results = write_rows(rows, plan=Plan(imported), actor=_actor(job, chain=imported.chain)) if rows else {}
    for row in rows:
        result = results[row.number]
        row.outcome, row.reason, row.contact_id = result.outcome, result.reason, result.contact
    ImportRow.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["id"], update_fields=["outcome", "reason", "contact"]
    )
    imported.changes_until = _newest_change()
    imported.save(update_fields=["changes_until"])
    _count(job, Counter(str(result.outcome) for result in results.values()))
    if rows:
        job.after = str(rows[-1].number)
    return len(rows) < CHUNK


def _undo(job: ImportJob) -> bool:
    undone = undo_some(job.imported, after=job.after, actor=_actor(job, chain=uuid4()))
    _count(job, undone.tally)
    job.after = undone.after
    return undone.is_all


def _count(job: ImportJob, tally: Mapping[str, int]) -> None:
    job.tally = dict(Counter(job.tally) + Counter(tally))
    job.looked_at = sum(job.tally.values())


_WORK: dict[ImportJob.Kind, Callable[[ImportJob], bool]] = {
    Kind.CHECK: _check,
    Kind.RUN: _run,
    Kind.UNDO: _undo,
}


def _actor(job: ImportJob, *, chain: Any) -> Actor:
    """Whoever began it, by way of the import."""
    user, quiet = job.created_by, not Choices.of(job.imported).tells
    name = _("%(who)s (import)") % {"who": user or job.imported}
    kind = ActorKind.USER if user else ActorKind.SYSTEM
    return Actor(kind=kind, id=user.pk if user else None, name=name, chain=chain, quiet=quiet)


def _newest_change() -> int:
    return Change.objects.aggregate(newest=Max("pk"))["newest"] or 0


def _analyze() -> None:
    """Tell the database how much there is now; else it plans by what there was, until it looks by itself."""
    models = (Deal, Contact, Company, Change, ExternalId, Deal.tags.through, Contact.tags.through)
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")
