"""The extension behind search: pieces of three letters, by which PostgreSQL finds words in spite of typing errors."""

from typing import Any

from django.db import connections

# Of what was written, that may lie beside an index before it is put into it (kB; the least there can be). Every search
# reads all of it: with the 4 MB that are usual, a name was sought for 600 ms after many changes instead of 2.
PENDING = 64


def create_extension(using: str, **_signal: Any) -> None:
    """Before any migration, so that it is there for the first index; a database's owner may create it.

    It is no migration, because the first index stands in the CRM's first one, which is made anew while the tables
    take shape.
    """
    with connections[using].cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
