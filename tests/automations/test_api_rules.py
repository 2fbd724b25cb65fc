import pytest
from rest_framework.test import APIClient

from automations.models import Delivery, Destination, Rule
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
        "conditions": {},
        "destination": destination.pk,
        "payload": {"mode": "standard"},
        "delay_seconds": 0,
        "position": 0,
    }


@pytest.mark.parametrize(
    ("fields", "attr"),
    [
        (
            {"conditions": {"match": "all", "rows": [{"field": "deal.value", "op": "gt", "value": 1}]}},
            "conditions",
        ),
        ({"payload": {"mode": "custom", "expression": "deal"}}, "payload"),
        ({"delay_seconds": 10}, "delay_seconds"),
        ({"event": "deal.stale"}, "event"),
        ({"destination": 0}, "destination"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_not_available_is_refused_and_changes_nothing(
    api: APIClient, rule: Rule, fields: dict[str, object], attr: str
) -> None:
    before = Rule.objects.values().get()
    answer = api.patch(f"{URL}{rule.pk}/", fields)
    assert answer.status_code == 400
    assert [error["attr"] for error in answer.json()["errors"]] == [attr]
    assert Rule.objects.values().get() == before


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
