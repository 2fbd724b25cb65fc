"""What we compare with: each delivery is a django-q2 task that posts with requests and writes its attempt."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import requests
from django.utils import timezone
from django_q.tasks import async_task

from automations.models import Attempt, Delivery
from tests.processes import PROJECT
from tests.workers import environment


def queue_all() -> None:
    """A task for each delivery that waits."""
    waiting = Delivery.objects.filter(state=Delivery.State.PENDING).order_by("due_at")
    for delivery_id in waiting.values_list("pk", flat=True):
        async_task(f"{__name__}.deliver", delivery_id)


def deliver(delivery_id: str) -> None:
    delivery = Delivery.objects.select_related("destination").get(pk=delivery_id)
    url, started_at = delivery.destination.url, timezone.now()
    answer = requests.post(
        url,
        data=bytes(delivery.body),
        headers={"Content-Type": delivery.content_type, "webhook-id": delivery.pk},
        timeout=delivery.destination.timeout_seconds,
        allow_redirects=False,
    )
    Attempt.objects.create(
        delivery=delivery,
        number=1,
        trigger=Delivery.Trigger.INITIAL,
        url=url,
        started_at=started_at,
        finished_at=timezone.now(),
        status_code=answer.status_code,
        response_headers=list(answer.headers.items()),
        response_body=answer.text,
    )
    Delivery.objects.filter(pk=delivery_id).update(
        state=Delivery.State.DELIVERED, delivered_at=timezone.now(), attempts_made=1
    )


@contextlib.contextmanager
def cluster() -> Iterator[None]:
    """django-q2's own cluster, until the end of the block."""
    settings = f"{__name__}_settings"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "qcluster"],
        cwd=PROJECT,
        env={**environment(), "DJANGO_SETTINGS_MODULE": settings},
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
