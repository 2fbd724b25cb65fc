"""What every benchmark may ask for: a place to print its table."""

import os
import platform
import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest
from django.db import connection
from django.utils import timezone

Rows: TypeAlias = Sequence[Sequence[str]]
Show: TypeAlias = Callable[[str, Sequence[str], Rows], None]


@pytest.fixture
def show(transactional_db: None, capsys: pytest.CaptureFixture[str]) -> Show:
    """Prints a title, where it was measured, and a table, as Markdown: `show(title, columns, rows)`."""
    load = os.getloadavg()[0]

    def write(title: str, columns: Sequence[str], rows: Rows) -> None:
        lines = ["", f"### {title}", "", _circumstances(load), "", *_table(columns, rows), "", ""]
        with capsys.disabled():
            sys.stdout.write("\n".join(lines))

    return write


def _circumstances(load: float) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('fsync')")
        server, fsync = cursor.fetchone()
    return (
        f"{timezone.now():%Y-%m-%d %H:%M}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"PostgreSQL {server.split()[0]} with fsync {fsync}, load average before it {load:.1f}"
    )


def _table(columns: Sequence[str], rows: Rows) -> list[str]:
    widths = [max(len(row[place]) for row in (columns, *rows)) for place in range(len(columns))]
    rules = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [_line(columns, widths), _line(rules, widths), *(_line(row, widths) for row in rows)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return (
        " | ".join(["| " + first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]) + " |"
    )
