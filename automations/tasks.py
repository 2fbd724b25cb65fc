"""What django-q2 runs. Tasks take ids, may run twice and hold no logic."""

import signal
from datetime import timedelta
from threading import Event

from django.conf import settings
from django.utils import timezone
from django_q.tasks import async_task

from automations import jobs, occurrences, retention
from automations.alerts import tell_due
from automations.destinations import cancel_left_over
from automations.drain import run_shift
from automations.health import give_up_held, mend_clock
from automations.strays import bring_back

HAND_OVER_WITHIN = 5  # seconds that the next drain waits for the one before


def drain(patience: int = 0) -> None:
    """Send for one shift; nothing where a drain is at work and does not end within `patience` seconds.

    SIGTERM ends the shift early, with nothing half done, and then this process, as it would have without us.
    """
    stop = Event()
    before = signal.signal(signal.SIGTERM, lambda *_frame: stop.set())
    try:
        run_shift(
            worker=settings.WORKER_NAME,
            stop=stop,
            patience=timedelta(seconds=patience),
            hand_over=_send_for_the_next,
        )
    finally:
        signal.signal(signal.SIGTERM, before)
    if stop.is_set():
        signal.raise_signal(signal.SIGTERM)


def fire_due() -> None:
    """Act on what has come due by time alone."""
    occurrences.fire_due(now=timezone.now())


def _send_for_the_next() -> None:
    async_task("automations.tasks.drain", HAND_OVER_WITHIN)


def look_after_health() -> None:
    """Give up what was held too long, mend what a wrong clock left, and tell people what they do not know yet.

    What failed for a destination that was deleted meanwhile is called off.
    """
    now = timezone.now()
    mend_clock(now=now)
    bring_back(now=now)
    give_up_held(now=now)
    cancel_left_over()
    tell_due(now=now)


def work_jobs() -> None:
    """Go on with what is to be sent again."""
    jobs.work_jobs()


def cut() -> None:
    """Remove what has grown old."""
    retention.cut(now=timezone.now())
