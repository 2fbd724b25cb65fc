"""The bell and the notices behind it, in a browser."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from crm.models import User
from crm.notices import notify

Open = Callable[..., Page]
LOOKS: list[dict[str, Any]] = [
    {"color_scheme": "light"},
    {"color_scheme": "dark"},
    {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "has_touch": True},
]


@pytest.fixture
def told(alice: User) -> User:
    body = "The receiver answered 503 Service Unavailable.\n12 deals wait to be sent."
    notify(users=[alice], kind="recovered", subject="“BI” is well again", body=body, url="/deals/")
    alice.notices.update(read_at="2026-11-24T12:00:00Z")
    subject = "“ERP of the headquarters, with a name as long as people give them” is failing"
    notify(users=[alice], kind="failing", subject=subject, body=body, url="/contacts/")
    notify(
        users=[alice],
        kind="given_up",
        subject="7 deliveries to “ERP” were given up",
        body=body,
        url="/deals/",
    )
    return alice


def test_a_person_reads_what_the_bell_tells(told: User, open_page: Open) -> None:
    page = open_page(told, "/contacts/")
    bell = page.get_by_role("link", name="Notices (2 unread)")
    bell.click()
    expect(page.get_by_role("heading", name="Notices")).to_be_visible()
    page.get_by_role("link", name="7 deliveries to “ERP” were given up").click()
    expect(page).to_have_url(f"{page.url.partition('/deals/')[0]}/deals/")
    page.get_by_role("link", name="Notices (1 unread)").click()
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_role("link", name="Notices (0 unread)")).to_be_visible()
    expect(page.get_by_role("button", name="Mark all as read")).to_have_count(0)


@pytest.mark.parametrize("look", LOOKS)
def test_notices_can_be_read_by_everybody(
    told: User, open_page: Open, violations: Callable[[Page], list[str]], look: dict[str, Any]
) -> None:
    page = open_page(told, "/notices/", **look)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
