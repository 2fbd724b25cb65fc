"""`python manage.py qcluster`: django-q2's cluster, which sends from the start and ends as a whole."""

import os
import signal
from types import FrameType
from typing import Any

import psutil
from django.conf import settings
from django.core.management.base import BaseCommand
from django_q.cluster import Cluster

from automations.wake import queue_drain
from config.lifetime import die_with_parent


class WholeCluster(Cluster):  # type: ignore[misc]  # django-q2 has no types
    """Told to end, a cluster waits for its tasks, and the drain is a task that goes on for most of a minute.

    So we pass the signal on to every process: the drain finishes what is in flight, the others have nothing to finish.
    """

    def sig_handler(self, _number: int, _frame: FrameType | None) -> None:
        for process in psutil.Process().children(recursive=True):
            process.terminate()


class Command(BaseCommand):
    help = "Runs the task cluster, without the watch that `manage.py worker` keeps over it."

    def handle(self, **_options: Any) -> None:
        os.register_at_fork(after_in_child=die_with_parent(signal.SIGTERM))
        queue_drain(worker=settings.WORKER_NAME)
        WholeCluster().start()
