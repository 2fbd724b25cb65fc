"""The rules under the stages they act in, and as a list: how they fared, their order, copies, their switch."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automations.models import Delivery, Destination, Event, Rule, RuleDay
from automations.retention import cut
from automations.rules import create_rule, delete_rule
from automations.starters import STARTERS
from crm.actors import Actor
from crm.deals import move_deal
from crm.models import Deal, Pipeline, Stage, User
from tests.processes import eventually
from tests.receivers import Receiver

PAGE = "/automations/"


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def make(destination: Destination, name: str, **fields: Any) -> Rule:
    return create_rule(fields={"name": name, "destination": destination, **fields})


def names(groups: list[Any]) -> list[list[str]]:
    return [[line.rule.name for line in group.lines] for group in groups]


def test_rules_stand_under_the_stage_they_act_in(
    browser: Client, rule: Rule, stages: list[Stage], destination: Destination
) -> None:
    other = Pipeline.objects.create(name="After sales", position=9)
    make(destination, "Leaves New", from_stage=stages[0])
    make(destination, "Anywhere", event=Event.DEAL_WON)
    make(destination, "Elsewhere", event=Event.DEAL_WON, pipeline=other)
    delete_rule(rule_id=make(destination, "Gone", stage=stages[0]).pk)
    page = browser.get(PAGE)
    assert [column.stage for column in page.context["columns"]] == [None, *stages]
    assert names(page.context["columns"])[:3] == [["Anywhere"], ["Leaves New"], ["To the ERP"]]
    assert f"?pipeline={stages[0].pipeline_id}&amp;stage={stages[0].pk}" in page.content.decode()
    shown = browser.get(f"{PAGE}?pipeline={other.pk}").context["columns"]
    assert names(shown) == [["Anywhere", "Elsewhere"]]


def test_the_page_asks_as_much_for_twenty_rules_as_for_one(
    browser: Client, rule: Rule, stages: list[Stage], destination: Destination
) -> None:
    for path in (PAGE, f"{PAGE}?view=list"):
        with CaptureQueriesContext(connection) as few:
            browser.get(path)
        made = [make(destination, f"{n}", stage=stages[n % 2]) for n in range(20)]
        with CaptureQueriesContext(connection) as many:
            browser.get(path)
        assert len(many) == len(few)
        Rule.objects.filter(pk__in=[each.pk for each in made]).delete()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=erp", ["To the ERP"]),
        ("q=example.org", ["Chat"]),
        ("state=on", ["To the ERP"]),
        ("state=paused", ["Chat"]),
        ("state=trouble", ["Chat"]),
        ("event=deal.won", ["Chat"]),
        ("state=nonsense&destination=x", ["To the ERP", "Chat"]),
        ("q=nothing", []),
    ],
)
def test_the_list_is_narrowed_by_its_address(
    browser: Client, rule: Rule, alice: User, query: str, found: list[str]
) -> None:
    chat = Destination.objects.create(
        name="Chat", url="https://example.org/", status="paused", secret="whsec_"
    )
    make(chat, "Chat", event=Event.DEAL_WON, enabled=False)
    groups = browser.get(f"{PAGE}?view=list&{query}").context["groups"]
    assert [name for several in names(groups) for name in several] == found


def test_the_list_of_one_stage_has_what_enters_it_and_what_leaves_it(
    browser: Client, rule: Rule, stages: list[Stage], destination: Destination
) -> None:
    make(destination, "Leaves", from_stage=stages[1])
    assert names(browser.get(f"{PAGE}?stage={stages[1].pk}").context["groups"]) == [["To the ERP", "Leaves"]]
    assert names(browser.get(f"{PAGE}?stage={stages[2].pk}").context["groups"]) == []


def test_what_a_rule_sent_is_counted_as_it_ends_and_shown(
    client: Client,
    sending: Callable[[], None],
    rule: Rule,
    deal: Deal,
    stages: list[Stage],
    actor: Actor,
    receiver: Receiver,
) -> None:
    """Taken once; given up once, after three attempts that count as one delivery."""
    sending()
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    eventually(lambda: Delivery.objects.filter(state="delivered").count() == 1)
    receiver.answer(500, 500, 500)
    move_deal(deal_id=deal.pk, stage=stages[0], actor=actor)
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    eventually(lambda: Delivery.objects.filter(state="failed").count() == 1, seconds=30)
    assert [(day.rule, day.delivered, day.failed) for day in RuleDay.objects.all()] == [(rule, 1, 1)]
    client.force_login(User.objects.get(email="alice@example.com"))
    (line,) = browser_lines(client, stages[1])
    assert (line.taken, line.is_bad, line.rule.last_state) == ("50 %", True, "failed")


def browser_lines(client: Client, stage: Stage) -> list[Any]:
    columns = client.get(PAGE).context["columns"]
    return next(list(column.lines) for column in columns if column.stage == stage)


def test_only_the_last_30_days_are_added_up_and_old_days_go(
    browser: Client, rule: Rule, stages: list[Stage]
) -> None:
    today = timezone.now().date()
    for days, delivered, failed in ((0, 2, 0), (29, 1, 0), (31, 0, 7), (200, 0, 1)):
        day = today - timedelta(days=days)
        RuleDay.objects.create(rule=rule, day=day, delivered=delivered, failed=failed)
    assert [line.taken for line in browser_lines(browser, stages[1])] == ["100 %"]
    cut(now=timezone.now())
    assert RuleDay.objects.count() == 3


def test_a_rule_is_switched_off_and_on(browser: Client, rule: Rule) -> None:
    url = f"/automations/rules/{rule.pk}/toggle/"
    assert 'class="off"' in browser.post(url).content.decode()
    assert not Rule.objects.get().enabled
    card = browser.post(f"{url}?card", {"enabled": "1"}).content.decode()
    assert '<li class="rule-card"' in card
    assert Rule.objects.get().enabled
    assert browser.post("/automations/rules/999/toggle/").status_code == 404


def test_a_rule_that_makes_no_sense_any_more_can_be_switched_off_and_not_on(
    browser: Client, rule: Rule
) -> None:
    Rule.objects.update(payload={"mode": "custom", "expression": "{"})
    url = f"/automations/rules/{rule.pk}/toggle/"
    browser.post(url)
    assert not Rule.objects.get().enabled
    answer = browser.post(url, {"enabled": "1"})
    assert "at character" in answer["HX-Trigger"]
    assert not Rule.objects.get().enabled


def test_a_copy_is_all_the_same_but_switched_off(browser: Client, rule: Rule, alice: User) -> None:
    Rule.objects.update(delay_seconds=60, conditions={"rows": []}, name="N" * 120)
    answer = browser.post(f"/automations/rules/{rule.pk}/copy/")
    copy = Rule.objects.exclude(pk=rule.pk).get()
    assert answer["Location"] == copy.get_absolute_url()
    assert copy.name == f"Copy of {'N' * 111}…"
    assert (copy.enabled, copy.position, copy.created_by) == (False, 1, alice)
    assert (copy.stage, copy.destination, copy.delay_seconds) == (rule.stage, rule.destination, 60)


def test_some_are_put_in_order_and_the_others_keep_their_places(
    browser: Client, rule: Rule, destination: Destination
) -> None:
    made = [make(destination, name, event=Event.DEAL_WON) for name in "abc"]
    gone = make(destination, "Gone")
    delete_rule(rule_id=gone.pk)
    Rule.objects.filter(name__in="ab").update(position=1)
    asked = {"id": [made[2].pk, made[0].pk, made[2].pk, gone.pk, 999, "x"]}
    assert browser.post("/automations/rules/order/", asked).status_code == 204
    shown = Rule.objects.present().order_by("position")
    assert list(shown.values_list("name", "position")) == [("To the ERP", 0), ("c", 1), ("b", 2), ("a", 3)]


@pytest.mark.parametrize("path", ["copy/", "toggle/", "../order/"])
def test_only_administrators_order_copy_and_switch(client: Client, rule: Rule, path: str) -> None:
    client.force_login(User.objects.create_user("bob@example.com", name="Bob", role=User.Role.MANAGER))
    url = "/automations/rules/order/" if path.startswith("..") else f"/automations/rules/{rule.pk}/{path}"
    before = list(Rule.objects.values())
    assert client.post(url, {"id": rule.pk}).status_code == 403
    assert list(Rule.objects.values()) == before


@pytest.mark.parametrize("starter", STARTERS, ids=lambda starter: starter.key)
def test_a_template_fills_the_form_in_so_that_it_can_be_saved(
    browser: Client, destination: Destination, deal: Deal, starter: Any
) -> None:
    new = f"/automations/rules/new/?starter={starter.key}&pipeline={deal.pipeline_id}"
    form = browser.get(new).context["form"]
    given = {name: form[name].value() for name in form.fields}
    posted = {name: getattr(value, "pk", value) for name, value in given.items() if value not in (None, "")}
    assert browser.post(new, posted).status_code == 302
    rule = Rule.objects.get()
    assert (rule.event, rule.pipeline, rule.destination) == (starter.event, deal.pipeline, destination)
    assert rule.payload == {"mode": "custom", "expression": starter.expression}
