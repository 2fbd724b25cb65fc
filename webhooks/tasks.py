"""What the queue calls. The tables hold the truth, so each may run twice, late or not at all."""

from datetime import timedelta

from django.utils import timezone

from webhooks import hours, lane, recordings, replays, retention


def apply_due() -> None:
    """Finish what was stored and left lying: by a process that died, or for its next try."""
    lane.work(linger=0)
    replays.work_replays(shift=timedelta(seconds=5))


def apply_accepted() -> None:
    """Apply what was accepted without waiting."""
    lane.work()


def work_replays() -> None:
    """Go on with what is to be applied once more."""
    replays.work_replays()


def cut() -> None:
    """Remove what has grown old."""
    retention.cut(now=timezone.now())
    hours.keep_last_day(now=timezone.now())
    recordings.cut_parts(now=timezone.now())


def fetch_recordings() -> None:
    """Bring the recordings that are due."""
    recordings.fetch_due()
