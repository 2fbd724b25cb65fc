"""A mapping is built from a request that came, without a mouse, and the request applies once it is tried again."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from crm.models import Deal, Pipeline, Stage, User
from webhooks.models import InboundEndpoint

pytestmark = pytest.mark.timeout(180)
BODY = {"lead": {"full name": "Maria Souza", "phone": "(11) 95550-0100"}, "total": "R$ 1.234,56"}


@pytest.fixture
def endpoint(alice: User) -> InboundEndpoint:
    pipeline = Pipeline.objects.create(name="Sales")
    Stage.objects.create(pipeline=pipeline, name="New")
    return InboundEndpoint.objects.create(name="Site", verification={"scheme": "none"})


def post(endpoint: InboundEndpoint, body: Any, *, to: str) -> None:
    """What the sender sends before anybody has built a mapping: it is rejected."""
    sent = requests.post(f"{to}/in/{endpoint.key}/", json=body, timeout=30)
    assert sent.json()["status"] == "rejected"


def test_a_mapping_is_built_from_a_request_without_a_mouse(
    open_page: Callable[..., Page],
    site: str,
    alice: User,
    endpoint: InboundEndpoint,
    violations: Callable[[Page], list[str]],
) -> None:
    post(endpoint, BODY, to=site)
    page = open_page(alice, f"/webhooks/endpoints/{endpoint.pk}/mapping/")
    preview = page.locator("#mapping-preview")
    expect(preview).to_contain_text("Would be refused.")
    rows = page.locator(".mapping-row")
    name = rows.first
    name.get_by_label("Value of the sample").focus()
    page.keyboard.type("lead")
    expect(rows.first.get_by_label("Expression", exact=True)).to_have_value('lead."full name"')
    expect(rows.first.get_by_label("Expression", exact=True)).to_be_focused()  # and typing goes on there
    expect(preview).to_contain_text("Would make a new deal.")
    page.get_by_role("button", name="Add a field").press("Enter")
    expect(rows).to_have_count(5)
    expect(rows.last.get_by_label("Field of ours")).to_be_focused()
    rows.last.get_by_label("Field of ours").select_option("deal.value")
    expect(rows.last.get_by_label("Field of ours")).to_have_value("deal.value")
    rows.last.get_by_label("Value of the sample").select_option("total")
    expect(rows.last.get_by_label("Expression", exact=True)).to_have_value("to_money(total)")
    expect(preview).to_contain_text("1234.56")
    rows.nth(1).get_by_role("button", name="Remove the field").press("Enter")
    expect(rows).to_have_count(4)
    assert violations(page) == []
    page.get_by_role("button", name="Save").press("Enter")
    page.wait_for_load_state()
    page.goto(f"/webhooks/requests/{endpoint.requests.get().pk}/")
    page.get_by_role("button", name="Try again").press("Enter")
    page.wait_for_load_state()
    deal = Deal.objects.get()
    assert (deal.title, f"{deal.value}") == ("Maria Souza", "1234.56")
