"""A rep's day with activities, in a browser: plan, tick, take back, put off, drag, and what is overdue."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from crm.activities import create_activity
from crm.actors import Actor
from crm.agenda import midnight
from crm.deals import create_deal
from crm.models import Activity, Deal, Pipeline, Stage, User
from tests.processes import eventually

OpenPage = Callable[..., Page]


@pytest.fixture
def deal(alice: User) -> Deal:
    stage = Stage.objects.create(pipeline=Pipeline.objects.create(name="Sales"), name="New", position=0)
    return create_deal(actor=Actor.user(alice), stage=stage, title="Oven", fields={"owner": alice})


def plan(deal: Deal, subject: str, due_at: datetime) -> Activity:
    fields = {"deal": deal, "subject": subject, "due_at": due_at, "assignee": deal.owner}
    return create_activity(fields=fields, actor=Actor.system())


def row(page: Page, text: str) -> Locator:
    return page.locator(".act").filter(has_text=text)


def hold_toast(page: Page, text: str) -> None:
    """Keep a toast for as long as the pointer rests on it, however slow the machine is."""
    toast = page.locator(".toast").filter(has_text=text)
    expect(toast.get_by_role("button", name="Undo")).to_be_visible()
    toast.hover()


def due_on(activity: Activity) -> str:
    due_at = Activity.objects.values_list("due_at", flat=True).get(pk=activity.pk)
    return str(timezone.localdate(due_at))


def drag(page: Page, item: Locator, to: Locator) -> None:
    begin, end = item.bounding_box(), to.bounding_box()
    assert begin
    assert end
    page.mouse.move(begin["x"] + 20, begin["y"] + 8)
    page.mouse.down()
    page.mouse.move(end["x"] + 40, end["y"] + 40, steps=6)
    page.mouse.up()


def test_a_day_is_planned_ticked_off_put_off_and_dragged(
    open_page: OpenPage, alice: User, deal: Deal, violations: Callable[[Page], list[str]]
) -> None:
    today = timezone.localdate()
    late = plan(deal, "Send the offer", midnight(today) - timedelta(hours=10))
    page = open_page(alice, "/activities/")
    overdue = page.locator(".side .nav-link .count")
    expect(overdue).to_contain_text("1")
    expect(page.get_by_role("region", name="Overdue")).to_contain_text("Send the offer")

    page.keyboard.press("n")
    dialog = page.get_by_role("dialog", name="Activity")
    dialog.get_by_label("What is to be done?").fill("Call the baker")
    dialog.get_by_role("button", name="Plan it").click()
    expect(dialog.locator("#activity-about-error")).to_have_text("Choose a deal or a contact from the list.")
    dialog.get_by_label("Deal or contact").press_sequentially("ove")
    expect(dialog.get_by_role("option", name="Oven")).to_be_visible()
    dialog.get_by_label("Deal or contact").press("Enter")
    dialog.get_by_label("Day").fill((today + timedelta(days=1)).isoformat())
    assert violations(page) == []
    dialog.get_by_role("button", name="Plan it").click()
    expect(dialog).to_be_hidden()
    expect(row(page, "Call the baker")).to_contain_text("tomorrow")

    row(page, "Send the offer").get_by_role("button", name="Mark “Send the offer” as done").click()
    hold_toast(page, "Done: Send the offer")
    expect(page.get_by_role("region", name="Done today")).to_contain_text("Send the offer")
    expect(overdue).to_be_hidden()
    page.keyboard.press("z")
    expect(page.get_by_role("region", name="Overdue")).to_contain_text("Send the offer")
    expect(overdue).to_contain_text("1")
    assert Activity.objects.get(pk=late.pk).done_at is None

    row(page, "Send the offer").get_by_label("Put off or change “Send the offer”").click()
    row(page, "Send the offer").get_by_role("button", name="Tomorrow").click()
    hold_toast(page, "Send the offer: tomorrow")
    expect(row(page, "Send the offer")).to_contain_text("tomorrow")
    page.keyboard.press("z")
    expect(page.get_by_role("region", name="Overdue")).to_contain_text("Send the offer")
    drag_to_another_day(page, late, today=today)
    assert violations(page) == []


def drag_to_another_day(page: Page, late: Activity, *, today: date) -> None:
    """In the calendar, with the mouse; then back to today with the keyboard."""
    dialog = page.get_by_role("dialog", name="Activity")
    page.goto(f"/activities/calendar/?on={today - timedelta(days=1)}&span=week")
    item = page.locator(".cal-item").filter(has_text="Send the offer")
    days = page.locator(".cal-day")
    is_last = "Send the offer" in days.first.inner_text()
    there = days.last if is_last else days.first
    day = there.get_attribute("data-day")
    drag(page, item, there)
    hold_toast(page, "Send the offer: ")
    eventually(lambda: due_on(late) == day)
    expect(page.locator(f"[data-day='{day}'] .cal-item")).to_contain_text("Send the offer")

    there.focus()
    page.keyboard.press("ArrowLeft" if is_last else "ArrowRight")
    expect(days.nth(5 if is_last else 1)).to_be_focused()
    item.locator(".cal-open").focus()
    page.keyboard.press("m")
    dialog.get_by_label("Another day").fill(today.isoformat())
    dialog.get_by_role("button", name="Move", exact=True).click()
    eventually(lambda: due_on(late) == str(today))


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_the_pages_of_activities_are_accessible(
    open_page: OpenPage,
    alice: User,
    deal: Deal,
    violations: Callable[[Page], list[str]],
    scheme: str,
    width: int,
) -> None:
    now = timezone.now()
    for subject, due_at in (("Late", now - timedelta(days=1)), ("Soon", now + timedelta(hours=1))):
        plan(deal, subject, due_at)
    page = open_page(alice, "/activities/", color_scheme=scheme, viewport={"width": width, "height": 800})
    assert violations(page) == []
    page.goto("/activities/calendar/?span=week" if width == 390 else "/activities/calendar/")
    assert violations(page) == []
    if width == 390:
        for button in page.locator(".cal-open:visible, .cal-move:visible, .phone-tabs > *").all():
            box = button.bounding_box()
            assert box
            assert box["height"] >= 44
