"""What files and cells are taken for, and which files are refused."""

import io
import zipfile
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from defusedxml.common import EntitiesForbidden

from crm.imports import files
from crm.imports.files import UnreadableFile, read_table
from crm.imports.targets import Entity, guess_mapping, targets_of
from crm.imports.values import (
    BadCell,
    Dates,
    Decimals,
    likely_dates,
    likely_decimals,
    read_date,
    read_number,
)
from tests.crm.sheets import csv_file, xlsx_file

ROWS = [["Nome", "Observação"], ["João; o grande", "linha 1\nlinha 2"], ["Ação", ""]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_a_csv_file_is_read_in_any_usual_encoding(encoding: str, delimiter: str) -> None:
    table = read_table(io.BytesIO(csv_file(*ROWS, encoding=encoding, delimiter=delimiter)))
    assert table.heads == ROWS[0]
    assert table.rows == [(2, ROWS[1]), (3, ROWS[2])]


def test_excels_own_first_line_and_our_own_quotes_are_understood() -> None:
    table = read_table(io.BytesIO(b"sep=;\r\nA;B\r\n'=1+1;'tis\r\n\r\n;x\r\n"))
    assert (table.heads, [cells for _number, cells in table.rows]) == (
        ["A", "B"],
        [["=1+1", "'tis"], ["", "x"]],
    )


def test_an_xlsx_file_keeps_what_it_knows_of_its_cells() -> None:
    rows: list[list[Any]] = [
        ["A", "B", "C", "D"],
        [1234.5, datetime(2026, 12, 31), True, None],  # noqa: DTZ001  # spreadsheets know no zones
        [7, date(2026, 1, 2), "x", "y"],
    ]
    table = read_table(io.BytesIO(xlsx_file(*rows)))
    assert table.rows == [(2, [1234.5, "2026-12-31", True, ""]), (3, [7, "2026-01-02", "x", "y"])]


def test_files_that_are_too_large_or_no_tables_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_ROWS", 2)
    for data, why in (
        (b"", "headings"),
        (b"Only,headings\n", "headings"),
        (b"\xd0\xcf\x11\xe0\0\0\0", "neither"),
        (b"PK\x03\x04 and then nothing", "damaged"),
        (csv_file(["A"], ["1"], ["2"], ["3"]), "2 rows"),
        (xlsx_file(["A"], ["1"], ["2"], ["3"]), "2 rows"),
        (csv_file([f"c{n}" for n in range(201)], ["x"]), "200 columns"),
        (csv_file(["A"], ["x" * 10_001]), "10000"),
    ):
        with pytest.raises(UnreadableFile, match=why):
            read_table(io.BytesIO(data))


def test_bombs_are_refused_before_they_go_off(monkeypatch: pytest.MonkeyPatch) -> None:
    entities = b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;">]>'
    sheet = (
        entities
        + b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>&b;</t></si></sst>'
    )
    with pytest.raises(UnreadableFile, match="damaged") as refused:
        read_table(io.BytesIO(with_part(xlsx_file(["A"], ["x"]), "xl/worksheets/sheet1.xml", sheet)))
    assert refused.value.__cause__ is not None
    assert isinstance(refused.value.__cause__.__cause__, EntitiesForbidden)
    monkeypatch.setattr(files, "_MOST_UNPACKED", 100_000)
    with pytest.raises(UnreadableFile, match="too large"):
        read_table(io.BytesIO(with_part(xlsx_file(["A"], ["x"]), "xl/media/zeros", b"\0" * 200_000)))


def with_part(data: bytes, name: str, content: bytes) -> bytes:
    """An XLSX file with one of its parts put in, or replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            if entry != name:
                new.writestr(entry, old.read(entry))
        new.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("text", "decimals", "number"),
    [
        ("1.234,56", Decimals.COMMA, "1234.56"),
        ("R$ 1.234.567", Decimals.COMMA, "1234567"),
        ("-12,5", Decimals.COMMA, "-12.5"),
        ("US$ 1,234.56", Decimals.POINT, "1234.56"),
        ("1\u00a0234 EUR", Decimals.COMMA, "1234"),
        ("1,234.56", Decimals.COMMA, None),
        ("12.34", Decimals.COMMA, None),
        ("1.2.3", Decimals.POINT, None),
        ("abc", Decimals.POINT, None),
    ],
)
def test_numbers_are_read_as_they_are_written_there(
    text: str, decimals: Decimals, number: str | None
) -> None:
    if number is None:
        with pytest.raises(BadCell):
            read_number(text, decimals=decimals)
    else:
        assert read_number(text, decimals=decimals) == Decimal(number)


def test_dates_are_read_in_the_order_that_was_chosen_and_always_as_iso() -> None:
    assert read_date("31/12/2026", dates=Dates.DAY_FIRST) == date(2026, 12, 31)
    assert read_date("1-2-26", dates=Dates.MONTH_FIRST) == date(2026, 1, 2)
    assert read_date("2026-12-31 10:00:00", dates=Dates.DAY_FIRST) == date(2026, 12, 31)
    for text in ("31/02/2026", "12/31/2026", "soon", "0/0/0"):
        with pytest.raises(BadCell):
            read_date(text, dates=Dates.DAY_FIRST)


def test_the_shape_of_numbers_and_dates_is_told_from_the_cells() -> None:
    assert likely_decimals(["1.234", "1.234,56", "7"], default=Decimals.POINT) == Decimals.COMMA
    assert likely_decimals(["1,234.5", "", 7], default=Decimals.COMMA) == Decimals.POINT
    assert likely_decimals(["7"], default=Decimals.POINT) == Decimals.POINT
    assert likely_dates(["01/02/2026", "13/02/2026"], default=Dates.MONTH_FIRST) == Dates.DAY_FIRST
    assert likely_dates(["01/02/2026", "02/13/2026"], default=Dates.DAY_FIRST) == Dates.MONTH_FIRST
    assert likely_dates(["01/02/2026"], default=Dates.MONTH_FIRST) == Dates.MONTH_FIRST


@pytest.mark.django_db
def test_headings_are_understood_in_both_languages() -> None:
    deals = {
        "Deal - Title": "deal.title",
        "Título do negócio": "",  # there is one already
        "Valor": "deal.value",
        "Deal - Owner": "deal.owner",
        "Pessoa - Nome": "contact.name",
        "E-mail do contato": "contact.emails",
        "E-mail 2": "contact.emails",
        "Telefone": "contact.phones",
        "CPF": "contact.tax_id",
        "Organization - Name": "company.name",
        "CNPJ": "company.tax_id",
        "Previsão de fechamento": "deal.expected_close_on",
        "Something else": "",
    }
    assert guess_mapping(list(deals), targets_of(Entity.DEAL)) == list(deals.values())
    contacts = {"Nome": "contact.name", "Empresa": "company.name", "Cargo": "contact.job_title"}
    assert guess_mapping(list(contacts), targets_of(Entity.CONTACT)) == list(contacts.values())
    companies = {"Razão social": "company.name", "Site": "company.domain"}
    assert guess_mapping(list(companies), targets_of(Entity.COMPANY)) == list(companies.values())


@pytest.mark.parametrize("text", ["sep=", "sep=\r\nA;B\r\n1;2\r\n", 'sep="\nA;B\n1;2\n'])
def test_a_first_line_that_names_no_delimiter_is_a_line_like_others(text: str) -> None:
    file = io.BytesIO(text.encode())
    if text == "sep=":
        with pytest.raises(UnreadableFile):
            read_table(file)
    else:
        assert read_table(file).rows


def test_a_zip_that_cannot_be_unpacked_is_refused() -> None:
    data = bytearray(xlsx_file(["A"], ["x"] * 1))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at != -1:
            data[at + flags] |= 1  # "there is a password"
            at = data.find(mark, at + 4)
    with pytest.raises(UnreadableFile):
        read_table(io.BytesIO(bytes(data)))
