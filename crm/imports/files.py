"""Reads CSV and XLSX files into rows of cells, within limits that hold whatever a file says of itself.

XLSX is a zip of XML: what it unpacks to is added up before a byte is unpacked (and `zipfile` gives no more than
that), and openpyxl reads the XML with `defusedxml`, which refuses entities. Formulas are never run: their last values
are read.
"""

import csv
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from math import isfinite
from typing import IO, Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from django.utils.translation import gettext as _
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from crm.csv_export import unquoted
from crm.custom_fields import is_storable
from crm.imports.values import Cell
from crm.refusals import Refused

MOST_BYTES = 20 * 1024 * 1024
MOST_ROWS = 50_000
MOST_COLUMNS = 200
_MOST_UNPACKED = 40 * 1024 * 1024  # some 700,000 cells, and seconds of a web process
_LONGEST_CELL = 10_000
_DELIMITERS = (";", ",", "\t", "|")
_EXCELS_OWN = re.compile(r"sep=([^\r\n\"])", re.IGNORECASE)  # a first line that names the delimiter
_SAMPLE = 50  # lines that the delimiter is guessed from
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


class UnreadableFile(Refused):
    """The file is none that can be imported. The message says why."""

    code = "unreadable"


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` are the rows below the headings with their numbers; each has as many cells as there are headings."""

    heads: list[str]
    rows: list[tuple[int, list[Cell]]]


def read_table(file: IO[bytes]) -> Table:
    """The first sheet of an XLSX file, or a CSV file in any usual encoding. Raises UnreadableFile."""
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UnreadableFile(_("A file may have %(most)d MB.") % {"most": MOST_BYTES // 1024 // 1024})
    is_zip = data.startswith(b"PK\x03\x04")
    lines = _lines_of_xlsx(data) if is_zip else _lines_of_csv(data)
    numbered = ((number, cells) for number, cells in enumerate(lines, start=1) if any(map(_says, cells)))
    _number, first = next(numbered, (0, []))
    heads = [str(cell).strip() for cell in _without_empty_end(first)]
    rows = [(number, _fitted(cells, len(heads))) for number, cells in numbered]
    if not heads or not rows:
        raise UnreadableFile(_("The file needs a row of headings and at least one row below it."))
    return Table(heads=heads, rows=rows)


def _says(cell: Cell) -> bool:
    return not isinstance(cell, str) or bool(cell.strip())


def _without_empty_end(cells: Sequence[Cell]) -> list[Cell]:
    last = max((place for place, cell in enumerate(cells) if _says(cell)), default=-1)
    return list(cells[: last + 1])


def _fitted(cells: Sequence[Cell], width: int) -> list[Cell]:
    return [*cells[:width], *[""] * (width - len(cells))]


def _checked(lines: Iterable[Sequence[Any]]) -> Iterator[list[Cell]]:
    """The lines within our limits. Raises UnreadableFile beyond them."""
    for number, line in enumerate(lines):
        if number > MOST_ROWS:
            raise UnreadableFile(_("A file may have %(most)d rows. Split it.") % {"most": MOST_ROWS})
        if len(line) > MOST_COLUMNS:
            raise UnreadableFile(_("A file may have %(most)d columns.") % {"most": MOST_COLUMNS})
        texts = [cell for cell in line if isinstance(cell, str)]
        if not all(map(is_storable, texts)):
            raise UnreadableFile(_("Row %(row)d holds signs that are no text.") % {"row": number + 1})
        if any(len(text) > _LONGEST_CELL for text in texts):
            text = _("Row %(row)d has a cell of more than %(most)d characters.")
            raise UnreadableFile(text % {"row": number + 1, "most": _LONGEST_CELL})
        yield list(line)


# ---- CSV ----


def _lines_of_csv(data: bytes) -> Iterator[list[Cell]]:
    text = _decoded(data)
    if "\0" in text:
        raise UnreadableFile(_("This is neither a CSV nor an XLSX file."))
    delimiter = _delimiter(text)
    if named := _EXCELS_OWN.match(text):
        delimiter, text = named[1], text.partition("\n")[2]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        yield from _checked([unquoted(cell) for cell in line] for line in reader)
    except csv.Error as error:
        text = _("Line %(line)d of the file cannot be read.")
        raise UnreadableFile(text % {"line": reader.line_num}) from error


def _decoded(data: bytes) -> str:
    """By its mark, else as UTF-8, else as what Windows writes in the West."""
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    try:
        return data.decode(marked or "utf-8")
    except UnicodeDecodeError as error:
        if marked:
            raise UnreadableFile(_("This is neither a CSV nor an XLSX file.")) from error
        return data.decode("cp1252", errors="replace")


def _delimiter(text: str) -> str:
    """The one by which the most of the first lines have as many columns as the headings."""
    sample = text.splitlines()[:_SAMPLE]

    def agreement(delimiter: str) -> tuple[int, int]:
        try:
            widths = [len(row) for row in csv.reader(sample, delimiter=delimiter) if row]
        except csv.Error:
            return 0, 0
        width = widths[0] if widths else 1
        return (widths.count(width) if width > 1 else 0), width

    return max(_DELIMITERS, key=agreement)


# ---- XLSX ----


def _lines_of_xlsx(data: bytes) -> Iterator[list[Cell]]:
    try:
        _refuse_bomb(data)
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what it says of its size may be wrong, or too large to walk through
        rows = sheet.iter_rows(max_row=MOST_ROWS + 2, max_col=MOST_COLUMNS + 1, values_only=True)
        yield from _checked(_without_empty_end([_cell(value) for value in row]) for row in rows)
    except (
        DefusedXmlException,
        ParseError,
        zipfile.BadZipFile,
        InvalidFileException,
        IndexError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,  # openpyxl meets parts that are not what they are called
        OSError,
        EOFError,
        RuntimeError,  # from zipfile: a password, or a compression that it does not know
        zlib.error,
        lzma.LZMAError,
    ) as error:
        raise UnreadableFile(_("The file is damaged, or is no XLSX file that is safe to read.")) from error


def _refuse_bomb(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _MOST_UNPACKED:
        raise UnreadableFile(_("The file is too large when it is unpacked. Save it as CSV, or split it."))


def _cell(value: Any) -> Cell:
    """Dates and times as ISO texts, midnight as the day alone."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    is_plain = isinstance(value, bool | int | str) or (isinstance(value, float) and isfinite(value))
    return value if is_plain else str(value)
