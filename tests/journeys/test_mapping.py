"""A mapping is built from a request that came, without a mouse, and the request applies once it is tried again."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, Route, expect

from crm.models import Deal, Pipeline, Stage, User
from webhooks.models import InboundEndpoint
from webhooks.replays import work_replays

pytestmark = pytest.mark.timeout(180)
SURVEY = {
    "type": "answer.new",
    "id": "a",
    "answer": {
        "id": "77",
        "person": {"name": "CARLA DIAS", "email": "carla@example.com"},
        "score": 9,
        "comment": "Quick and kind",
        "at": 1767225600,
        "tags": [],
    },
}
BODY = {"lead": {"full name": "Maria Souza", "phone": "(11) 95550-0100"}, "total": "R$ 1.234,56"}


@pytest.fixture
def endpoint(alice: User) -> InboundEndpoint:
    pipeline = Pipeline.objects.create(name="Sales")
    Stage.objects.create(pipeline=pipeline, name="New")
    return InboundEndpoint.objects.create(name="Site", verification={"scheme": "none"})


def post(endpoint: InboundEndpoint, body: Any, *, to: str, status: str = "rejected") -> None:
    """What the sender sends before anybody has built a mapping, or has mended it."""
    sent = requests.post(f"{to}/in/{endpoint.key}/", json=body, timeout=30)
    assert sent.json()["status"] == status


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
    expect(rows.first.get_by_label("Value of the sample")).to_be_focused()
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


def test_what_is_picked_while_a_row_is_asked_about_stays(
    open_page: Callable[..., Page], site: str, alice: User, endpoint: InboundEndpoint
) -> None:
    post(endpoint, BODY, to=site)
    page = open_page(alice, f"/webhooks/endpoints/{endpoint.pk}/mapping/")
    rows = page.locator(".mapping-row")
    page.get_by_role("button", name="Add a field").click()
    expect(rows).to_have_count(5)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/mapping/row/", hold, times=1)
    with page.expect_request("**/mapping/row/"):
        rows.last.get_by_label("Field of ours").select_option("deal.value")
    rows.last.get_by_label("Value of the sample").select_option("total")
    held[0].continue_()
    expect(rows.last.get_by_label("Expression", exact=True)).to_have_value("to_money(total)")


def test_an_unknown_system_is_connected_by_its_sample_broken_and_mended(
    open_page: Callable[..., Page], site: str, alice: User, endpoint: InboundEndpoint
) -> None:
    InboundEndpoint.objects.update(setting_up=True)
    page = open_page(alice, f"/webhooks/endpoints/{endpoint.pk}/")
    page.get_by_role("link", name="Connect the system").click()
    expect(page.get_by_text("Waiting for a first request.")).to_be_visible()
    post(endpoint, SURVEY, to=site, status="ignored")
    sample = page.get_by_role("group", name="Sample")
    expect(sample).to_be_visible()
    for value, field, expression, result in (
        ("CARLA DIAS", "Contact: Name", "answer.person.name", "= CARLA DIAS"),
        ("carla@example.com", "Contact: E-mails", "[trim(answer.person.email)]", "= carla@example.com"),
        ("1767225600", "Event: When it happened", "to_datetime(answer.at)", "= 2026-01-01T00:00:00.000Z"),
    ):
        row = page.locator(".mapping-row", has=page.locator("option:checked", has_text=field))
        if not row.count():
            page.get_by_role("button", name="Add a field").click()
            last = page.locator(".mapping-row").last
            expect(last.get_by_label("Field of ours")).to_be_focused()
            last.get_by_label("Field of ours").select_option(label=field)
            expect(row).to_have_count(1)
        row.get_by_label("Expression", exact=True).focus()
        sample.get_by_role("button", name=value).click()
        expect(row.get_by_label("Expression", exact=True)).to_have_value(expression)
        expect(row.locator(".row-result")).to_have_text(result)
    name = page.locator(".mapping-row").first
    name.get_by_label("Read as").select_option(label="Each word with a large first letter → Carla Dias")
    expect(name.locator(".row-result")).to_have_text("= Carla Dias")
    page.get_by_role("button", name="Try the last 20").click()
    expect(page.get_by_text("1 of 1 request would be applied.")).to_be_visible()
    page.get_by_role("button", name="Save and switch on").click()
    expect(page.get_by_text("“Site” is switched on.")).to_be_visible()
    page.get_by_role("button", name="Apply them").click()
    expect(page.get_by_text("0 of 1 are applied.")).to_be_visible()
    work_replays()
    expect(page.get_by_text("1 of 1 are applied.")).to_be_visible()

    page.get_by_role("link", name="Edit the mapping").click()
    email = page.locator(".mapping-row", has=page.locator("option:checked", has_text="Contact: E-mails"))
    address = email.get_by_label("Expression", exact=True)
    expect(address).to_have_value("[trim(answer.person.email)]")
    address.fill("[answer.person.name]")
    save(page)
    post(endpoint, {**SURVEY, "id": "b"}, to=site)
    page.reload()
    address.fill("[trim(answer.person.email)]")
    page.get_by_role("button", name="Try the last 20").click()
    expect(page.get_by_text("2 of 2 requests would be applied.")).to_be_visible()
    save(page)
    page.goto(endpoint.get_absolute_url())
    page.get_by_role("button", name="Try the rejected again").click()
    expect(page.get_by_text("0 of 1 are applied.")).to_be_visible()
    work_replays()
    expect(page.get_by_text("1 of 1 are applied.")).to_be_visible()
    assert Deal.objects.get().title == "Carla Dias"
    assert set(endpoint.requests.values_list("state", flat=True)) == {"applied"}


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("“Site” is saved.")).to_be_visible()
