"""Files to import, made while a test runs."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from openpyxl import Workbook

from crm.imports import jobs
from crm.imports.files import read_table
from crm.imports.plans import Choices
from crm.imports.targets import Entity, guess_mapping, targets_of
from crm.models import Import, ImportJob, User


def csv_file(*rows: Sequence[Any], delimiter: str = ";", encoding: str = "utf-8-sig") -> bytes:
    """As a Brazilian Excel writes it, unless told otherwise."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode(encoding)


def xlsx_file(*rows: Sequence[Any]) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in rows:
        sheet.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def checked(data: bytes, *, entity: Entity, by: User, **choices: Any) -> Import:
    """A file taken in with the columns that its headings suggest, and checked."""
    imported = jobs.take_in(table=read_table(io.BytesIO(data)), entity=entity, file_name="file.csv", by=by)
    mapping = guess_mapping(imported.heads, targets_of(entity))
    jobs.start_check(import_id=imported.pk, mapping=mapping, choices=Choices(**choices), by=by)
    work()
    imported.refresh_from_db()
    return imported


def ran(data: bytes, *, entity: Entity, by: User, **choices: Any) -> Import:
    """The same, imported."""
    imported = checked(data, entity=entity, by=by, **choices)
    jobs.start_run(import_id=imported.pk, by=by)
    work()
    imported.refresh_from_db()
    return imported


def undone(imported: Import, *, by: User) -> ImportJob:
    job = jobs.start_undo(import_id=imported.pk, by=by)
    work()
    job.refresh_from_db()
    return job


def work() -> None:
    """Do what a worker would do by now."""
    while jobs.work_batch():
        pass
