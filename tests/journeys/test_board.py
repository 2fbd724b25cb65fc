"""The board in a browser: every way to move a card, and what others see of it."""

import time
from collections.abc import Callable
from re import sub

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from automations.deliveries import resend_delivery
from automations.models import Delivery, Destination, Rule
from crm.actors import Actor
from crm.deals import create_deal, move_deal
from crm.models import Change, Company, Deal, Pipeline, Stage, User
from tests.automations.conftest import sending
from tests.processes import eventually
from tests.receivers import Receiver, status

__all__ = ["sending"]
OpenPage = Callable[..., Page]


@pytest.fixture
def stages(transactional_db: None) -> list[Stage]:
    pipeline = Pipeline.objects.create(name="Sales")
    names = ("New", "Proposal", "Closing")
    return [
        Stage.objects.create(
            pipeline=pipeline, name=name, position=place, hue=place + 1, probability=place * 30
        )
        for place, name in enumerate(names)
    ]


@pytest.fixture
def deals(stages: list[Stage], alice: User) -> dict[str, Deal]:
    """Bakery, Clinic and School, from top to bottom of the first stage."""
    titles = ("School", "Clinic", "Bakery")
    fields = {"owner": alice, "value": 1500}
    return {
        title: create_deal(actor=Actor.user(alice), stage=stages[0], title=title, fields=fields)
        for title in titles
    }


def card(page: Page, deal: Deal) -> Locator:
    return page.locator(f"[data-deal-id='{deal.pk}']")


def column(page: Page, stage: Stage) -> Locator:
    return page.locator(f"[data-stage-id='{stage.pk}']")


def titles(page: Page, stage: Stage) -> list[str]:
    return column(page, stage).locator(".card-title").all_text_contents()


def stage_of(deal: Deal) -> str:
    return Deal.objects.select_related("stage").get(pk=deal.pk).stage.name


def middle(of: Locator) -> tuple[float, float]:
    box = of.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + min(box["height"], 200) / 2


def lift(page: Page, deal: Deal, x: float, y: float) -> None:
    """Take a card with the mouse and hold it there."""
    page.mouse.move(*middle(card(page, deal)))
    page.mouse.down()
    page.mouse.move(x, y, steps=6)


def drag(page: Page, deal: Deal, to: Locator) -> None:
    lift(page, deal, *middle(to))
    page.mouse.up()


class Finger:
    """A finger on a touch screen."""

    def __init__(self, page: Page) -> None:
        self.session = page.context.new_cdp_session(page)

    def down(self, x: float, y: float) -> None:
        self._send("touchStart", x, y)

    def move(self, x: float, y: float) -> None:
        self._send("touchMove", x, y)

    def up(self) -> None:
        self.session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def _send(self, kind: str, x: float, y: float) -> None:
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})


def test_a_card_dragged_within_its_column_keeps_its_new_place(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    below_school = card(page, deals["School"]).bounding_box()
    assert below_school
    lift(page, deals["Bakery"], below_school["x"] + 60, below_school["y"] + below_school["height"])
    page.mouse.up()
    expect(column(page, stages[0]).locator(".card-title")).to_have_text(["Clinic", "School", "Bakery"])
    eventually(lambda: Deal.objects.get(pk=deals["Bakery"].pk).version == 2)
    page.reload()
    assert titles(page, stages[0]) == ["Clinic", "School", "Bakery"]


def test_escape_ends_a_drag_and_nothing_is_saved(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    lift(page, deals["Clinic"], *middle(column(page, stages[1])))
    expect(column(page, stages[1]).locator(".slot")).to_be_visible()
    page.keyboard.press("Escape")
    page.mouse.up()
    assert titles(page, stages[0]) == ["Bakery", "Clinic", "School"]
    assert Deal.objects.get(pk=deals["Clinic"].pk).version == 1


def test_a_finger_that_rests_on_a_card_drags_it_and_a_swipe_does_not(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/", has_touch=True)
    start, goal = middle(card(page, deals["Clinic"])), middle(column(page, stages[1]))
    finger = Finger(page)
    finger.down(*start)
    finger.move(start[0], start[1] - 40)
    finger.up()
    assert page.locator(".carried").count() == 0
    finger.down(*start)
    expect(page.locator(".carried")).to_be_visible()
    finger.move(*goal)
    finger.up()
    expect(column(page, stages[1]).locator(".card-title")).to_have_text(["Clinic"])
    eventually(lambda: stage_of(deals["Clinic"]) == "Proposal")


def test_the_move_dialog_moves_a_card_by_its_digit_and_z_takes_it_back(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    card(page, deals["Bakery"]).locator(".card-title").focus()
    page.keyboard.press("m")
    expect(page.get_by_role("dialog", name="Move to…")).to_be_visible()
    page.keyboard.press("3")
    expect(column(page, stages[2]).locator(".card-title")).to_have_text(["Bakery"])
    expect(page.get_by_role("status")).to_contain_text("Moved to Closing")
    page.keyboard.press("z")
    expect(column(page, stages[0]).locator(".card-title")).to_have_text(["Bakery", "Clinic", "School"])
    eventually(lambda: stage_of(deals["Bakery"]) == "New")


def test_the_menu_of_a_card_runs_a_rule_with_the_keyboard_alone_and_stays_on_the_board(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    destination = Destination.objects.create(name="Sign", url="http://127.0.0.1:9/sign")
    rule = Rule.objects.create(name="Draw up the contract", event="deal.manual", destination=destination)
    page = open_page(alice, "/")
    card(page, deals["Clinic"]).locator(".card-title").focus()
    page.keyboard.press("m")
    menu = page.get_by_role("dialog", name="Move to…")
    expect(menu.get_by_role("button", name="Draw up the contract")).to_be_visible()
    page.keyboard.press("ArrowUp")  # from the first stage round to the last entry
    expect(menu.get_by_role("button", name="Draw up the contract")).to_be_focused()
    page.keyboard.press("Enter")
    expect(menu).to_be_hidden()
    expect(page.get_by_role("status")).to_contain_text("“Draw up the contract”: Waiting")
    assert list(Delivery.objects.values_list("rule", "deal")) == [(rule.pk, deals["Clinic"].pk)]
    expect(card(page, deals["Clinic"]).locator(".bolt")).to_be_visible()
    page.keyboard.press("m")
    expect(menu.get_by_role("button", name="Draw up the contract")).to_be_visible()


def test_the_bolts_of_card_and_column_follow_what_becomes_of_the_request(
    open_page: OpenPage,
    alice: User,
    deals: dict[str, Deal],
    stages: list[Stage],
    receiver: Receiver,
    sending: Callable[..., None],
) -> None:
    receiver.answer(status(503), status(200))
    destination = Destination.objects.create(name="ERP", url=receiver.url, retry_schedule=[0, 3600])
    Rule.objects.create(name="To the ERP", stage=stages[1], destination=destination)
    page = open_page(alice, "/")
    sending()
    move_deal(deal_id=deals["Bakery"].pk, stage=stages[1], actor=Actor.system())
    bolt, of_column = card(page, deals["Bakery"]).locator(".bolt"), column(page, stages[1]).locator(".rules")
    expect(bolt).to_have_class("bolt warn")
    expect(of_column).to_have_class("rules warn")
    resend_delivery(delivery_id=Delivery.objects.get().pk)
    expect(bolt).to_have_class("bolt ok")
    expect(of_column).to_have_class("rules neutral")


def test_the_keyboard_alone_picks_up_carries_and_drops_a_card_and_says_so(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    card(page, deals["Bakery"]).locator(".card-title").focus()
    spoken = page.locator("#announcer")
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    expect(spoken).to_have_text("Picked up Clinic. Stage New, position 2 of 3.")
    page.keyboard.press("ArrowRight")
    expect(spoken).to_have_text("Clinic: stage Proposal, position 1 of 1.")
    page.keyboard.press(" ")
    expect(spoken).to_have_text("Clinic moved to Proposal, position 1.")
    eventually(lambda: stage_of(deals["Clinic"]) == "Proposal")
    expect(card(page, deals["Clinic"]).locator(".card-title")).to_be_focused()
    page.keyboard.press("]")
    expect(column(page, stages[2]).locator(".card-title")).to_have_text(["Clinic"])
    eventually(lambda: stage_of(deals["Clinic"]) == "Closing")


def test_escape_puts_a_carried_card_back(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    card(page, deals["School"]).locator(".card-title").focus()
    for key in (" ", "ArrowRight", "ArrowUp", "Escape"):
        page.keyboard.press(key)
    assert titles(page, stages[0]) == ["Bakery", "Clinic", "School"]
    expect(card(page, deals["School"]).locator(".card-title")).to_be_focused()
    assert Deal.objects.get(pk=deals["School"].pk).version == 1


def test_the_move_of_another_appears_without_a_reload(
    open_page: OpenPage, alice: User, bob: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page, others = open_page(alice, "/"), open_page(bob, "/")
    for each in (page, others):
        expect(each.locator("[data-live] .lamp.ok")).to_be_attached()
    drag(others, deals["School"], column(others, stages[2]).locator(".cards"))
    expect(column(page, stages[2]).locator(".card-title")).to_have_text(["School"])
    expect(column(page, stages[0]).locator("[data-count]")).to_have_text("2")


def test_what_others_do_waits_while_a_card_is_in_the_hand(
    open_page: OpenPage, alice: User, bob: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    lift(page, deals["Clinic"], *middle(column(page, stages[1])))
    page.evaluate(
        """() => new Promise(listening => {
            window.heard = new EventSource(document.getElementById("board").dataset.liveUrl);
            heard.addEventListener("hello", listening);
            heard.addEventListener("touched", () => { document.title = "touched"; });
        })"""
    )
    move_deal(deal_id=deals["School"].pk, stage=stages[2], actor=Actor.user(bob))
    expect(page).to_have_title("touched")
    assert titles(page, stages[2]) == []
    page.mouse.up()
    expect(column(page, stages[1]).locator(".card-title")).to_have_text(["Clinic"])
    expect(column(page, stages[2]).locator(".card-title")).to_have_text(["School"])


def test_a_hidden_tab_catches_up_when_it_is_shown_again(
    open_page: OpenPage, alice: User, bob: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    show = """hidden => {
        Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(show, True)
    move_deal(deal_id=deals["School"].pk, stage=stages[2], actor=Actor.user(bob))
    page.evaluate(show, False)
    expect(column(page, stages[2]).locator(".card-title")).to_have_text(["School"])


def test_without_a_stream_the_board_looks_again_every_10_seconds(
    open_page: OpenPage, alice: User, bob: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/login/")
    page.clock.install()
    page.context.route("**/live/?*", lambda route: route.abort())
    page.goto("/")
    page.clock.run_for(6_000)
    expect(page.locator("[data-live]")).to_have_text("Every 10 s")
    move_deal(deal_id=deals["School"].pk, stage=stages[2], actor=Actor.user(bob))
    page.clock.run_for(11_000)
    expect(column(page, stages[2]).locator(".card-title")).to_have_text(["School"])


def test_a_move_that_does_not_reach_the_server_is_kept_until_it_does(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    page.context.set_offline(True)
    drag(page, deals["Clinic"], column(page, stages[1]).locator(".cards"))
    expect(page.get_by_role("alert")).to_contain_text("The move is kept")
    assert titles(page, stages[1]) == ["Clinic"]
    assert stage_of(deals["Clinic"]) == "New"
    page.context.set_offline(False)
    eventually(lambda: stage_of(deals["Clinic"]) == "Proposal")
    expect(column(page, stages[1]).locator(".card.saving")).to_have_count(0)
    assert titles(page, stages[1]) == ["Clinic"]


def test_a_move_whose_answer_was_lost_counts_once(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    page.context.route("**/move/", lambda route: (route.fetch(), route.abort()), times=1)
    drag(page, deals["Clinic"], column(page, stages[1]).locator(".cards"))
    expect(page.get_by_role("alert")).to_contain_text("The move is kept")
    expect(page.get_by_role("status")).to_contain_text("Moved to Proposal")
    assert titles(page, stages[1]) == ["Clinic"]
    assert Change.objects.filter(field="stage").count() == 1


def test_a_move_that_the_server_fails_at_goes_back(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    page.context.route("**/move/**", lambda route: route.fulfill(status=500))
    drag(page, deals["Clinic"], column(page, stages[1]).locator(".cards"))
    expect(page.get_by_role("alert")).to_contain_text("Not saved")
    assert titles(page, stages[0]) == ["Bakery", "Clinic", "School"]
    expect(column(page, stages[1]).locator("[data-count]")).to_have_text("0")


def test_a_move_that_is_undone_leaves_the_deal_as_it_was(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    drag(page, deals["Clinic"], column(page, stages[1]).locator(".cards"))
    page.get_by_role("button", name="Undo").click()
    expect(column(page, stages[0]).locator(".card-title")).to_have_text(["Bakery", "Clinic", "School"])
    eventually(lambda: stage_of(deals["Clinic"]) == "New")
    now = Deal.objects.get(pk=deals["Clinic"].pk)
    assert now.stage_entered_at == deals["Clinic"].stage_entered_at


def test_an_answer_that_comes_late_does_not_take_away_the_name_of_who_moved_last(
    open_page: OpenPage, alice: User, bob: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    expect(open_page(bob, "/").locator("[data-live] .lamp.ok")).to_be_attached()
    held: list[Route] = []
    before = time.time()

    def hold(route: Route) -> None:
        held.append(route)

    page = open_page(alice, "/profile/")
    page.route("**/touched/**", hold)
    page.route(
        "**/live/**",
        lambda route: route.continue_(url=sub("since=[0-9.]+", f"since={before}", route.request.url)),
    )
    move_deal(deal_id=deals["School"].pk, stage=stages[1], actor=Actor.user(alice))
    with page.expect_request("**/touched/**"):
        page.goto("/")
    move_deal(deal_id=deals["School"].pk, stage=stages[2], actor=Actor.user(bob))
    moved = card(page, deals["School"])
    expect(moved).to_have_attribute("data-by", "Bob Dias")
    with page.expect_response("**/touched/**"):
        held[0].continue_()
    page.wait_for_timeout(100)
    assert moved.get_attribute("data-by") != "Alice Reis"


def test_cards_are_chosen_and_moved_together_with_the_keyboard_alone(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    destination = Destination.objects.create(name="ERP", url="http://127.0.0.1:9/")
    Rule.objects.create(name="To the ERP", stage=stages[1], destination=destination)
    page = open_page(alice, "/")
    card(page, deals["Bakery"]).locator(".card-title").focus()
    page.keyboard.press("x")
    expect(page.locator("#announcer")).to_have_text("Bakery selected. 1 selected.")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("x")
    expect(page.get_by_role("toolbar", name="Selected deals")).to_contain_text("2 selected")
    page.keyboard.press("m")
    dialog = page.get_by_role("dialog", name="2 deals")
    expect(dialog.get_by_label("Stage")).to_be_focused()
    dialog.get_by_label("Stage").select_option(label="Proposal")
    expect(dialog).to_contain_text("2 deals, 1 rule: 2 requests will be sent")
    assert Delivery.objects.count() == 0
    dialog.get_by_role("button", name="Move").press("Enter")
    expect(dialog).to_be_hidden()
    expect(column(page, stages[1]).locator(".card-title")).to_have_text(["Clinic", "Bakery"])
    assert Delivery.objects.count() == 2
    expect(page.get_by_role("toolbar", name="Selected deals")).to_be_hidden()
    page.keyboard.press("z")
    expect(column(page, stages[0]).locator(".card")).to_have_count(3)
    eventually(lambda: Deal.objects.filter(stage=stages[0]).count() == 3)


def test_a_whole_column_is_chosen_and_escape_lets_go(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    page.get_by_label("Menu of New").click()
    page.get_by_role("button", name="Select all").click()
    expect(page.locator(".card.chosen")).to_have_count(3)
    card(page, deals["Clinic"]).click()
    expect(page.locator(".card.chosen")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator(".card.chosen")).to_have_count(0)


def test_a_stage_asks_for_what_is_missing_and_takes_the_card_then(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    Stage.objects.filter(pk=stages[1].pk).update(required_fields=["company", "value"])
    page = open_page(alice, "/")
    drag(page, deals["Clinic"], column(page, stages[1]).locator(".cards"))
    dialog = page.get_by_role("dialog", name="Proposal needs more of “Clinic”")
    expect(dialog.get_by_label("Company")).to_be_focused()
    expect(dialog.get_by_label("Value")).to_have_count(0)
    assert titles(page, stages[1]) == []
    dialog.get_by_label("Company").fill("Good Bread")
    dialog.get_by_label("Company").press("Enter")
    expect(column(page, stages[1]).locator(".card-title")).to_have_text(["Clinic"])
    expect(column(page, stages[1]).locator(".card-company")).to_have_text("Good Bread")
    eventually(lambda: stage_of(deals["Clinic"]) == "Proposal")


def test_deals_are_made_on_top_of_a_column_one_after_the_other(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    page.keyboard.press("n")
    title = page.get_by_label("Title")
    expect(title).to_be_focused()
    title.fill("Florist")
    page.get_by_label("Value").fill("1,200.50")
    page.keyboard.press("Enter")
    expect(column(page, stages[0]).locator(".card-title")).to_have_text(
        ["Florist", "Bakery", "Clinic", "School"]
    )
    expect(title).to_have_value("")
    expect(title).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".quick .error")).to_have_text("This field is required.")
    page.keyboard.press("Escape")
    expect(page.locator(".quick")).to_have_count(0)
    assert str(Deal.objects.get(title="Florist").value) == "1200.50"


def test_companies_are_offered_while_one_is_typed(
    open_page: OpenPage, alice: User, deals: dict[str, Deal]
) -> None:
    Company.objects.create(name="Good Bread")
    page = open_page(alice, "/")
    page.get_by_role("button", name="New deal", exact=True).click()
    expect(page.get_by_label("Title")).to_be_focused()
    page.get_by_label("Company").press_sequentially("bread")
    expect(page.locator("#company-names option")).to_have_attribute("value", "Good Bread")
    expect(page.get_by_label("Company")).to_be_focused()


def test_a_folded_column_stays_folded_and_still_takes_a_card(
    open_page: OpenPage, alice: User, deals: dict[str, Deal], stages: list[Stage]
) -> None:
    page = open_page(alice, "/")
    page.get_by_label("Menu of Proposal").click()
    page.get_by_role("button", name="Fold", exact=True).click()
    page.reload()
    expect(column(page, stages[1]).locator(".cards")).to_be_hidden()
    drag(page, deals["Clinic"], column(page, stages[1]))
    eventually(lambda: stage_of(deals["Clinic"]) == "Proposal")
    column(page, stages[1]).click()
    expect(column(page, stages[1]).locator(".card-title")).to_have_text(["Clinic"])


def test_a_long_column_reads_on_while_it_is_scrolled(
    open_page: OpenPage, alice: User, stages: list[Stage]
) -> None:
    for number in range(60):
        create_deal(actor=Actor.user(alice), stage=stages[0], title=f"Deal {number}")
    page = open_page(alice, "/")
    assert len(titles(page, stages[0])) == 25
    for expected in (50, 60):
        column(page, stages[0]).locator(".more").scroll_into_view_if_needed()
        expect(column(page, stages[0]).locator(".card")).to_have_count(expected)
    assert titles(page, stages[0]) == [f"Deal {number}" for number in reversed(range(60))]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_board_is_accessible(
    open_page: OpenPage,
    alice: User,
    deals: dict[str, Deal],
    violations: Callable[[Page], list[str]],
    scheme: str,
) -> None:
    page = open_page(alice, "/", color_scheme=scheme)
    assert violations(page) == []
    card(page, deals["Bakery"]).locator(".card-title").focus()
    page.keyboard.press("m")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    assert violations(page) == []
    page.get_by_role("toolbar", name="Selected deals").get_by_role("button", name="Won").click()
    expect(page.get_by_role("dialog", name="Bakery")).to_be_visible()
    assert violations(page) == []
