"""What every test may ask for."""

from typing import Any

from django.db.backends.signals import connection_created

pytest_plugins = ["tests.leftovers", "tests.receivers", "tests.mailbox", "tests.workers"]


def _let_others_yield(connection: Any, **_: object) -> None:
    """Where emptying the tables meets a request that a web process still answers, PostgreSQL ends the request."""
    connection.connection.execute("SET deadlock_timeout = '30s'")


connection_created.connect(_let_others_yield)
