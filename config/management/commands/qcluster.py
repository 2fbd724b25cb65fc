"""`python manage.py qcluster`: django-q2's cluster, whose processes end with it and which sends from the start."""

import os
import signal
from typing import Any

from django_q.management.commands.qcluster import Command as ClusterCommand

from automations.wake import queue_drain
from config.lifetime import die_with_parent


class Command(ClusterCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        os.register_at_fork(after_in_child=die_with_parent(signal.SIGTERM))
        queue_drain()
        super().handle(*args, **options)
