"""`python manage.py qcluster`: django-q2's cluster, which sends from the start and ends as a whole.

Told to end, the cluster itself waits for its tasks, and the drain is a task that goes on for most of a minute. So we
pass SIGTERM on to every process: the drain finishes what is in flight, the others have nothing to finish.
"""

import os
import signal
from types import FrameType
from typing import Any

import psutil
from django_q.management.commands.qcluster import Command as ClusterCommand

from automations.wake import queue_drain
from config.lifetime import die_with_parent


class Command(ClusterCommand):  # type: ignore[misc]  # django-q2 has no types
    def handle(self, *args: Any, **options: Any) -> None:
        os.register_at_fork(after_in_child=die_with_parent(signal.SIGTERM))
        queue_drain()
        super().handle(*args, **options)
        signal.signal(signal.SIGTERM, end_all)


def end_all(_number: int, _frame: FrameType | None) -> None:
    for process in psutil.Process().children(recursive=True):
        process.terminate()
