import html
import json
import re

import pytest
from django.test import Client
from django.utils import timezone

from automations.hours import BOUNDS
from automations.models import Delivery, Destination, HourTally, Rule, RuleChange
from automations.rules import CHANGING
from automations.samples import sample
from automations.views.document import lines_of
from crm import expressions
from crm.actors import Actor
from crm.deals import move_deal
from crm.models import CustomField, Deal, Pipeline, Stage, User
from tests.receivers import Receiver

NEW = "/automations/rules/new/"


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def form(rule: Rule, **changes: object) -> dict[str, object]:
    values = {
        "name": rule.name,
        "event": rule.event,
        "pipeline": "",
        "stage": rule.stage_id or "",
        "from_stage": "",
        "destination": rule.destination_id,
    }
    return {**values, **changes}


def test_without_rules_the_page_says_what_they_are_for(browser: Client) -> None:
    assert "Make the first rule" in browser.get("/automations/?view=list").content.decode()


def test_a_link_from_the_board_fills_the_form_in(
    browser: Client, destination: Destination, stages: list[Stage]
) -> None:
    page = browser.get(f"{NEW}?stage={stages[1].pk}&event=deal.stage_changed")
    initial = page.context["form"].initial
    assert (initial["stage"], initial["pipeline"]) == (stages[1], stages[1].pipeline)
    assert initial["name"] == "When a deal enters Proposal"
    assert initial["destination"] == destination


@pytest.mark.parametrize("query", ["?stage=x&event=y", "?stage=999999", "?pipeline=-1"])
def test_a_broken_link_gives_an_empty_form(browser: Client, query: str) -> None:
    page = browser.get(NEW + query)
    assert page.status_code == 200
    assert page.context["form"].initial["stage"] is None


def test_a_rule_is_made_with_a_new_destination(
    browser: Client, stages: list[Stage], alice: User, receiver: Receiver
) -> None:
    asked = {"name": "To the ERP", "event": "deal.stage_changed", "stage": stages[1].pk}
    answer = browser.post(NEW, {**asked, "new_name": "ERP", "new_url": receiver.url})
    rule = Rule.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/automations/rules/{rule.pk}/")
    assert (rule.stage, rule.created_by) == (stages[1], alice)
    assert (rule.destination.name, rule.destination.url) == ("ERP", receiver.url)


def test_a_rule_whose_new_destination_is_refused_is_not_made(browser: Client, stages: list[Stage]) -> None:
    asked = {"name": "To the ERP", "event": "deal.won", "new_name": "ERP", "new_url": "http://10.0.0.1/"}
    answer = browser.post(NEW, asked)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["new_url"]
    assert (Rule.objects.count(), Destination.objects.count()) == (0, 0)


def test_a_refused_rule_leaves_no_new_destination(
    browser: Client, stages: list[Stage], receiver: Receiver
) -> None:
    other = Pipeline.objects.create(name="After sales")
    asked = {"name": "N", "event": "deal.won", "pipeline": other.pk, "stage": stages[0].pk}
    answer = browser.post(NEW, {**asked, "new_name": "ERP", "new_url": receiver.url})
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["stage"])
    assert Destination.objects.count() == 0


def test_a_rule_is_changed(browser: Client, rule: Rule, stages: list[Stage]) -> None:
    answer = browser.post(
        f"/automations/rules/{rule.pk}/", form(rule, from_stage=stages[0].pk, name="Moved on")
    )
    assert answer.status_code == 302
    rule.refresh_from_db()
    assert (rule.name, rule.from_stage, rule.stage) == ("Moved on", stages[0], stages[1])


def test_a_rule_for_another_event_forgets_the_stage_left(
    browser: Client, rule: Rule, stages: list[Stage]
) -> None:
    changed = form(rule, event="deal.won", from_stage=stages[0].pk)
    assert browser.post(f"/automations/rules/{rule.pk}/", changed).status_code == 302
    assert Rule.objects.get().from_stage is None


def test_deleting_a_rule_says_what_is_called_off_and_does_it(
    browser: Client, rule: Rule, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    page = browser.get(f"/automations/rules/{rule.pk}/").content.decode()
    assert "1 waiting delivery will be cancelled." in page
    browser.post(f"/automations/rules/{rule.pk}/delete/")
    assert Delivery.objects.get().state == "cancelled"
    assert browser.get(f"/automations/rules/{rule.pk}/").status_code == 404


def test_the_preview_shows_what_would_be_sent_and_writes_nothing(
    browser: Client, rule: Rule, deal: Deal
) -> None:
    page = browser.post("/automations/rules/preview/", form(rule, deal=deal.pk)).content.decode()
    assert "When a deal enters Proposal" in page
    assert "ERP for a bakery" in page
    assert Delivery.objects.count() == 0


def test_the_preview_of_a_half_filled_form_is_no_error(browser: Client, deal: Deal) -> None:
    assert browser.post("/automations/rules/preview/", {"deal": deal.pk}).status_code == 200
    assert browser.post("/automations/rules/preview/", {"event": "nonsense"}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_test_is_sent_and_its_answer_shown(
    browser: Client, rule: Rule, deal: Deal, receiver: Receiver
) -> None:
    receiver.answer(503)
    page = browser.post("/automations/test/", form(rule, deal=deal.pk)).content.decode()
    (request,) = receiver.wait_for(1)
    assert request.json()["test"] is True
    assert "The receiver answered 503 Service Unavailable." in page


@pytest.mark.django_db(transaction=True)
def test_a_test_sends_what_the_rule_makes_of_the_deal_and_shows_all_of_it(
    browser: Client, rule: Rule, deal: Deal, receiver: Receiver
) -> None:
    receiver.answer(201)
    asked = form(rule, deal=deal.pk, payload_mode="custom", expression="{order: data.deal.title}")
    page = browser.post("/automations/test/", asked)
    (request,) = receiver.wait_for(1)
    assert request.json() == {"order": "ERP for a bakery"}
    assert request.headers["stagehook-trigger"] == "test"
    assert page.context["signature"] == request.headers["webhook-signature"]
    shown = html.unescape(page.content.decode())
    assert request.headers["webhook-signature"] in shown
    assert '"order": "ERP for a bakery"' in shown
    assert [phase.ms >= 0 for phase in page.context["phases"]] == [True] * 5


def test_a_test_of_what_cannot_be_rendered_sends_nothing(
    browser: Client, rule: Rule, deal: Deal, receiver: Receiver
) -> None:
    asked = form(rule, deal=deal.pk, payload_mode="custom", expression="sum(data.deal.title)")
    assert browser.post("/automations/test/", asked).status_code == 422
    assert (receiver.requests, Delivery.objects.count()) == ([], 0)


def test_what_does_not_render_is_not_saved(browser: Client, rule: Rule, deal: Deal) -> None:
    before = Rule.objects.values().get()
    asked = form(rule, payload_mode="custom", expression="sum(data.deal.title)")
    answer = browser.post(f"/automations/rules/{rule.pk}/", asked)
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["expression"])
    assert Rule.objects.values().get() == before


def test_the_document_is_offered_value_by_value_with_paths_that_lead_there(
    browser: Client, rule: Rule, deal: Deal
) -> None:
    lines = list(browser.post("/automations/rules/document/", form(rule, deal=deal.pk)).context["lines"])
    shown = {line.path: line.shown for line in lines}
    assert shown["data.deal.title"] == '"ERP for a bakery"'
    assert shown["data.deal.stage"] == ""
    document = sample(rule, Deal.objects.get())
    assert json.dumps(at("data.deal.stage.id", document)) == shown["data.deal.stage.id"]
    assert browser.post("/automations/rules/document/", {"event": "x"}).status_code == 200


def at(path: str, document: object) -> object:
    return expressions.evaluate(expressions.compile(path), document)


def test_paths_lead_through_lists_and_through_keys_that_are_no_names() -> None:
    document = {"Número do pedido": {'a"b': [{"x-y": "z" * 99}]}, "none": None}
    lines = list(lines_of(document))
    assert [line.depth for line in lines] == [0, 1, 2, 3, 0]
    assert lines[3].path == '"N\\u00famero do pedido"."a\\"b"[0]."x-y"'
    assert at(lines[3].path, document) == "z" * 99
    assert len(lines[3].shown) == 60


def test_deals_to_try_with_are_found_by_what_is_typed(browser: Client, deal: Deal) -> None:
    url = "/automations/rules/deals/"
    option = f'<option value="{deal.pk}">ERP for a bakery</option>'
    assert option in browser.get(url, {"find": "bakery"}).content.decode()
    assert option in browser.get(url).content.decode()
    assert "No deal found" in browser.get(url, {"find": "submarine"}).content.decode()


def test_the_history_tells_what_was_changed_and_by_whom(
    browser: Client, rule: Rule, stages: list[Stage], alice: User
) -> None:
    url = f"/automations/rules/{rule.pk}/"
    asked = {
        "condition": "a",
        "condition-a-field": "deal.stage.id",
        "condition-a-op": "eq",
        "condition-a-value": str(stages[0].pk),
    }
    for _twice in range(2):  # the second changes nothing
        assert (
            browser.post(url, form(rule, name="To our ERP", stage=stages[0].pk, **asked)).status_code == 302
        )
    browser.post(f"{url}toggle/")
    switched, changed, made = browser.get(url).context["history"]
    assert (made.verb, made.by, made.fields) == ("created", "Stagehook", [])
    assert (switched.by, switched.fields) == (str(alice), [("Enabled", "yes", "no")])
    assert sorted(changed.fields) == [
        ("Conditions", "", "Stage is Sales: New"),
        ("Name", "To the ERP", "To our ERP"),
        ("Payload", "", "Standard"),
        ("Stage entered", stages[1].name, stages[0].name),
    ]
    browser.post(f"{url}delete/")
    last = RuleChange.objects.filter(rule=rule)[0]
    assert (last.verb, last.actor_id) == ("deleted", alice.pk)


def test_a_refused_change_leaves_no_history(browser: Client, rule: Rule) -> None:
    assert browser.post(f"/automations/rules/{rule.pk}/", form(rule, name="")).status_code == 422
    assert [change.verb for change in RuleChange.objects.all()] == ["created"]


def test_a_test_without_a_destination_sends_nothing(browser: Client, deal: Deal, receiver: Receiver) -> None:
    asked = {"event": "deal.won", "deal": deal.pk, "new_url": receiver.url}
    assert browser.post("/automations/test/", asked).status_code == 422
    assert (receiver.requests, Delivery.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "rules/new/",
        "rules/1/",
        "rules/deals/",
        "rules/if-it-fails/",
        "destinations/",
        "destinations/new/",
        "deliveries/",
        "deliveries/newer/",
        "deliveries/msg_1/",
    ],
)
def test_only_administrators_see_the_pages(client: Client, db: None, path: str) -> None:
    assert client.get(f"/automations/{path}")["Location"].startswith("/login/")
    client.force_login(User.objects.create_user("bob@example.com", name="Bob", role=User.Role.MANAGER))
    assert client.get(f"/automations/{path}").status_code == 403


def test_only_administrators_change_rules(client: Client, rule: Rule) -> None:
    client.force_login(User.objects.create_user("bob@example.com", name="Bob", role=User.Role.MANAGER))
    for path in ("toggle/", "delete/", ""):
        assert (
            client.post(f"/automations/rules/{rule.pk}/{path}", form(rule, name="Bob's")).status_code == 403
        )
    rule.refresh_from_db()
    assert (rule.enabled, rule.name, rule.deleted_at) == (True, "To the ERP", None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"delay": "31", "delay_unit": "d"}, "delay"),
        ({"has_window": "on", "opens": "09:00", "closes": "18:00"}, "opens"),
        ({"condition": "a", "condition-a-field": "deal.value", "condition-a-op": "gte"}, "match"),
        ({"condition_expression": "["}, "condition_expression"),
        ({"payload_mode": "custom", "expression": "{a: "}, "expression"),
        ({"event": "deal.stale"}, "days"),
        ({"event": "deal.updated", "fields_changed": "nonsense"}, "fields_changed"),
    ],
)
def test_what_cannot_be_is_told_beside_its_field(
    browser: Client, rule: Rule, changes: dict[str, object], field: str
) -> None:
    before = Rule.objects.values().get()
    answer = browser.post(f"/automations/rules/{rule.pk}/", form(rule, **changes))
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field])
    assert Rule.objects.values().get() == before


def test_the_fields_whose_change_is_waited_for_are_ticked_and_not_typed(browser: Client, rule: Rule) -> None:
    CustomField.objects.create(entity="deal", key="plan", label="Plan", type="text")
    url = f"/automations/rules/{rule.pk}/"
    offered = dict(browser.get(url).context["form"]["fields_changed"].field.choices)
    assert (offered["value"], offered["custom_fields.plan"], "stage" in offered) == ("Value", "Plan", False)
    assert all(name.partition(".")[0] in CHANGING for name in offered)
    chosen = ["value", "custom_fields.plan"]
    asked = form(rule, event="deal.updated", stage="", fields_changed=chosen)
    assert browser.post(url, asked).status_code == 302
    rule.refresh_from_db()
    assert rule.fields == chosen
    html = browser.get(url).content.decode()
    assert re.findall(r'name="fields_changed" value="([^"]+)"[^>]* checked', html) == chosen


def test_a_field_that_was_chosen_through_the_api_stays_chosen(browser: Client, rule: Rule) -> None:
    Rule.objects.update(event="deal.updated", stage=None, fields=["custom_fields"])
    url = f"/automations/rules/{rule.pk}/"
    assert ("custom_fields", "custom_fields") in browser.get(url).context["form"][
        "fields_changed"
    ].field.choices
    rule.refresh_from_db()
    assert browser.post(url, form(rule, fields_changed=["custom_fields", "value"])).status_code == 302
    rule.refresh_from_db()
    assert rule.fields == ["custom_fields", "value"]


def test_the_preview_asks_in_the_words_of_the_form(
    browser: Client, rule: Rule, deal: Deal, stages: list[Stage]
) -> None:
    asked = {
        "condition": ["a"],
        "condition-a-field": "deal.stage.id",
        "condition-a-op": "eq",
        "condition-a-value": str(stages[0].pk),
        "deal": deal.pk,
    }
    html = browser.post("/automations/rules/preview/", form(rule, stage="", **asked)).content.decode()
    assert "Stage is Sales: New" in html
    assert "deal.stage.id" not in html
    changed = form(rule, event="deal.updated", stage="", fields_changed=["value", "tags"], deal=deal.pk)
    html = browser.post("/automations/rules/preview/", changed).content.decode()
    assert "The last change was of one of: Value, Tags" in html


def test_conditions_waiting_and_payload_are_kept_and_shown_again(browser: Client, rule: Rule) -> None:
    url = f"/automations/rules/{rule.pk}/"
    asked = {
        "match": "any",
        "condition": ["a", "b"],
        "condition-a-field": "deal.value",
        "condition-a-op": "between",
        "condition-a-value": ["10", "20"],
        "condition-b-field": "deal.tags",
        "condition-b-op": "has_any",
        "condition-b-value": "vip, new",
        "delay": "2",
        "delay_unit": "h",
        "if_left": "keep",
        "has_window": "on",
        "weekdays": ["1", "5"],
        "opens": "09:00",
        "closes": "18:00",
        "payload_mode": "custom",
        "expression": "{order: data.deal.id}",
    }
    assert browser.post(url, form(rule, **asked)).status_code == 302
    rule.refresh_from_db()
    assert rule.conditions == {
        "match": "any",
        "rows": [
            {"field": "deal.value", "op": "between", "value": ["10", "20"]},
            {"field": "deal.tags", "op": "has_any", "value": ["vip", "new"]},
        ],
    }
    assert (rule.delay_seconds, rule.if_left) == (7200, "keep")
    assert rule.sending_window == {"weekdays": [1, 5], "from": "09:00", "to": "18:00"}
    assert rule.payload == {"mode": "custom", "expression": "{order: data.deal.id}"}
    shown = browser.get(url).context["form"]
    assert [row.as_json() for row in shown.rows] == rule.conditions["rows"]
    assert (shown.initial["delay"], shown.initial["delay_unit"]) == (2, "h")


def test_the_preview_says_where_an_expression_is_wrong(browser: Client, rule: Rule, deal: Deal) -> None:
    asked = form(rule, deal=deal.pk, payload_mode="custom", expression="{a: ")
    page = browser.post("/automations/rules/preview/", asked).content.decode()
    assert "at character 5" in page
    assert 'data-fault="id_expression" data-offset="4"' in page
    several = form(
        rule, deal=deal.pk, condition_expression="a ~", payload_mode="custom", expression="nope(a)"
    )
    answer = browser.post("/automations/rules/preview/", several)
    assert answer.context["faults"] == [("id_condition_expression", 2), ("id_expression", 0)]


def test_the_preview_of_a_saved_rule_names_it_as_its_requests_do(
    browser: Client, rule: Rule, deal: Deal
) -> None:
    Rule.objects.update(enabled=False)
    asked = form(rule, deal=deal.pk, name="To our ERP") | {"rule": rule.pk}
    found = browser.post("/automations/rules/preview/", asked).context["preview"]
    assert found["payload"]["data"]["rule"] == {"id": rule.pk, "name": "To our ERP"}
    assert not next(check for check in found["checks"] if check.check == "The rule is switched on").passed
    for number in ("", "0", "999999", "x"):
        found = browser.post("/automations/rules/preview/", {**asked, "rule": number}).context["preview"]
        assert found["payload"]["data"]["rule"] is None


def test_a_rule_says_when_its_destination_tries_again_and_how_it_fares(
    browser: Client, destination: Destination
) -> None:
    url = "/automations/rules/if-it-fails/"
    HourTally.objects.create(
        destination=destination,
        hour=timezone.now(),
        delivered=3,
        retried=1,
        durations=[4, *[0] * len(BOUNDS)],
    )
    page = browser.get(url, {"destination": destination.pk})
    waits = [step.wait for step in page.context["steps"]]
    assert waits == ["", "1 s", "1 s"]
    assert "3 attempts over 2 s," in page.content.decode()
    assert "Taken 75 %" in page.content.decode()
    for unsaved in ("", "x", "999999"):
        page = browser.get(url, {"destination": unsaved})
        assert "10 attempts over 3 days" in page.content.decode()


def test_only_administrators_are_given_conditions(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("bob@example.com", name="Bob", role=User.Role.MANAGER))
    for path in ("condition/", "document/", "preview/", "../test/"):
        assert client.post(f"/automations/rules/{path}".replace("rules/../", "")).status_code == 403


def test_a_stage_made_after_the_form_was_first_shown_is_offered(browser: Client, stages: list[Stage]) -> None:
    browser.get(NEW)
    later = Stage.objects.create(pipeline=stages[0].pipeline, name="Made later", position=9)
    assert f'<option value="{later.pk}">Made later</option>' in browser.get(NEW).content.decode()
