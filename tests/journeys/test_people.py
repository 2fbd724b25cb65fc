"""Somebody who is there twice: made by hand, found, merged with a preview, and erased, in a browser."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from crm.actors import Actor
from crm.contacts import create_contact
from crm.deals import create_deal
from crm.duplicates import compare_changed
from crm.models import Contact, Pipeline, Stage, User


@pytest.fixture
def maria(transactional_db: None, alice: User) -> Contact:
    actor = Actor.user(alice)
    stage = Stage.objects.create(
        pipeline=Pipeline.objects.create(name="Sales"), name="New", hue=1, probability=50
    )
    fields = {"name": "Maria Souza", "emails": ["maria@example.com"], "job_title": "Buyer"}
    maria = create_contact(actor=actor, fields=fields)
    create_deal(actor=actor, stage=stage, title="Two ovens", fields={"contact": maria})
    return maria


def test_somebody_who_is_there_twice_becomes_one_and_is_erased(
    open_page: Callable[..., Page],
    alice: User,
    maria: Contact,
    violations: Callable[[Page], list[str]],
) -> None:
    page = open_page(alice, "/contacts/")
    expect(page.locator(".row-link")).to_have_text(["Maria Souza"])
    page.keyboard.press("n")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type("Maria S.")
    dialog.get_by_label("E-mails").fill("maria@example.com")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Maria Souza")
    dialog.get_by_role("button", name="Create all the same").click()

    expect(page.locator("#party-heading")).to_have_text("Maria S.")
    page.get_by_label("Job title").fill("Chef")
    page.get_by_label("Job title").press("Tab")
    expect(page.locator("#party-story")).to_contain_text("Job title: Chef")
    assert violations(page) == []

    compare_changed(now=timezone.now(), for_seconds=60)
    page.emulate_media(color_scheme="dark")
    page.goto("/contacts/duplicates/")
    assert violations(page) == []
    page.get_by_role("link", name="Merge…").click()
    expect(page.get_by_label("Maria Souza: Buyer")).to_be_checked()
    page.get_by_label("Maria S.: Chef").check()
    assert violations(page) == []
    page.get_by_role("button", name="Merge into “Maria Souza”").click()

    expect(page.locator("#party-story")).to_contain_text("“Maria S.” was merged into this one")
    expect(page.get_by_label("Job title")).to_have_value("Chef")
    page.get_by_label("More", exact=True).click()
    page.get_by_role("link", name="Erase this person…").click()
    expect(page.get_by_role("row", name="Deals 1")).to_be_visible()
    assert violations(page) == []
    page.get_by_label("Name").fill("Maria Souza")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.locator("#party-heading")).to_have_text("Erased contact")
    expect(page.get_by_role("link", name="Two ovens")).to_be_visible()
    assert "Maria" not in page.locator("main").inner_text()
