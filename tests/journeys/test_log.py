"""A bad day: a receiver breaks, the log shows it, one delivery says why, and what was given up is sent again."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from automations.destinations import create_destination
from automations.models import Delivery
from automations.rules import create_rule
from crm.actors import Actor
from crm.deals import create_deal, move_deal
from crm.models import Deal, Pipeline, Stage, User
from tests.processes import eventually
from tests.receivers import Receiver
from tests.workers import Worker

pytestmark = pytest.mark.timeout(180)
LOG = "/automations/deliveries/"


@pytest.fixture
def stages(alice: User) -> list[Stage]:
    pipeline = Pipeline.objects.create(name="Sales")
    return [
        Stage.objects.create(pipeline=pipeline, name=name, position=n)
        for n, name in enumerate(("New", "Proposal"))
    ]


@pytest.fixture
def moves(alice: User, stages: list[Stage], receiver: Receiver) -> Callable[[str], Deal]:
    """Makes a deal of that title and moves it to where it is told to the ERP: in one attempt, no retries."""
    fields = {"name": "ERP", "url": receiver.url, "retry_schedule": [0]}
    destination = create_destination(fields=fields)
    create_rule(fields={"name": "To the ERP", "stage": stages[1], "destination": destination})
    actor = Actor.user(alice)

    def move(title: str) -> Deal:
        deal = create_deal(actor=actor, stage=stages[0], title=title, fields={})
        move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
        return deal

    return move


def state_of(deal: Deal) -> str:
    return Delivery.objects.get(deal_id=deal.pk).state


def test_a_broken_receiver_is_found_mended_and_sent_to_again(
    open_page: Callable[..., Page],
    alice: User,
    moves: Callable[[str], Deal],
    receiver: Receiver,
    start_worker: Callable[[], Worker],
    violations: Callable[[Page], list[str]],
) -> None:
    start_worker()
    receiver.answer(200)
    well = moves("Well")
    eventually(lambda: state_of(well) == "delivered")

    page = open_page(alice, LOG)
    expect(page.get_by_role("row", name="Well")).to_contain_text("Delivered")
    receiver.answer(503)
    failed = [moves("Bakery"), moves("Florist")]
    page.get_by_role("link", name="2 new").click()
    for deal in failed:  # the page follows what it shows
        expect(page.get_by_role("row", name=deal.title)).to_contain_text("Given up")
    expect(page.locator(".hours svg")).to_be_visible()
    page.get_by_text("Show as table").click()
    page.locator(".hours tbody tr").last.get_by_role("link").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("period=span"))
    assert violations(page) == []

    page.locator("nav").get_by_role("link", name=re.compile("^Given up")).click()
    expect(page.get_by_role("row", name="Well")).to_have_count(0)
    page.get_by_role("row", name="Bakery").locator(".row-link").click()
    why = page.locator("#delivery").get_by_role("status")
    expect(why).to_contain_text("503 Service Unavailable")
    expect(why).to_contain_text("send again what was given up")
    assert violations(page) == []

    receiver.answer(200)
    page.get_by_role("button", name="Send again").click()
    expect(why).to_contain_text("The receiver took it and answered 200 OK.")
    expect(page.get_by_role("button", name="Try now")).to_have_count(0)  # the verbs follow too
    expect(page.locator(".timeline > li")).to_have_count(2)

    page.goto(f"{LOG}?state=failed")
    page.get_by_label("Select “Florist”").check()
    page.get_by_role("toolbar").get_by_role("button", name="Send again").click()
    expect(page.get_by_text("1 delivery is sent again.")).to_be_visible()
    page.get_by_role("button", name="Send again").click()
    expect(page.locator("#job")).to_contain_text("1 of 1 are on their way again.")
    eventually(lambda: [state_of(deal) for deal in failed] == ["delivered", "delivered"])
