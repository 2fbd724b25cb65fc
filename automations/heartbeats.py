"""When a worker was last seen alive."""

from datetime import datetime, timedelta

from django.db.models import Max

from automations.models import WorkerHeartbeat

SILENT_AFTER = timedelta(minutes=1)  # a worker beats every other second
CLOCKS_DIFFER = timedelta(minutes=1)  # among several machines, without anything being wrong


def last_heartbeat(*, now: datetime) -> datetime | None:
    """The newest heartbeat of all workers; None where there is none.

    One from the future is the trace of a worker that died while its clock ran ahead, and would hide that none lives.
    """
    beats = WorkerHeartbeat.objects.filter(beat_at__lte=now + CLOCKS_DIFFER)
    newest: datetime | None = beats.aggregate(at=Max("beat_at"))["at"]
    return newest


def is_worker_silent(*, now: datetime) -> bool:
    """Whether no worker has been seen for a minute, so that nothing is sent, applied or told."""
    newest = last_heartbeat(now=now)
    return newest is None or newest < now - SILENT_AFTER
