from typing import Any

import pytest

from crm.actors import Actor
from crm.api.serializers import VisibleDealField
from crm.deals import create_deal, delete_deal
from crm.models import Activity, Call, Change, Deal, Pipeline, Stage, Subscription, Tag, User
from tests.crm.api import ApiClient, errors


def test_contacts_are_kept_in_one_form_and_found_by_any_way_of_writing(api: ApiClient) -> None:
    made = api.post(
        "contacts/", name="Ana", emails=["Ana@Example.com"], phones=["(11) 91234-5678"], tags=["vip"]
    )
    shown = made.json()
    assert (made.status_code, shown["emails"], shown["phones"]) == (
        201,
        ["ana@example.com"],
        ["+5511912345678"],
    )
    for query in ({"email": "ANA@example.com"}, {"phone": "+55 11 91234 5678"}, {"search": "ana@"}):
        assert [row["id"] for row in api.get("contacts/", **query).json()["results"]] == [shown["id"]]
    assert api.get("contacts/", phone="12").status_code == 400
    assert Change.objects.get().actor_name == "a token"


@pytest.mark.parametrize(
    "sent",
    [
        {"emails": ["none"]},
        {"phones": ["1"]},
        {"tax_id": "529.982.247-26"},
        {"custom_fields": {"unknown": 1}},
    ],
)
def test_a_bad_contact_is_refused_by_field_and_not_made(api: ApiClient, sent: dict[str, Any]) -> None:
    refused = api.post("contacts/", name="Ana", **sent)
    assert (refused.status_code, errors(refused)) == (400, [("invalid", next(iter(sent)))])
    assert api.get("contacts/").json()["results"] == []


def test_a_company_is_updated_by_merging(api: ApiClient) -> None:
    made = api.post(
        "companies/", name="Padaria", domain="https://padaria.com.br/", external_ids={"omie": "7"}
    )
    assert made.json()["domain"] == "padaria.com.br"
    changed = api.patch(f"companies/{made.json()['id']}/", external_ids={"other": "8"}, name="Padaria Sul")
    assert changed.json()["external_ids"] == {"omie": "7", "other": "8"}


def test_what_others_refer_to_cannot_be_deleted(api: ApiClient, deal: Deal, stages: list[Stage]) -> None:
    company = api.post("companies/", name="Padaria").json()["id"]
    api.patch(f"deals/{deal.pk}/", company=company)
    for path in (f"companies/{company}/", f"stages/{stages[0].pk}/"):
        refused = api.delete(path)
        assert (refused.status_code, errors(refused)) == (409, [("in_use", None)])
        assert api.get(path).status_code == 200


def test_pipelines_and_stages_are_set_up_by_the_api(api: ApiClient) -> None:
    pipeline = api.post("pipelines/", name="Renewals").json()["id"]
    stage = api.post("stages/", pipeline=pipeline, name="Due", probability=50, rotting_days=7).json()
    assert api.get(f"pipelines/{pipeline}/").json()["stages"] == [stage]
    assert api.get("stages/", pipeline=pipeline).json()["results"] == [stage]
    elsewhere = Pipeline.objects.create(name="Elsewhere")
    for sent in ({"probability": 101}, {"required_fields": ["rank"]}, {"pipeline": elsewhere.pk}):
        refused = api.patch(f"stages/{stage['id']}/", **sent)
        assert (refused.status_code, [attr for _code, attr in errors(refused)]) == (400, list(sent))
    assert api.get(f"stages/{stage['id']}/").json() == stage
    twice = api.post("stages/", pipeline=pipeline, name="Due")
    assert (twice.status_code, Stage.objects.count()) == (400, 1)


def test_a_custom_field_keeps_what_values_rest_on(api: ApiClient) -> None:
    made = api.post("custom_fields/", entity="deal", key="plan", label="Plan", type="choice", options=["A"])
    changed = api.patch(f"custom_fields/{made.json()['id']}/", label="The plan", options=["A", "B"])
    assert (made.status_code, changed.json()["options"]) == (201, ["A", "B"])
    refused = api.patch(f"custom_fields/{made.json()['id']}/", type="number")
    assert (refused.status_code, errors(refused)) == (400, [("invalid", "type")])


def test_a_tag_exists_once_whatever_its_case(api: ApiClient) -> None:
    assert api.post("tags/", name="VIP").status_code == 201
    again = api.post("tags/", name="vip")
    assert (again.status_code, Tag.objects.count()) == (409, 1)


def test_what_hangs_on_a_deal_is_seen_and_written_by_whoever_sees_the_deal(
    stages: list[Stage], actor: Actor, bob: User, charlie: User
) -> None:
    deal = create_deal(actor=actor, stage=stages[0], title="Bob's", fields={"owner": bob})
    as_bob, as_charlie = ApiClient(bob), ApiClient(charlie)
    bodies: dict[str, dict[str, Any]] = {
        "activities/": {"kind": "task", "subject": "Call them", "due_at": "2027-01-31T12:00:00Z"},
        "calls/": {"direction": "in", "from_number": "+5511912345678", "external_id": "c1"},
        "subscriptions/": {"plan": "Gold", "amount": "99.00", "renews_on": "2027-01-31"},
    }
    for path, body in bodies.items():
        made = as_bob.post(path, deal=deal.pk, **body)
        assert made.status_code == 201, made.json()
        assert as_charlie.get(path).json()["results"] == []
        assert as_charlie.get(f"{path}{made.json()['id']}/").status_code == 404
        assert as_charlie.delete(f"{path}{made.json()['id']}/").status_code == 404
        refused = as_charlie.post(path, deal=deal.pk, **body)
        assert (refused.status_code, errors(refused)) == (400, [("does_not_exist", "deal")])
        assert [row["id"] for row in as_bob.get(path, deal=deal.pk).json()["results"]] == [made.json()["id"]]
    assert Activity.objects.get().created_by["kind"] == "token"
    assert as_bob.get("subscriptions/", renews_before="2027-02-01").json()["results"][0]["amount"] == "99.00"
    assert as_bob.get("subscriptions/", renews_before="2027-01-31").json()["results"] == []


@pytest.mark.parametrize("path", ["tags/", "sources/", "lost_reasons/", "teams/"])
def test_a_vocabulary_is_made_renamed_and_deleted(api: ApiClient, path: str) -> None:
    made = api.post(path, name="First").json()
    assert api.patch(f"{path}{made['id']}/", name="Second").json() == {**made, "name": "Second"}
    assert [row["name"] for row in api.get(path, search="sec").json()["results"]] == ["Second"]
    assert api.delete(f"{path}{made['id']}/").status_code == 204
    assert api.get(path).json() == {"next": None, "previous": None, "results": []}


def test_an_activity_of_the_api_is_one_of_the_pages(api: ApiClient, deal: Deal, alice: User) -> None:
    ana = api.post("contacts/", name="Ana").json()["id"]
    made = api.post("activities/", contact=ana, subject="Call", due_at="2027-01-31T12:00:00Z", reminder=30)
    assert made.json() == {
        "id": made.json()["id"],
        "deal": None,
        "contact": ana,
        "kind": "task",
        "subject": "Call",
        "body": "",
        "due_at": "2027-01-31T12:00:00Z",
        "done_at": None,
        "reminder": 30,
        "assignee": None,
    }
    path = f"activities/{made.json()['id']}/"
    late = api.patch(path, due_at="2020-01-31T12:00:00Z", assignee=alice.pk).json()
    for query, found in (
        ({"overdue": True, "contact": ana}, [late]),
        ({"overdue": False}, []),
        ({"due_after": "2020-02-01T00:00:00Z"}, []),
        ({"due_before": "2020-02-01T00:00:00Z", "done": False}, [late]),
    ):
        assert api.get("activities/", **query).json()["results"] == found
    for wrong, field in (({"deal": deal.pk}, "deal"), ({"due_at": "9999-01-01T00:00:00Z"}, "due_at")):
        refused = api.patch(path, subject="Not kept", **wrong)
        assert (refused.status_code, errors(refused)) == (400, [("invalid", field)])
    assert api.get(path).json() == late
    refused = api.post("activities/", subject="With nobody")
    assert (refused.status_code, errors(refused)) == (400, [("invalid", "deal")])


def test_a_token_that_only_reads_plans_nothing(alice: User, deal: Deal) -> None:
    reader, made = ApiClient(alice, "read"), Activity.objects.create(deal=deal, subject="Call")
    path = f"activities/{made.pk}/"
    refused = [
        reader.post("activities/", deal=deal.pk, subject="Write"),
        reader.patch(path, done_at="2027-01-31T12:00:00Z"),
        reader.delete(path),
    ]
    assert [answer.status_code for answer in refused] == [403, 403, 403]
    assert (reader.get(path).status_code, list(Activity.objects.all())) == (200, [made])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", ["", "k1"])
def test_what_hangs_on_a_deal_that_was_deleted_a_moment_ago_is_refused(
    api: ApiClient, deal: Deal, actor: Actor, stages: list[Stage], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = VisibleDealField.to_internal_value

    def look_up_and_be_overtaken(field: Any, data: Any) -> Deal:
        found: Deal = look_up(field, data)
        delete_deal(deal_id=found.pk, actor=actor)
        return found

    monkeypatch.setattr(VisibleDealField, "to_internal_value", look_up_and_be_overtaken)
    answers = []
    for path, sent in (
        ("activities/", {"kind": "note", "body": "asked"}),
        ("calls/", {"direction": "in"}),
        ("subscriptions/", {"plan": "Gold"}),
    ):
        fresh = create_deal(actor=actor, stage=stages[0], title="Oven")
        answer = api.post(path, idempotency_key=key, deal=fresh.pk, **sent)
        answers.append((answer.status_code, *errors(answer)))
        key = key and key + "x"
    gone = ("does_not_exist", None)
    assert answers == [(422, gone), (404, gone), (409, gone)]
    assert [model.objects.count() for model in (Activity, Call, Subscription)] == [0, 0, 0]
