"""What tests that commit leave behind is deleted row by row.

Django truncates every table and makes the permissions anew, which takes longer than most of these tests.
"""

from collections.abc import Iterator, Sequence
from functools import cache

import pytest
from django.db import connection, transaction
from django.test import TransactionTestCase
from psycopg import sql

KEPT = {"auth_permission", "django_content_type", "django_migrations"}  # as the migrations made them


@pytest.fixture(scope="session", autouse=True)
def leftovers_are_deleted() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: delete_leftovers())
        yield


def delete_leftovers() -> None:
    """Under the locks that truncating takes: what another process is writing at this moment is waited for."""
    tables = [sql.Identifier(name) for name in _tables()]
    listed = sql.SQL(", ").join(tables)
    filled = sql.SQL(", ").join(sql.SQL("EXISTS (SELECT FROM {})").format(table) for table in tables)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(listed))
        cursor.execute(sql.SQL("SELECT {}").format(filled))
        for table, has_rows in zip(tables, cursor.fetchone(), strict=True):
            if has_rows:
                cursor.execute(sql.SQL("DELETE FROM {}").format(table))


@cache
def _tables() -> Sequence[str]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return sorted({*names} - KEPT)
