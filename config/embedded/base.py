"""Django's PostgreSQL backend, save that the server is started, when it is down, before a connection."""

from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base

from config.embedded.server import ensure_running


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        ensure_running(settings.DATA_DIR / "postgres", settings=self.settings_dict.get("SERVER_SETTINGS", {}))
        return super().get_new_connection(conn_params)
