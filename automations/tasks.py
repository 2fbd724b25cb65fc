"""What django-q2 runs. Tasks take ids, may run twice and hold no logic."""

import signal
from threading import Event

from django.conf import settings

from automations.drain import run_shift
from automations.wake import queue_drain


def drain() -> None:
    """Send for one shift and hand over to a fresh task; nothing where a drain is at work already.

    SIGTERM ends the shift early, with nothing half done, and then this process, as it would have without us.
    """
    stop = Event()
    before = signal.signal(signal.SIGTERM, lambda *_frame: stop.set())
    try:
        worked = run_shift(worker=settings.WORKER_NAME, stop=stop)
    finally:
        signal.signal(signal.SIGTERM, before)
    if stop.is_set():
        signal.raise_signal(signal.SIGTERM)
    if worked:
        queue_drain()
