"""Another system is connected by a preset: found in the gallery, made, explained, and its first request applies."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from crm.models import Deal, Pipeline, Stage, User
from tests.webhooks.conftest import Sender
from webhooks.models import InboundEndpoint

pytestmark = pytest.mark.timeout(180)
OpenPage = Callable[..., Page]


@pytest.fixture
def pipeline(alice: User) -> Pipeline:
    pipeline = Pipeline.objects.create(name="Sales")
    Stage.objects.create(pipeline=pipeline, name="New")
    return pipeline


def test_a_form_is_connected_without_a_mouse(open_page: OpenPage, alice: User, pipeline: Pipeline) -> None:
    page = open_page(alice, "/webhooks/endpoints/new/")
    tiles = page.locator("[data-tile]")
    expect(tiles.filter(has_text="Stripe")).to_be_visible()
    page.get_by_label("Search a system").focus()
    page.keyboard.type("html")
    expect(tiles.filter(visible=True)).to_have_count(1)
    expect(page.get_by_role("heading", name="Billing")).to_be_hidden()
    page.get_by_label("Search a system").fill("magento")
    expect(page.get_by_text("No system of that name.")).to_be_visible()
    page.get_by_label("Search a system").fill("html")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name")).to_have_value("HTML")
    page.get_by_label("Name").fill("Our site")
    page.get_by_role("button", name="Create").press("Enter")
    guide = page.locator("details.guide")
    expect(guide).to_have_attribute("open", "")
    endpoint = InboundEndpoint.objects.get()
    expect(guide).to_contain_text(f"/in/{endpoint.key}/")
    answer = Sender(endpoint).post(
        b"nome=Maria+Souza&telefone=%2811%29+95550-0100", content_type="application/x-www-form-urlencoded"
    )
    assert answer.json()["status"] == "applied"
    assert Deal.objects.get().title == "Maria Souza"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_pages_are_accessible_and_fit_their_width(
    open_page: OpenPage,
    alice: User,
    pipeline: Pipeline,
    violations: Callable[[Page], list[str]],
    scheme: str,
    width: int,
) -> None:
    made = InboundEndpoint.objects.create(name="Shop", preset="shopify", verification={"scheme": "shopify"})
    page = open_page(alice, "/", color_scheme=scheme, viewport={"width": width, "height": 800})
    for path in ("new/", "new/shopify/", f"{made.pk}/"):
        page.goto(f"/webhooks/endpoints/{path}")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
