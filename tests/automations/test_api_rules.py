import json

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from automations.models import Delivery, Destination, Rule
from automations.rules import update_rule
from crm.actors import Actor
from crm.deals import move_deal
from crm.models import Deal, Pipeline, Stage, User

URL = "/api/v1/rules/"


@pytest.fixture
def api(alice: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(alice)
    return client


def test_a_rule_is_made_with_the_standard_payload(
    api: APIClient, destination: Destination, stages: list[Stage], alice: User
) -> None:
    answer = api.post(URL, {"name": "To the ERP", "stage": stages[1].pk, "destination": destination.pk})
    assert answer.status_code == 201
    rule = Rule.objects.get()
    assert rule.created_by == alice
    assert answer.json() == {
        "id": rule.pk,
        "name": "To the ERP",
        "enabled": True,
        "event": "deal.stage_changed",
        "pipeline": None,
        "stage": stages[1].pk,
        "from_stage": None,
        "fields": [],
        "days": None,
        "conditions": {},
        "destination": destination.pk,
        "payload": {"mode": "standard"},
        "delay_seconds": 0,
        "if_left": "cancel",
        "sending_window": {},
        "position": 0,
    }


@pytest.mark.parametrize(
    ("fields", "attr", "detail"),
    [
        ({"conditions": {"rows": [{"field": "deal.x", "op": "gt", "value": 1}]}}, "conditions", "Row 1"),
        ({"conditions": {"expression": "a ||"}}, "conditions", "(at character 5)"),
        ({"payload": {"mode": "custom", "expression": "a | foo(b)"}}, "payload", "(at character 5)"),
        ({"payload": {"mode": "custom", "expression": "to_money('x')"}}, "payload", "no amount of money"),
        ({"payload": {"mode": "custom"}}, "payload", "mode"),
        ({"payload": []}, "payload", "mode"),
        ({"delay_seconds": 30 * 86_400 + 1}, "delay_seconds", "30 days"),
        ({"sending_window": {"from": "9"}}, "sending_window", "window"),
        ({"if_left": "explode"}, "if_left", "explode"),
        ({"event": "deal.stale"}, "days", "days"),
        ({"days": 3}, "days", "event"),
        ({"fields": ["value"]}, "fields", "named"),
        ({"event": "deal.updated", "fields": ["colour"]}, "fields", "colour"),
        ({"event": "deal.exploded"}, "event", "deal.exploded"),
        ({"destination": 0}, "destination", ""),
        ({"colour": "red"}, "colour", ""),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    api: APIClient, rule: Rule, deal: Deal, fields: dict[str, object], attr: str, detail: str
) -> None:
    before = Rule.objects.values().get()
    answer = api.patch(f"{URL}{rule.pk}/", fields)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["attr"].split(".")[0] == attr
    assert detail in error["detail"]
    assert Rule.objects.values().get() == before


def test_all_that_a_rule_can_say_is_kept(api: APIClient, rule: Rule) -> None:
    fields = {
        "event": "deal.updated",
        "fields": ["value", "custom_fields.plan"],
        "conditions": {"match": "any", "rows": [{"field": "deal.tags", "op": "has_any", "value": ["VIP"]}]},
        "payload": {"mode": "custom", "expression": "{id: data.deal.id}"},
        "delay_seconds": 3600,
        "if_left": "keep",
        "sending_window": {"weekdays": [1, 5], "from": "09:00", "to": "18:00"},
    }
    answer = api.patch(f"{URL}{rule.pk}/", fields)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in fields} == fields
    assert api.patch(f"{URL}{rule.pk}/", {"event": "deal.stale", "fields": [], "days": 7}).status_code == 200


def test_a_form_is_only_made_of_an_object(api: APIClient, rule: Rule) -> None:
    Destination.objects.update(body_format="form")
    answer = api.patch(f"{URL}{rule.pk}/", {"payload": {"mode": "custom", "expression": "data.deal.tags"}})
    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "payload")


def test_a_preview_shows_the_custom_payload_and_each_condition(
    api: APIClient, destination: Destination, stages: list[Stage], deal: Deal
) -> None:
    rows = [
        {"field": "deal.title", "op": "contains", "value": "bakery"},
        {"field": "deal.title", "op": "eq", "value": "other"},
    ]
    asked = {
        "stage": deal.stage_id,
        "destination": destination.pk,
        "deal": deal.pk,
        "conditions": {"match": "any", "rows": rows},
        "payload": {"mode": "custom", "expression": "[data.deal.title]"},
        "delay_seconds": 60,
    }
    answer = api.post(f"{URL}preview/", asked).json()
    checks = {check["check"]: check["passed"] for check in answer["checks"]}
    assert (answer["matches"], answer["payload"]) == (True, ["ERP for a bakery"])
    assert checks["Title contains bakery (one of these is enough)"] is True
    assert checks["Title is other (one of these is enough)"] is False
    assert checks["The worker is running"] is False
    assert any(text.startswith("It would be sent at") for text in checks)


def test_an_explanation_names_what_holds_a_request_up(
    api: APIClient, rule: Rule, deal: Deal, settings: Settings
) -> None:
    settings.SILENT_MODE = True
    Rule.objects.update(stage=deal.stage_id, payload={"mode": "custom", "expression": "to_money(type)"})
    Destination.objects.update(status="paused")
    answer = api.get(f"{URL}{rule.pk}/explain/?deal={deal.pk}").json()
    failed = [check["check"] for check in answer["checks"] if not check["passed"]]
    assert answer["matches"] is True
    assert failed == [
        "The payload can be made: “deal.stage_changed” is no amount of money.",
        "The destination “ERP” is active; it is: Paused",
        "This installation is not in silent mode",
        "The worker is running",
    ]


def test_a_rule_acts_on_what_meets_its_conditions_and_sends_its_own_payload(
    rule: Rule, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    condition = {"field": "deal.stage", "op": "changed_to", "value": stages[1].name}
    expression = "{title: data.deal.title, from: data.previous.stage.name}"
    update_rule(
        rule_id=rule.pk,
        fields={"conditions": {"rows": [condition]}, "payload": {"mode": "custom", "expression": expression}},
    )
    former = stages[0].name
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    body = json.loads(bytes(Delivery.objects.get().body))
    assert body == {"title": "ERP for a bakery", "from": former}
    update_rule(rule_id=rule.pk, fields={"conditions": {"rows": [{**condition, "op": "changed_from"}]}})
    move_deal(deal_id=deal.pk, stage=stages[0], actor=actor)
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    assert Delivery.objects.count() == 1


def test_the_stages_of_a_rule_belong_to_its_pipeline(api: APIClient, rule: Rule) -> None:
    other = Pipeline.objects.create(name="After sales")
    answer = api.patch(f"{URL}{rule.pk}/", {"pipeline": other.pk})
    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "stage")


def test_a_preview_says_what_a_rule_would_do_and_does_nothing(
    api: APIClient, destination: Destination, stages: list[Stage], deal: Deal
) -> None:
    asked = {"stage": stages[1].pk, "destination": destination.pk, "deal": deal.pk}
    answer = api.post(f"{URL}preview/", asked).json()
    assert answer["matches"] is False
    assert [check["passed"] for check in answer["checks"]][:4] == [True, True, False, True]
    assert answer["payload"]["data"]["deal"]["title"] == "ERP for a bakery"
    assert (Rule.objects.count(), Delivery.objects.count()) == (0, 0)


def test_a_rule_explains_what_it_makes_of_a_deal(
    api: APIClient, rule: Rule, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    before = api.get(f"{URL}{rule.pk}/explain/?deal={deal.pk}").json()
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    after = api.get(f"{URL}{rule.pk}/explain/?deal={deal.pk}").json()
    assert (before["checks"][2]["passed"], before["deliveries"]) == (False, [])
    assert after["checks"][2]["passed"] is True
    assert [row["id"] for row in after["deliveries"]] == [Delivery.objects.get().pk]
    assert api.get(f"{URL}{rule.pk}/explain/").status_code == 400


def test_a_deleted_rule_calls_off_what_waits(
    api: APIClient, rule: Rule, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    assert api.delete(f"{URL}{rule.pk}/").status_code == 204
    assert api.get(f"{URL}{rule.pk}/").status_code == 404
    assert Delivery.objects.get().state == "cancelled"


def test_only_administrators_reach_rules(api: APIClient, rule: Rule) -> None:
    api.force_authenticate(User.objects.create_user("bob@example.com", name="Bob", role=User.Role.MANAGER))
    assert api.get(URL).status_code == 403
    assert api.patch(f"{URL}{rule.pk}/", {"enabled": False}).status_code == 403
    assert Rule.objects.get().enabled
