"""The deal page in a browser, and every page's accessibility."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from playwright.sync_api import Locator, Page, expect

from crm.actors import Actor
from crm.deals import create_deal, update_deal
from crm.models import Company, Contact, Deal, LostReason, Pipeline, Stage, User
from tests.processes import eventually

OpenPage = Callable[..., Page]


@pytest.fixture
def deal(alice: User) -> Deal:
    pipeline = Pipeline.objects.create(name="Sales")
    first, *_rest = [
        Stage.objects.create(pipeline=pipeline, name=name, position=place, hue=place + 1)
        for place, name in enumerate(("New", "Proposal", "Closing"))
    ]
    company = Company.objects.create(name="Good Bread")
    contact = Contact.objects.create(name="Rui Alves", company=company, emails=["rui@example.com"])
    fields = {"company": company, "contact": contact, "owner": alice, "external_ids": {"omie": "123"}}
    return create_deal(actor=Actor.user(alice), stage=first, title="Oven", fields=fields)


def field(page: Page, label: str) -> Locator:
    return page.locator(".edit-fields").get_by_label(label, exact=True)


def test_a_field_saves_itself_and_says_what_is_wrong(open_page: OpenPage, alice: User, deal: Deal) -> None:
    page = open_page(alice, f"/deals/{deal.pk}/")
    field(page, "Value").fill("a lot")
    field(page, "Value").press("Enter")
    expect(page.locator("#field-value .error")).to_have_text("Write an amount such as 1,500.50.")
    field(page, "Value").fill("1,500.50")
    field(page, "Value").press("Tab")
    expect(page.locator("#field-value.saved")).to_be_attached()
    expect(page.locator("#deal-story")).to_contain_text("Value: 0.00 → 1,500.50")
    assert Deal.objects.get(pk=deal.pk).value == Decimal("1500.50")


def test_a_field_changed_by_another_asks_which_to_keep(
    open_page: OpenPage, alice: User, bob: User, deal: Deal
) -> None:
    page = open_page(alice, f"/deals/{deal.pk}/")
    field(page, "Title").focus()
    update_deal(deal_id=deal.pk, actor=Actor.user(bob), fields={"title": "Two ovens"})
    expect(page.locator("#deal-heading")).to_have_text("Two ovens")
    field(page, "Title").fill("Three ovens")
    field(page, "Title").press("Enter")
    conflict = page.locator("#field-title").get_by_role("alert")
    expect(conflict).to_contain_text("Bob Dias changed this field")
    for version in ("Oven", "Two ovens", "Three ovens"):
        expect(conflict.get_by_role("definition").get_by_text(version, exact=True)).to_be_visible()
    conflict.get_by_role("button", name="Keep mine").click()
    expect(page.locator("#deal-heading")).to_have_text("Three ovens")
    assert Deal.objects.get(pk=deal.pk).title == "Three ovens"


def test_a_stage_is_entered_by_a_click_and_others_see_it(
    open_page: OpenPage, alice: User, bob: User, deal: Deal
) -> None:
    page, others = open_page(alice, f"/deals/{deal.pk}/"), open_page(bob, f"/deals/{deal.pk}/")
    page.get_by_role("button", name="Proposal").click()
    for each in (page, others):
        expect(each.locator(".steps [aria-current]")).to_contain_text("Proposal")
        expect(each.locator("#deal-story")).to_contain_text("New → Proposal")


def test_a_deal_is_lost_with_a_reason_and_reopened(open_page: OpenPage, alice: User, deal: Deal) -> None:
    LostReason.objects.create(name="Price")
    page = open_page(alice, f"/deals/{deal.pk}/")
    page.get_by_role("button", name="Mark as lost").click()
    dialog = page.get_by_role("dialog", name="Oven")
    dialog.get_by_label("Why lost?").select_option(label="Price")
    dialog.get_by_role("button", name="Mark as lost").click()
    expect(page.get_by_role("status")).to_have_text("1 deal changed")
    page.get_by_role("button", name="Reopen").click()
    expect(page.get_by_role("button", name="Mark as won")).to_be_visible()
    assert Deal.objects.get(pk=deal.pk).status == Deal.Status.OPEN


def test_a_note_appears_in_the_story_at_once(open_page: OpenPage, alice: User, deal: Deal) -> None:
    page = open_page(alice, f"/deals/{deal.pk}/")
    page.get_by_placeholder("Write a note…").fill("She calls back")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("#deal-story")).to_contain_text("She calls back")
    expect(page.get_by_placeholder("Write a note…")).to_have_value("")
    eventually(deal.activities.exists)


def test_products_files_and_people_named_in_a_note(
    open_page: OpenPage, alice: User, bob: User, deal: Deal
) -> None:
    page = open_page(alice, f"/deals/{deal.pk}/")
    note = page.get_by_placeholder("Write a note…")
    note.press_sequentially("Ask @b")
    people = page.get_by_role("listbox", name="People")
    expect(people.get_by_role("option", name="Bob Dias")).to_have_attribute("aria-selected", "true")
    note.press("Enter")
    expect(note).to_have_value("Ask @Bob Dias ")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("#deal-story")).to_contain_text("Ask @Bob Dias")
    assert bob.notices.get().subject == "Alice Reis mentioned you in “Oven”"

    page.get_by_role("button", name="Add a product").click()
    dialog = page.get_by_role("dialog", name="Add a product")
    dialog.get_by_label("Name").fill("Dough hook")
    dialog.get_by_label("Unit price").fill("100")
    dialog.get_by_label("Paid").select_option(label="per month")
    dialog.get_by_role("button", name="Save").click()
    products = page.locator("#deal-products")
    expect(products).to_contain_text("R$1,200")
    products.get_by_role("switch").check()
    expect(field(page, "Value")).to_have_value("1,200.00")

    page.get_by_role("tab", name="Note").press("ArrowLeft")
    page.locator("#file-upload").set_input_files(
        {"name": "offer.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"}
    )
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("link", name="offer.pdf")).to_be_visible()
    page.get_by_role("button", name="Delete offer.pdf").click()
    question = page.get_by_role("dialog", name="Delete “offer.pdf”?")
    question.get_by_role("button", name="Delete").click()
    expect(question).to_be_hidden()
    expect(page.get_by_role("link", name="offer.pdf")).to_be_hidden()
    page.get_by_role("link", name="Notes").click()
    expect(page.locator("#deal-story .what")).to_have_text(["Ask @Bob Dias · Alice Reis"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_are_accessible(
    open_page: OpenPage,
    alice: User,
    deal: Deal,
    violations: Callable[[Page], list[str]],
    scheme: str,
    width: int,
) -> None:
    page = open_page(alice, "/login/", color_scheme=scheme, viewport={"width": width, "height": 800})
    for address in (
        f"/deals/{deal.pk}/",
        "/deals/",
        "/contacts/",
        f"/companies/{deal.company_id}/",
        "/nowhere/",
    ):
        page.goto(address)
        assert violations(page) == [], address
    page.context.clear_cookies()
    page.goto("/login/")
    assert violations(page) == []
