"""Filtering, keeping a view, the list, the forecast and search, in a browser."""

import re
from collections.abc import Callable
from datetime import date

import pytest
from playwright.sync_api import Page, expect

from crm.actors import Actor
from crm.deals import create_deal, update_deal
from crm.models import Company, Deal, Pipeline, SavedView, Stage, User

OpenPage = Callable[..., Page]


@pytest.fixture
def deals(transactional_db: None, alice: User, bob: User) -> dict[str, Deal]:
    """Bakery of Alice's with a tag, Clinic and School of Bob's."""
    pipeline = Pipeline.objects.create(name="Sales")
    stage = Stage.objects.create(pipeline=pipeline, name="New", hue=1, probability=50)
    company = Company.objects.create(name="Padaria Pão Bom")
    rows = {
        "Bakery": {"owner": alice, "value": 1500, "tags": ["vip"], "company": company},
        "Clinic": {"owner": bob, "value": 800, "expected_close_on": date(2026, 12, 1)},
        "School": {"owner": bob, "value": 20},
    }
    return {
        title: create_deal(actor=Actor.user(alice), stage=stage, title=title, fields=fields)
        for title, fields in rows.items()
    }


def cards(page: Page) -> list[str]:
    return page.locator(".card-title").all_text_contents()


def test_filters_are_chosen_with_the_keyboard_and_kept_as_a_view(
    open_page: OpenPage, alice: User, deals: dict[str, Deal]
) -> None:
    page = open_page(alice, "/")
    page.keyboard.press("f")
    page.get_by_label("Value from").fill("100")
    page.get_by_label("Value from").press("Enter")
    expect(page.locator(".card-title")).to_have_text(["Clinic", "Bakery"])
    assert page.url.endswith("/?value_min=100") or "?value_min=100" in page.url
    page.get_by_role("button", name="Value: from 100").click()
    page.get_by_label("vip").check()
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(".card-title")).to_have_text(["Bakery"])
    page.get_by_text("Views").click()
    page.get_by_role("button", name="Save this view…").click()
    page.get_by_label("Name").fill("Big and important")
    page.get_by_label("Name").press("Enter")
    page.wait_for_url("**view=*")
    assert SavedView.objects.get().query == "tag=vip&value_min=100"
    page.get_by_role("link", name="Clear all").click()
    expect(page.locator(".card-title")).to_have_count(3)
    page.get_by_text("Views").click()
    page.get_by_role("link", name="Big and important").click()
    expect(page.locator(".card-title")).to_have_text(["Bakery"])
    page.get_by_role("link", name="Remove the filter “Tag”").click()
    expect(page.locator(".card-title")).to_have_text(["Clinic", "Bakery"])


def test_another_users_change_respects_the_filters_and_the_fields_of_an_open_board(
    open_page: OpenPage, alice: User, bob: User, deals: dict[str, Deal]
) -> None:
    page = open_page(alice, "/?tag=vip")
    page.locator("summary", has_text="Cards").click()
    page.get_by_label("Value", exact=True).uncheck()
    page.get_by_label("Days in the stage").check()
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(".card")).to_have_text(re.compile(r"^Bakery.*Pão Bomvip *0 d *no activity *AR\s*$"))
    update_deal(deal_id=deals["Clinic"].pk, actor=Actor.user(bob), fields={"tags": ["vip"]})
    expect(page.locator(".card-title")).to_have_text(["Clinic", "Bakery"])
    expect(page.locator(".card").first).to_have_text(re.compile(r"^Clinic *vip *0 d *no activity *BD\s*$"))
    update_deal(deal_id=deals["Bakery"].pk, actor=Actor.user(bob), fields={"tags": []})
    expect(page.locator(".card-title")).to_have_text(["Clinic"])


def test_a_cell_of_the_list_is_edited_with_the_keyboard(
    open_page: OpenPage, alice: User, bob: User, deals: dict[str, Deal]
) -> None:
    page = open_page(alice, "/deals/?sort=title")
    pencil = page.get_by_role("button", name="Change Value of “Bakery”")
    pencil.focus()
    page.keyboard.press("Enter")
    value = page.get_by_role("textbox", name="Value")
    expect(value).to_be_focused()
    value.fill("2,000")
    value.press("Enter")
    expect(page.get_by_text("R$2,000")).to_be_visible()
    expect(pencil).to_be_focused()
    assert Deal.objects.get(pk=deals["Bakery"].pk).value == 2000
    page.get_by_role("button", name="Change Deal of “Clinic”").focus()
    page.keyboard.press("Enter")
    title = page.get_by_role("textbox", name="Title")
    title.fill("Mine")
    update_deal(deal_id=deals["Clinic"].pk, actor=Actor.user(bob), fields={"title": "Bob's clinic"})
    title.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Bob Dias changed this field")
    page.get_by_role("button", name="Take theirs").click()
    expect(page.get_by_role("link", name="Bob's clinic")).to_be_visible()


def test_rows_of_the_list_are_moved_together_and_the_move_is_taken_back(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], violations: Callable[[Page], list[str]]
) -> None:
    stage = Stage.objects.create(pipeline=deals["Clinic"].pipeline, name="Proposal", position=1, hue=2)
    page = open_page(alice, "/deals/?sort=title")
    page.get_by_label("Select “Bakery”").click()
    page.get_by_label("Select “School”").click(modifiers=["Shift"])
    bar = page.get_by_role("toolbar", name="Selected deals")
    expect(bar).to_contain_text("3 selected")
    expect(page.get_by_label("Select the page")).to_be_checked()
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    page.get_by_role("button", name="Select all").click()
    expect(bar).to_contain_text("3 selected")
    page.get_by_label("Select “Clinic”").uncheck()
    expect(bar).to_contain_text("2 selected")
    assert violations(page) == []
    bar.get_by_role("button", name="Move").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Stage").select_option("Proposal")
    expect(dialog).to_contain_text("2 deals: nothing will be sent")
    dialog.get_by_role("button", name="Move").click()
    expect(page.locator("tr", has_text="Proposal")).to_have_count(2)
    expect(bar).to_be_hidden()
    assert Deal.objects.filter(stage=stage).count() == 2
    page.keyboard.press("z")
    expect(page.locator("tr", has_text="Proposal")).to_have_count(0)
    assert not Deal.objects.filter(stage=stage).exists()


@pytest.mark.parametrize("width", [1280, 390])
def test_search_finds_with_the_keyboard_and_remembers_what_was_opened(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], width: int
) -> None:
    page = open_page(alice, "/contacts/", viewport={"width": width, "height": 800})
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search")
    expect(box).to_be_focused()
    found = page.get_by_role("dialog").get_by_role("option")
    box.press_sequentially("padria")
    expect(found).to_have_count(2)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("dialog").get_by_role("option", selected=True)).to_contain_text("Padaria Pão Bom")
    page.keyboard.press("Enter")
    page.wait_for_url("**/companies/*/")
    page.keyboard.press("Control+k")
    expect(page.get_by_text("Opened last")).to_be_visible()
    expect(found).to_contain_text(["Padaria Pão Bom"])
    page.keyboard.press("Escape")
    expect(box).not_to_be_visible()
    if width == 390:
        page.get_by_role("button", name="Search", exact=True).click()
        expect(box).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_on_the_pages_with_filters(
    open_page: OpenPage,
    alice: User,
    deals: dict[str, Deal],
    violations: Callable[[Page], list[str]],
    scheme: str,
    width: int,
) -> None:
    page = open_page(
        alice, "/?value_min=1&owner=me", color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    assert violations(page) == []
    page.keyboard.press("f")
    expect(page.get_by_role("heading", name="Filters")).to_be_visible()
    assert violations(page) == []
    page.goto("/deals/?columns=title,company,value,owner,tags,expected_close_on&value_min=1")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto("/deals/?tag=nothing&owner=x")
    assert violations(page) == []
    for address in ("/forecast/", "/forecast/?as=table"):
        page.goto(address)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("/")
    page.keyboard.type("bakery")
    expect(page.get_by_role("option")).to_have_count(1)
    assert violations(page) == []
