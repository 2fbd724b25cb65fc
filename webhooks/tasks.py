"""What the queue calls. The tables hold the truth, so each may run twice, late or not at all."""

from datetime import timedelta

from django.utils import timezone

from webhooks import recordings, replays, requests, retention


def apply_due() -> None:
    """Finish what was stored and left lying: by a process that died, or for its next try."""
    requests.apply_due(now=timezone.now())
    replays.work_replays(shift=timedelta(seconds=5))


def apply_one(request_id: str) -> None:
    """Apply a request that was accepted without waiting."""
    if requests.claim(request_id=request_id, now=timezone.now()):
        requests.apply_request(request_id=request_id, now=timezone.now())


def work_replays() -> None:
    """Go on with what is to be applied once more."""
    replays.work_replays()


def cut() -> None:
    """Remove what has grown old."""
    retention.cut(now=timezone.now())
    recordings.cut_parts(now=timezone.now())


def fetch_recordings() -> None:
    """Bring the recordings that are due."""
    recordings.fetch_due()
