"""A file becomes deals, and stops being them again, in a browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect

from crm.models import Contact, Deal, Pipeline, Stage, User
from tests.crm.sheets import csv_file, work

OpenPage = Callable[..., Page]
Violations = Callable[[Page], list[str]]


@pytest.fixture
def stage(transactional_db: None) -> Stage:
    pipeline = Pipeline.objects.create(name="Sales")
    return Stage.objects.create(pipeline=pipeline, name="New", hue=1)


def test_a_file_is_mapped_tried_imported_and_undone(
    open_page: OpenPage, alice: User, stage: Stage, violations: Violations, tmp_path: Path
) -> None:
    page = open_page(alice, "/deals/")
    page.get_by_role("link", name="Import", exact=True).click()
    rows = [
        ["Negócio", "Valor", "E-mail", "Obs"],
        ["Padaria", "1.234,56", "ana@x.com", "-"],
        ["Loja", "caro", "", ""],
    ]
    chosen = page.get_by_label("File", exact=True)
    file: FilePayload = {"name": "leads.csv", "mimeType": "text/csv", "buffer": csv_file(*rows)}
    most = chosen.evaluate(
        "(input) => { const { most } = input.dataset; input.dataset.most = 9; return most; }"
    )
    chosen.set_input_files(file)
    expect(page.get_by_role("alert")).to_have_text("“leads.csv” is larger than 20.0 MB.")
    expect(chosen).to_have_value("")
    chosen.evaluate("(input, most) => { input.dataset.most = most; }", most)
    chosen.set_input_files(file)
    assert violations(page) == []
    page.get_by_role("button", name="Next").click()

    expect(page.get_by_label("Valor becomes")).to_have_value("deal.value")
    expect(page.get_by_label("Numbers are written")).to_have_value("comma")
    page.get_by_label("Obs becomes").select_option(label="Tags")
    page.get_by_label("What to do").select_option(label="Create new ones only")
    page.get_by_label("Stage of new deals").select_option(label="New")
    page.get_by_text("The first rows").click()
    expect(page.get_by_role("cell", name="Padaria")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="See what would happen").click()

    expect(page.get_by_text("Being checked")).to_be_visible()
    work()
    expect(page.get_by_role("heading", name="What would happen")).to_be_visible()
    expect(page.get_by_text("Valor: “caro” is no number written like 1.234,56.")).to_be_visible()
    assert violations(page) == []
    assert not Deal.objects.exists()
    page.get_by_role("button", name="Import", exact=True).click()

    expect(page.get_by_role("progressbar")).to_be_visible()
    work()
    expect(page.get_by_text("1 created")).to_be_visible()
    assert Deal.objects.get().tags.get().name == "-"
    with page.expect_download() as download:
        page.get_by_role("link", name="All of them (CSV)").click()
    download.value.save_as(tmp_path / "problems.csv")
    assert "Loja,caro" in (tmp_path / "problems.csv").read_text(encoding="utf-8-sig")
    assert violations(page) == []

    page.get_by_role("link", name="Undo this import…").click()
    expect(page.get_by_role("row", name="Deal 1 0 0")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Undo").click()
    work()
    expect(page.get_by_text("2 removed")).to_be_visible()
    assert (Deal.objects.count(), Contact.objects.count()) == (0, 0)
    page.get_by_role("link", name="Imports").click()
    expect(page.get_by_role("row", name="leads.csv Undone")).to_be_visible()
    assert violations(page) == []
