"""What those who watch over an installation ask: is it alive, is it ready, how busy is it."""

import logging
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from automations.heartbeats import last_heartbeat
from automations.models import Delivery
from config.metrics import DeliveryCollector
from crm.api.permissions import AdminSecret
from webhooks.addresses import is_within

logger = logging.getLogger(__name__)

# Migrations are looked up on disk, so only until they were found complete once: code and database of a running
# process do not part again.
_migrated: set[str] = set()


@require_safe
def live(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@require_safe
def ready(_request: HttpRequest) -> JsonResponse:
    """200 when requests can be served, else 503. A missing worker is reported and does not count: pages work.

    Why the database cannot be reached stands in the log alone: its words name hosts and users.
    """
    try:
        checks = {"database": "ok", "migrations": "ok" if _is_migrated() else "missing"}
        ages = _ages(now=timezone.now()) if checks["migrations"] == "ok" else {}
    except Error:
        logger.exception("The database is away.")
        checks, ages = {"database": "failing", "migrations": "unknown"}, {}
    is_ready = set(checks.values()) == {"ok"}
    answer = {"status": "ok" if is_ready else "failing", "checks": checks, **ages}
    return JsonResponse(answer, status=200 if is_ready else 503)


def _is_migrated() -> bool:
    connection.ensure_connection()
    if connection.alias not in _migrated:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return False
        _migrated.add(connection.alias)
    return True


def _ages(*, now: datetime) -> dict[str, float | None]:
    """In seconds, None where there is nothing: the last heartbeat of a worker, the oldest delivery that is due."""
    beat_at = last_heartbeat(now=now)
    due = Delivery.objects.filter(state=Delivery.State.PENDING, leased_until=None, due_at__lte=now)
    due_at = due.aggregate(at=Min("due_at"))["at"]
    return {
        "worker_heartbeat_age_seconds": beat_at and (now - beat_at).total_seconds(),
        "oldest_due_delivery_age_seconds": due_at and (now - due_at).total_seconds(),
    }


class FromAllowedAddress(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return is_within(request.META.get("REMOTE_ADDR", ""), settings.METRICS_ALLOWED_NETWORKS)


class Metrics(APIView):
    """The same figures and a few more as Prometheus text."""

    permission_classes = [FromAllowedAddress | AdminSecret]
    schema = None

    def get(self, request: Request, *_args: Any, **_kwargs: Any) -> HttpResponse:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(DeliveryCollector(now=timezone.now()))
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
