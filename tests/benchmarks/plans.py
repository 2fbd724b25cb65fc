"""What the server did: each statement with its time and its plan, whoever's code sent it.

Through PostgreSQL's own auto_explain, which a superuser may load.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.backends.signals import connection_created

_EXPLAIN = """
    LOAD 'auto_explain';
    SET auto_explain.log_level = notice;
    SET auto_explain.log_format = json;
    SET auto_explain.log_min_duration = 0;
    SET auto_explain.log_timing = off;
"""
_COUNT_PAGES = "SET auto_explain.log_analyze = on; SET auto_explain.log_buffers = on"


@dataclass(frozen=True, slots=True)
class Statement:
    text: str
    milliseconds: float
    plan: dict[str, Any]

    @property
    def pages(self) -> int:
        """How many pages of tables and indexes it looked at, where they were counted."""
        return int(self.plan.get("Shared Hit Blocks", 0) + self.plan.get("Shared Read Blocks", 0))

    def reads_whole(self, *tables: str) -> bool:
        """Whether it read one of these tables from end to end; up to a limit does not count."""
        return any(
            node["Node Type"] == "Seq Scan" and node["Relation Name"] in tables and above != "Limit"
            for above, node in _nodes(self.plan)
        )

    def indexes(self) -> set[str]:
        return {node["Index Name"] for _above, node in _nodes(self.plan) if "Index Name" in node}


def _nodes(plan: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each step of a plan, after the type of the step that it works for."""
    yield above, plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part, plan["Node Type"])


@contextlib.contextmanager
def statements(*, counts_pages: bool = False) -> Iterator[list[Statement]]:
    """Fills the list with what the server is asked until the end of the block, by any thread's new connection.

    To count the pages costs the server time.
    """
    seen: list[Statement] = []

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        first, _, plan = (notice.message_primary or "").partition(" ms  plan:\n")
        if plan:
            explained = json.loads(plan)
            seen.append(Statement(explained["Query Text"], float(first.split()[1]), explained["Plan"]))

    def explain(connection: DatabaseWrapper, **_sender: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_EXPLAIN)
            if counts_pages:
                cursor.execute(_COUNT_PAGES)
        connection.connection.add_notice_handler(hear)

    connection_created.connect(explain)
    connection.close()
    try:
        yield seen
    finally:
        connection_created.disconnect(explain)
        connection.close()  # and with it the settings
