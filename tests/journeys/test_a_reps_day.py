"""One day of a rep in a browser: at the desk with the mouse, with the keyboard alone, and on the phone."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from automations.models import Delivery, Destination, Rule
from crm.actors import Actor
from crm.deals import create_deal, move_deal
from crm.models import Activity, Call, Change, Deal, LostReason, Stage, User
from tests.journeys.test_board import card, column, drag, stage_of, stages
from tests.processes import eventually

__all__ = ["stages"]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def rita(transactional_db: None) -> User:
    return User.objects.create_user("rita@example.com", "secret", name="Rita Reis", role=User.Role.REP)


@pytest.fixture
def deals(stages: list[Stage], rita: User) -> dict[str, Deal]:
    """Rita's, from top to bottom of the first stage. A deal that comes to Proposal is sent to the ERP."""
    destination = Destination.objects.create(name="ERP", url="http://127.0.0.1:9/")
    Rule.objects.create(name="To the ERP", stage=stages[1], destination=destination)
    LostReason.objects.create(name="Price")
    values = {"School": 900, "Garage": 700, "Florist": 2000, "Clinic": 1500, "Bakery": 1500}
    return {
        title: create_deal(
            actor=Actor.user(rita), stage=stages[0], title=title, fields={"owner": rita, "value": value}
        )
        for title, value in values.items()
    }


def test_a_day_of_a_rep(
    open_context: Callable[..., BrowserContext],
    rita: User,
    bob: User,
    deals: dict[str, Deal],
    stages: list[Stage],
    violations: Callable[[Page], list[str]],
) -> None:
    page = log_in(open_context().new_page())
    look_for_the_big_ones(page)
    drag_one_on(page, deals["Clinic"], stages[1])
    move_two_together(page, [deals["Bakery"], deals["Florist"]], stages[1])
    lose_one(page, deals["Garage"])
    plan_and_call(page, deals["Clinic"])
    find_one_in_spite_of_a_slip(page, deals["School"])
    see_what_bob_does(page, bob, deals["Bakery"], stages[2])
    work_without_the_mouse(page, deals["School"], stages)
    expect(page.locator(".card.saving")).to_have_count(0)
    assert violations(page) == []

    phone = log_in(open_context(**PHONE).new_page())
    come_too_late(phone, bob, deals["Florist"], stages)
    move_with_a_finger(phone, deals["Clinic"], stages[2])
    expect(phone.locator(".card.saving")).to_have_count(0)
    assert violations(phone) == []


def log_in(page: Page) -> Page:
    page.goto("/login/")
    page.get_by_label("E-mail").fill("rita@example.com")
    page.get_by_label("Password", exact=True).fill("secret")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#board")).to_be_visible()
    page.wait_for_load_state()  # a key pressed before the page's scripts are there is lost
    return page


def look_for_the_big_ones(page: Page) -> None:
    page.keyboard.press("f")
    page.get_by_label("Value from").fill("1000")
    page.get_by_label("Value from").press("Enter")
    expect(page.locator(".card-title")).to_have_text(["Bakery", "Clinic", "Florist"])
    page.get_by_role("link", name="Clear all").click()
    expect(page.locator(".card-title")).to_have_count(5)
    page.wait_for_load_state()


def drag_one_on(page: Page, deal: Deal, to: Stage) -> None:
    drag(page, deal, column(page, to).locator(".cards"))
    expect(page.get_by_role("status")).to_contain_text(f"Moved to {to.name}")
    expect(column(page, to).locator(".card-title")).to_have_text([deal.title])
    expect(column(page, to).locator("[data-count]")).to_have_text("1")
    expect(column(page, to).locator("[data-sums]")).to_have_text("R$1,500")
    eventually(lambda: stage_of(deal) == to.name)
    assert Change.objects.get(field="stage", object_id=deal.pk).actor_name == "Rita Reis"
    assert Delivery.objects.count() == 1


def move_two_together(page: Page, pair: list[Deal], to: Stage) -> None:
    for deal in pair:
        card(page, deal).locator(".card-title").focus()
        page.keyboard.press("x")
    expect(page.get_by_role("toolbar", name="Selected deals")).to_contain_text("2 selected")
    page.get_by_role("toolbar", name="Selected deals").get_by_role("button", name="Move").click()
    dialog = page.get_by_role("dialog", name="2 deals")
    dialog.get_by_label("Stage").select_option(label=to.name)
    expect(dialog).to_contain_text("2 deals, 1 rule: 2 requests will be sent")
    dialog.get_by_role("button", name="Move").click()
    expect(dialog).to_be_hidden()
    expect(column(page, to).locator(".card")).to_have_count(3)
    assert [stage_of(deal) for deal in pair] == [to.name, to.name]
    assert Delivery.objects.count() == 3


def lose_one(page: Page, deal: Deal) -> None:
    card(page, deal).locator(".card-title").focus()
    page.keyboard.press("m")
    page.get_by_role("button", name="Mark as lost").click()
    dialog = page.get_by_role("dialog", name=deal.title)
    dialog.get_by_role("button", name="Mark as lost").click()
    expect(dialog.locator(".error")).to_have_text("This field is required.")
    dialog.get_by_label("Why lost?").select_option(label="Price")
    dialog.get_by_role("button", name="Mark as lost").click()
    expect(card(page, deal)).to_have_count(0)
    assert Deal.objects.get(status="lost") == deal


def plan_and_call(page: Page, deal: Deal) -> None:
    card(page, deal).locator(".card-title").click()
    page.wait_for_url(f"**/deals/{deal.pk}/")
    page.get_by_role("button", name="Plan an activity").click()
    dialog = page.get_by_role("dialog", name="Activity")
    dialog.get_by_label("What is to be done?").fill("Send the offer")
    dialog.get_by_role("button", name="Plan it").click()
    expect(page.get_by_role("region", name="Planned")).to_contain_text("Send the offer")
    assert Activity.objects.get().deal == deal

    page.get_by_role("tab", name="Call").click()
    call = page.get_by_role("tabpanel", name="Call")
    call.get_by_label("Phone").fill("(11) 95550-0100")
    call.get_by_label("Note").fill("Wants it by Friday")
    call.get_by_role("button", name="Write the call down").click()
    expect(page.locator("#deal-story")).to_contain_text("Wants it by Friday")
    assert Call.objects.get().deal == deal


def find_one_in_spite_of_a_slip(page: Page, deal: Deal) -> None:
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search").press_sequentially("schol")
    expect(page.get_by_role("option", name=deal.title)).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/deals/{deal.pk}/")


def see_what_bob_does(page: Page, bob: User, deal: Deal, to: Stage) -> None:
    page.goto("/")
    expect(page.locator("[data-live] .lamp.ok")).to_be_attached()
    with slow_motion(page):  # the name goes when the card has faded in
        move_deal(deal_id=deal.pk, stage=to, actor=Actor.user(bob))
        expect(column(page, to).locator("[data-by='Bob Dias']")).to_contain_text(deal.title)


@contextmanager
def slow_motion(page: Page) -> Iterator[None]:
    session = page.context.new_cdp_session(page)
    session.send("Animation.enable")
    session.send("Animation.setPlaybackRate", {"playbackRate": 0.02})
    yield
    session.send("Animation.setPlaybackRate", {"playbackRate": 1})
    session.detach()


def work_without_the_mouse(page: Page, deal: Deal, stages: list[Stage]) -> None:
    card(page, deal).locator(".card-title").focus()
    spoken = page.locator("#announcer")
    page.keyboard.press(" ")
    expect(spoken).to_have_text(f"Picked up {deal.title}. Stage New, position 1 of 1.")
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    expect(spoken).to_have_text(re.compile(f"{deal.title} moved to Proposal, position [0-9]"))
    eventually(lambda: stage_of(deal) == stages[1].name)
    page.keyboard.press("]")
    expect(column(page, stages[2]).locator(".card-title", has_text=deal.title)).to_be_focused()
    expect(page.get_by_role("status")).to_contain_text("Moved to Closing")
    page.keyboard.press("z")
    expect(column(page, stages[1]).locator(".card-title", has_text=deal.title)).to_be_focused()
    eventually(lambda: stage_of(deal) == stages[1].name)
    page.keyboard.press("n")
    page.get_by_label("Title").fill("Hotel")
    page.keyboard.press("Enter")
    expect(column(page, stages[1]).locator(".card-title").first).to_have_text("Hotel")
    page.keyboard.press("Escape")


def come_too_late(page: Page, bob: User, deal: Deal, stages: list[Stage]) -> None:
    page.context.route("**/live/?*", lambda route: route.abort())  # this board hears nothing in time
    page.goto("/")
    move_deal(deal_id=deal.pk, stage=stages[0], actor=Actor.user(bob))
    move_to(page, deal, stages[2])
    expect(page.get_by_role("alert")).to_have_text(f"Bob Dias moved this deal to “{stages[0].name}” now.")
    expect(column(page, stages[0]).locator(".card-title", has_text=deal.title)).to_have_count(1)
    assert stage_of(deal) == stages[0].name


def move_with_a_finger(page: Page, deal: Deal, to: Stage) -> None:
    move_to(page, deal, to)
    expect(column(page, to).locator(".card-title", has_text=deal.title)).to_have_count(1)
    eventually(lambda: stage_of(deal) == to.name)


def move_to(page: Page, deal: Deal, to: Stage) -> None:
    card(page, deal).get_by_role("button", name=f"Actions for {deal.title}").tap()
    page.get_by_role("dialog", name="Move to…").get_by_role("button", name=to.name).tap()
