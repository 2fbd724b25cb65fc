"""Whether the workers and the database are alive, and which versions they are of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

from django.conf import settings
from django.db import connection

from automations.heartbeats import SILENT_AFTER
from automations.models import WorkerHeartbeat


@dataclass(frozen=True, slots=True)
class Worker:
    name: str
    beat_at: datetime
    version: str
    is_alive: bool

    @property
    def is_old(self) -> bool:
        """Whether it runs another version of the program than the pages do."""
        return self.is_alive and self.version != settings.VERSION


@dataclass(frozen=True, slots=True)
class Database:
    """`answer_ms` is a round trip, `size` in bytes."""

    version: str
    answer_ms: int
    size: int
    connections: int
    most_connections: int


def workers(*, now: datetime) -> Sequence[Worker]:
    return [
        Worker(each.name, each.beat_at, each.version, is_alive=now - SILENT_AFTER <= each.beat_at)
        for each in WorkerHeartbeat.objects.order_by("-beat_at")[:10]
    ]


_DATABASE = """
    SELECT current_setting('server_version'), pg_database_size(current_database()),
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
        current_setting('max_connections')::int
"""


def database() -> Database:
    with connection.cursor() as cursor:
        began = perf_counter()
        cursor.execute("SELECT 1")
        answer_ms = round(1000 * (perf_counter() - began))
        cursor.execute(_DATABASE)
        version, size, connections, most = cursor.fetchone()
    return Database(version.partition(" ")[0], answer_ms, size, connections, most)
