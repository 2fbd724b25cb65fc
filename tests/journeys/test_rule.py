"""A rule is built on its page, previewed against a real deal, and then does what it said."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from automations.destinations import create_destination
from automations.models import Delivery, Destination, Rule
from automations.rules import create_rule
from crm.actors import Actor
from crm.deals import create_deal, move_deal
from crm.models import Deal, Pipeline, Stage, User
from tests.processes import eventually
from tests.receivers import Receiver
from tests.workers import Worker

pytestmark = pytest.mark.timeout(180)
NEW = "/automations/rules/new/"


@pytest.fixture
def stages(alice: User) -> list[Stage]:
    pipeline = Pipeline.objects.create(name="Sales")
    return [
        Stage.objects.create(pipeline=pipeline, name=name, position=n)
        for n, name in enumerate(("New", "Proposal"))
    ]


@pytest.fixture
def deals(alice: User, stages: list[Stage]) -> list[Deal]:
    """A big one and a small one."""
    return [
        create_deal(actor=Actor.user(alice), stage=stages[0], title=title, fields={"value": Decimal(value)})
        for title, value in (("Big", "1500.00"), ("Small", "10.00"))
    ]


@pytest.fixture
def destination(transactional_db: None, receiver: Receiver) -> Destination:
    return create_destination(fields={"name": "ERP", "url": receiver.url})


def choose_field(page: Page, label: str) -> None:
    """Of the last condition: open its picker, type, and take with Enter what is left of the list."""
    picker = page.locator(".condition").last.locator(".field-picker")
    picker.locator("summary").click()
    picker.get_by_label("Find a field").fill(label.lower())
    page.keyboard.press("Enter")
    shown = page.locator(".condition").last.get_by_label(f"Field: {label}")
    expect(shown).to_be_visible()
    expect(shown).to_be_focused()


def add_condition(page: Page, *, field: str, op: str) -> None:
    page.get_by_role("button", name="Add a condition").click()
    choose_field(page, field)
    page.locator(".condition").last.get_by_label("Operator").select_option(op)
    expect(page.locator(".condition").last.get_by_label("Operator")).to_have_value(op)


def test_a_rule_is_built_seen_and_kept_to(
    open_page: Callable[..., Page],
    alice: User,
    stages: list[Stage],
    deals: list[Deal],
    destination: Destination,
    receiver: Receiver,
    start_worker: Callable[[], Worker],
    violations: Callable[[Page], list[str]],
) -> None:
    start_worker()
    big, small = deals
    page = open_page(alice, f"{NEW}?stage={stages[1].pk}")
    add_condition(page, field="Value", op="gte")
    page.locator(".condition").last.get_by_label("Value", exact=True).fill("1000")
    page.get_by_label("Wait").fill("1")
    page.get_by_label("Body").select_option("custom")
    expression = page.locator("#id_expression")
    expression.fill("{order: data.deal.title")
    expect(page.locator("#preview")).to_contain_text("at character")
    fault = page.locator(".marks mark")
    expect(fault).to_have_text("\u00a0")  # behind the end
    expression.fill("{order: data.deal.title)}")
    expect(fault).to_have_text(")")
    page.get_by_role("button", name="Go to the place").click()
    expect(expression).to_be_focused()
    page.keyboard.press("Delete")
    expect(fault).to_have_count(0)
    expect(expression).to_have_value("{order: data.deal.title}")
    page.get_by_label("Deal to try it with").select_option(str(big.pk))
    expect(page.locator("#preview")).to_contain_text('"order": "Big"')
    assert violations(page) == []
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(re.compile(r"/automations/rules/\d+/$"))

    rule = Rule.objects.get()
    assert rule.stage == stages[1]
    assert rule.conditions["rows"] == [{"field": "deal.value", "op": "gte", "value": "1000"}]
    assert (rule.delay_seconds, rule.payload["mode"]) == (60, "custom")
    for deal in (small, big):
        move_deal(deal_id=deal.pk, stage=stages[1], actor=Actor.user(alice))
    delivery = Delivery.objects.get()  # the small one meets no condition
    assert (delivery.deal_id, delivery.awaits_check, receiver.requests) == (big.pk, True, [])
    (request,) = receiver.wait_for(1, within=90)
    assert request.json() == {"order": "Big"}
    eventually(lambda: Delivery.objects.get().state == "delivered")


def test_a_rule_is_tried_out_and_survives_a_receiver_that_breaks(
    open_page: Callable[..., Page],
    alice: User,
    stages: list[Stage],
    deals: list[Deal],
    destination: Destination,
    receiver: Receiver,
    start_worker: Callable[[], Worker],
    violations: Callable[[Page], list[str]],
) -> None:
    start_worker()
    Destination.objects.update(retry_schedule=[0, *[1] * 9])  # s: the fourth failure in a row pauses it
    big, _small = deals
    page = open_page(alice, "/automations/")
    page.get_by_role("link", name="New rule in Proposal").click()
    add_condition(page, field="Value", op="gte")
    page.locator(".condition").last.get_by_label("Value", exact=True).fill("1000")
    page.get_by_label("Find a deal").fill("Big")
    expect(page.get_by_label("Deal to try it with").locator("option")).to_have_text(["Big"])
    page.get_by_label("Body").select_option("custom")
    for path in ("data.deal.title", "data.deal.stage.name"):
        page.get_by_role("button", name=f"Insert {path}", exact=True).click()
    expect(page.locator("#id_expression")).to_have_value(
        "{title: data.deal.title, name: data.deal.stage.name}"
    )
    expect(page.locator("#preview")).to_contain_text('"name": "New"')
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#trial")).to_contain_text("The receiver took it and answered 200 OK.")
    page.locator("#trial").get_by_text("Request", exact=True).click()
    (tried,) = receiver.wait_for(1)
    expect(page.locator("#trial")).to_contain_text(tried.headers["webhook-signature"])
    assert tried.json() == {"title": "Big", "name": "New"}
    assert violations(page) == []
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("made this rule")).to_be_visible()

    receiver.answer(503)
    move_deal(deal_id=big.pk, stage=stages[1], actor=Actor.user(alice))
    eventually(lambda: Destination.objects.get().status == "failing", seconds=60)
    delivery = Delivery.objects.exclude(trigger="test").get()
    page.goto(delivery.get_absolute_url())
    expect(page.locator(".timeline > li")).to_have_count(4)
    expect(page.locator("#delivery")).to_contain_text("It is held because the destination is failing")
    page.goto("/automations/")
    card = page.get_by_role("listitem").filter(
        has=page.get_by_role("link", name="When a deal enters Proposal")
    )
    expect(card).to_contain_text("Waiting")
    card.get_by_role("link", name="ERP").click()
    expect(page.get_by_text("after 4 failures in a row")).to_be_visible()

    receiver.answer(200)
    page.get_by_role("button", name="Switch on again").click()
    eventually(lambda: Delivery.objects.get(pk=delivery.pk).state == "delivered", seconds=30)
    page.goto("/automations/")
    expect(card).to_contain_text("Delivered")
    expect(card).to_contain_text("100 %")


def test_another_field_does_not_take_over_the_value_of_the_former(
    open_page: Callable[..., Page], alice: User, stages: list[Stage], deals: list[Deal]
) -> None:
    page = open_page(alice, NEW)
    page.get_by_role("button", name="Add a condition").click()
    page.locator(".condition").get_by_label("Value", exact=True).fill("1000")
    choose_field(page, "Stage")
    value = page.locator(".condition select[name$='-value']")
    expect(value).to_be_visible()
    assert value.locator("option").all_text_contents() == ["Sales: New", "Sales: Proposal"]


def test_a_condition_is_added_and_removed_with_the_keyboard(
    open_page: Callable[..., Page], alice: User, stages: list[Stage], deals: list[Deal]
) -> None:
    page = open_page(alice, NEW)
    page.get_by_role("button", name="Add a condition").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".condition")).to_have_count(1)
    page.get_by_role("button", name="Remove the condition").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".condition")).to_have_count(0)
    expect(page.get_by_label("Send when")).to_be_focused()


def test_on_a_phone_the_buttons_that_show_icons_alone_keep_their_names(
    open_page: Callable[..., Page], alice: User, stages: list[Stage], destination: Destination
) -> None:
    rule = create_rule(fields={"name": "To the ERP", "stage": stages[1], "destination": destination})
    page = open_page(alice, rule.get_absolute_url(), viewport={"width": 390, "height": 844})
    for address in (rule.get_absolute_url(), f"/automations/destinations/{destination.pk}/"):
        page.goto(address)
        for name in ("Save", "Delete"):
            button = page.locator("header").get_by_role("button", name=name, exact=True)
            expect(button).to_be_visible()
            box = button.bounding_box()
            assert box
            assert box["width"] < 60  # the icon alone is seen


def test_rules_are_put_in_order_with_the_keyboard_and_by_dragging(
    open_page: Callable[..., Page], alice: User, stages: list[Stage], destination: Destination
) -> None:
    for name in ("First", "Second", "Third"):
        create_rule(fields={"name": name, "stage": stages[1], "destination": destination})

    def saved() -> list[str]:
        return list(Rule.objects.order_by("position").values_list("name", flat=True))

    page = open_page(alice, "/automations/")
    shown = page.locator("[data-order] .row-link")
    grip = page.get_by_role("button", name="Place of First")
    grip.focus()
    page.keyboard.press("ArrowDown")
    expect(shown).to_have_text(["Second", "First", "Third"])
    expect(grip).to_be_focused()
    eventually(lambda: saved() == ["Second", "First", "Third"])

    page.get_by_role("button", name="Place of Third").hover()
    page.mouse.down()
    page.locator("[data-order] > li").first.hover(position={"x": 20, "y": 10})
    page.mouse.up()
    expect(shown).to_have_text(["Third", "Second", "First"])
    eventually(lambda: saved() == ["Third", "Second", "First"])
