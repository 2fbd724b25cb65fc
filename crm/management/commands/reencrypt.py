"""`manage.py reencrypt`: brings every secret at rest under the newest key, so that older keys can be taken away."""

from collections.abc import Iterator
from typing import Any

from cryptography.fernet import InvalidToken
from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, models

from crm.encryption import EncryptedField, rotate

_BATCH = 500


class Command(BaseCommand):
    help = (
        "Encrypts every secret with the first of ENCRYPTION_KEYS. May be repeated, and run while people work."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        written = unreadable = 0
        for model, field in encrypted_fields():
            for pk, token in tokens(model, field):
                try:
                    newer = rotate(token)
                except InvalidToken:
                    unreadable += 1
                    continue
                if newer:
                    written += replace(model, field, pk, token, newer)
        self.stdout.write(f"{written} values were encrypted anew.")
        if unreadable:
            raise CommandError(f"{unreadable} values cannot be read with any of ENCRYPTION_KEYS.")


def encrypted_fields() -> Iterator[tuple[type[models.Model], EncryptedField]]:
    for model in apps.get_models():
        for field in model._meta.local_concrete_fields:
            if isinstance(field, EncryptedField) and not model._meta.proxy:
                yield model, field


def tokens(model: type[models.Model], field: EncryptedField) -> Iterator[tuple[Any, str]]:
    """Each row's key and token, read in batches."""
    pk, column, table = _names(model, field)
    last = None
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {pk}, {column} FROM {table}"  # noqa: S608  # names of our own
                f" WHERE {column} IS NOT NULL AND (%s::text IS NULL OR {pk} > %s) ORDER BY {pk} LIMIT %s",
                [last, last, _BATCH],
            )
            rows = cursor.fetchall()
        if not rows:
            return
        yield from rows
        last = rows[-1][0]


def replace(model: type[models.Model], field: EncryptedField, key: Any, token: str, newer: str) -> int:
    """Put `newer` where `token` still stands; 0 where somebody has written another value meanwhile."""
    pk, column, table = _names(model, field)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {column} = %s WHERE {pk} = %s AND {column} = %s",  # noqa: S608  # as above
            [newer, key, token],
        )
        return int(cursor.rowcount)


def _names(model: type[models.Model], field: EncryptedField) -> tuple[str, ...]:
    pk = model._meta.pk
    assert pk is not None  # noqa: S101  # for the type checker: every model has one
    names = (pk.column, field.column, model._meta.db_table)
    return tuple(connection.ops.quote_name(str(name)) for name in names)
