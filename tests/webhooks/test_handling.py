"""What an endpoint's settings decide: which deal is meant, how it is written to, whose it becomes, and what is late."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.actors import Actor
from crm.contacts import create_contact
from crm.deals import create_deal, win_deal
from crm.models import Company, Contact, CustomField, Deal, Pipeline, Stage, Tag, User
from tests.webhooks.conftest import Sender, states
from tests.webhooks.test_requests import at_once
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.replays import replay

NothingChanges = Callable[[], None]
SYSTEM = Actor.system()


def configure(sender: Sender, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(sender.endpoint, name, value)
    sender.endpoint.save()


def deal_of(stage: Stage, title: str, contact: Contact) -> Deal:
    return create_deal(actor=SYSTEM, stage=stage, title=title, fields={"contact": contact})


@pytest.fixture
def ana(db: None) -> Contact:
    return create_contact(actor=SYSTEM, fields={"name": "Ana", "emails": ["ana@example.com"]})


# ---- Which deal ----


@pytest.mark.parametrize(("within", "found"), [("all", "renewal"), ("pipeline", "sale")])
def test_a_deal_is_looked_for_everywhere_or_in_the_endpoints_own_pipeline(
    sender: Sender, pipeline: Pipeline, ana: Contact, within: str, found: str
) -> None:
    deal_of(pipeline.stages.get(name="New"), "sale", ana)
    renewals = Pipeline.objects.create(name="Renewals")
    deal_of(Stage.objects.create(pipeline=renewals, name="Due"), "renewal", ana)
    configure(sender, matching={"within": within})
    answer = sender.post({"match": {"email": "ana@example.com"}, "deal": {"value": "5"}}).json()
    assert Deal.objects.get(pk=answer["deal"]).title == found


@pytest.mark.parametrize(
    ("setting", "told", "state"),
    [("ignore", None, "ignored"), ("create", "ignore", "ignored"), ("reject", "create", "applied")],
)
def test_the_document_has_the_last_word_on_what_to_do_where_no_deal_matches(
    sender: Sender, setting: str, told: str | None, state: str
) -> None:
    configure(sender, matching={"if_missing": setting})
    document = {"match": {"email": "ana@example.com"}, "deal": {"title": "x"}, "if_missing": told}
    assert sender.post(document).json()["status"] == state


def test_a_contact_is_known_by_its_id_in_another_system(sender: Sender, pipeline: Pipeline) -> None:
    first = sender.post({"event_id": "1", "contact": {"name": "Ana", "external_ids": {"shop": "7"}}}).json()
    again = sender.post(
        {"event_id": "2", "contact": {"external_ids": {"shop": "7"}, "emails": ["ana@example.com"]}}
    ).json()
    assert (again["deal"], Contact.objects.get().emails) == (first["deal"], ["ana@example.com"])


def test_a_company_is_known_by_its_id_in_another_system(sender: Sender, pipeline: Pipeline) -> None:
    for number, name in enumerate(("Padaria", "Padaria Ltda")):
        sender.post({"event_id": str(number), "company": {"name": name, "external_ids": {"erp": "9"}}})
    assert (Company.objects.get().name, Deal.objects.count()) == ("Padaria Ltda", 1)


def test_nobody_is_found_by_what_is_empty(sender: Sender, pipeline: Pipeline) -> None:
    nameless = {"name": "A", "emails": [], "phones": [], "external_ids": {}}
    create_contact(actor=SYSTEM, fields={"name": "Nobody", "emails": [], "phones": [], "tax_id": ""})
    sender.post({"contact": nameless, "company": {"name": "A Ltda"}})
    assert Contact.objects.count() == 2


# ---- How it is written to ----


def test_a_field_that_has_a_value_is_kept_where_only_empty_ones_are_to_be_set(
    sender: Sender, deal: Deal, ana: Contact
) -> None:
    CustomField.objects.create(entity="deal", key="plan", label="Plan")
    CustomField.objects.create(entity="deal", key="seats", label="Seats", type="number")
    document = {
        "match": {"deal_id": deal.pk},
        "only_if_empty": [
            "deal.title",
            "deal.value",
            "deal.custom_fields.plan",
            "contact.name",
            "contact.job_title",
        ],
        "deal": {"title": "New", "value": "5.00", "custom_fields": {"plan": "Gold", "seats": 3}},
        "contact": {"name": "Ana Lima", "emails": ["ana@example.com"], "job_title": "CEO"},
    }
    sender.post(document)
    second = {**document, "deal": {"value": "9.00", "custom_fields": {"plan": "Basic", "seats": 4}}}
    sender.post({**second, "contact": {"emails": ["ana@example.com"], "job_title": "CTO"}})
    kept = Deal.objects.get()
    assert (kept.title, f"{kept.value}") == ("ERP for a bakery", "5.00")
    assert kept.custom_fields == {"plan": "Gold", "seats": 4}
    ana.refresh_from_db()
    assert (ana.name, ana.job_title) == ("Ana", "CEO")


def test_fields_are_emptied_by_a_word_and_not_by_null(sender: Sender, pipeline: Pipeline) -> None:
    CustomField.objects.create(entity="deal", key="plan", label="Plan")
    told = {
        "value": "5.00",
        "source": "Google",
        "expected_close_on": "2026-12-01",
        "custom_fields": {"plan": "Gold"},
    }
    contact = {"name": "Ana", "emails": ["ana@example.com"], "job_title": "CEO"}
    first = sender.post({"deal": {"title": "x", **told}, "contact": contact}).json()["deal"]
    match = {"deal_id": first}
    nothing = {
        "match": match,
        "deal": {"source": None, "custom_fields": {"plan": None}, "value": None, "title": "x"},
    }
    assert sender.post(nothing).json()["changes"] == {}
    cleared = dict.fromkeys(("value", "source", "expected_close_on"), "@clear")
    changes = sender.post(
        {
            "match": match,
            "deal": {**cleared, "custom_fields": {"plan": "@clear"}},
            "contact": {"emails": "@clear", "job_title": "@clear"},
        }
    ).json()["changes"]
    assert changes == {
        "deal.value": ["5.00", "0.00"],
        "deal.source": ["Google", None],
        "deal.expected_close_on": ["2026-12-01", None],
        "deal.custom_fields.plan": ["Gold", None],
        "contact.emails": [["ana@example.com"], []],
        "contact.job_title": ["CEO", ""],
    }


def test_what_cannot_be_empty_cannot_be_emptied(
    sender: Sender, deal: Deal, nothing_changes: NothingChanges
) -> None:
    errors = sender.post({"match": {"deal_id": deal.pk}, "deal": {"status": "@clear"}}).json()["errors"]
    assert [(error["code"], error["path"]) for error in errors] == [("invalid_choice", "deal.status")]
    nothing_changes()


@pytest.mark.parametrize(
    ("setting", "stage", "after"),
    [("any", "New", "New"), ("forward", "New", "Proposal"), ("forward", "Won", "Won")],
)
def test_a_deal_goes_back_to_an_earlier_stage_unless_it_shall_only_go_forward(
    sender: Sender, pipeline: Pipeline, setting: str, stage: str, after: str
) -> None:
    deal = create_deal(actor=SYSTEM, stage=pipeline.stages.get(name="Proposal"), title="x")
    configure(sender, writing={"stage": setting})
    answer = sender.post({"match": {"deal_id": deal.pk}, "deal": {"stage": stage, "title": "told"}}).json()
    assert answer["status"] == "applied"
    written = Deal.objects.get()
    assert (written.stage.name, written.title) == (after, "told")


def test_stages_and_pipelines_are_named_by_id_too(sender: Sender, deal: Deal, pipeline: Pipeline) -> None:
    renewals = Pipeline.objects.create(name="Renewals")
    due = Stage.objects.create(pipeline=renewals, name="Due")
    won = pipeline.stages.get(name="Won")
    assert sender.post({"match": {"deal_id": deal.pk}, "deal": {"stage_id": won.pk}}).status_code == 200
    assert Deal.objects.get().stage == won
    wrong = {"match": {"deal_id": deal.pk}, "deal": {"stage_id": due.pk, "pipeline_id": pipeline.pk}}
    assert [error["path"] for error in sender.post(wrong).json()["errors"]] == ["deal.stage_id"]
    unknown = {"match": {"deal_id": deal.pk}, "deal": {"stage_id": due.pk, "pipeline_id": 0x7FFFFFFF}}
    assert [error["path"] for error in sender.post(unknown).json()["errors"]] == ["deal.pipeline_id"]
    sender.post({"match": {"deal_id": deal.pk}, "deal": {"stage_id": due.pk}})
    assert Deal.objects.get().stage == due


def test_a_status_that_would_go_backwards_is_stale_where_the_endpoint_says_so(
    sender: Sender, deal: Deal
) -> None:
    win_deal(deal_id=deal.pk, actor=SYSTEM)
    document = {"match": {"deal_id": deal.pk}, "deal": {"status": "open", "title": "late"}}
    configure(sender, writing={"status": "forward"})
    answer = sender.post(document).json()
    assert (answer["status"], answer["reason"]) == ("ignored", "stale")
    assert answer["detail"] == "The status would go backwards."
    assert Deal.objects.get().title == deal.title
    configure(sender, writing={"status": "any"})
    assert sender.post({**document, "event_id": "2"}).json()["status"] == "applied"
    assert Deal.objects.get().status == "open"


def test_unknown_custom_fields_are_made_where_the_endpoint_says_so(sender: Sender, deal: Deal) -> None:
    configure(sender, writing={"unknown_fields": "create"})
    fields = {"plan": "Gold", "seats": 3, "paid": True}
    sender.post({"match": {"deal_id": deal.pk}, "deal": {"custom_fields": fields}})
    made = CustomField.objects.order_by("pk").values_list("key", "label", "type")
    assert list(made) == [("plan", "Plan", "text"), ("seats", "Seats", "number"), ("paid", "Paid", "boolean")]
    assert Deal.objects.get().custom_fields == fields
    contact = {"name": "Ana", "emails": ["ana@example.com"], "custom_fields": {"size": "M"}}
    sender.post({"match": {"deal_id": deal.pk}, "contact": contact})
    assert Contact.objects.get().custom_fields == {"size": "M"}
    bad = {"match": {"deal_id": deal.pk}, "deal": {"custom_fields": {"Not A Key": 1}}}
    assert [error["path"] for error in sender.post(bad).json()["errors"]] == ["deal.custom_fields"]


def test_unknown_tags_are_refused_where_the_endpoint_says_so(
    sender: Sender, deal: Deal, nothing_changes: NothingChanges
) -> None:
    Tag.objects.create(name="VIP")
    configure(sender, writing={"unknown_tags": "refuse"})
    document = {"match": {"deal_id": deal.pk}, "deal": {"add_tags": ["vip", "other"]}}
    errors = sender.post(document).json()["errors"]
    assert [(error["code"], error["path"]) for error in errors] == [("unknown", "deal.add_tags[1]")]
    nothing_changes()
    sender.post({"match": {"deal_id": deal.pk}, "deal": {"add_tags": ["vip"]}})
    assert [tag.name for tag in Deal.objects.get().tags.all()] == ["VIP"]


def test_a_stage_that_is_full_refuses_a_request_until_there_is_room(
    sender: Sender, pipeline: Pipeline, deal: Deal, nothing_changes: NothingChanges
) -> None:
    pipeline.stages.filter(name="Won").update(card_limit=0, limit_is_hard=True)
    answer = sender.post({"match": {"deal_id": deal.pk}, "deal": {"stage": "Won"}})
    assert [(error["code"], error["path"]) for error in answer.json()["errors"]] == [
        ("stage_full", "deal.stage")
    ]
    nothing_changes()
    pipeline.stages.filter(name="Won").update(card_limit=1)
    assert replay(request_id=answer.json()["id"], now=timezone.now()).state == "applied"


def test_a_stage_without_a_way_back_refuses_a_request_too(sender: Sender, pipeline: Pipeline) -> None:
    pipeline.stages.filter(name="Won").update(may_go_back=False)
    deal = create_deal(actor=SYSTEM, stage=pipeline.stages.get(name="Won"), title="x")
    answer = sender.post({"match": {"deal_id": deal.pk}, "deal": {"stage": "New"}})
    assert [(error["code"], error["path"]) for error in answer.json()["errors"]] == [
        ("no_way_back", "deal.stage")
    ]


# ---- Whose it becomes ----


@pytest.fixture
def reps(db: None) -> list[User]:
    return [
        User.objects.create_user(f"{name}@example.com", "secret word", name=name)
        for name in ("bia", "caio", "duda")
    ]


def owners(sender: Sender, count: int) -> list[str]:
    for number in range(count):
        sender.post({"event_id": f"e{number}", "deal": {"title": f"x{number}"}})
    return [
        deal.owner.name if deal.owner else "" for deal in Deal.objects.order_by("pk").select_related("owner")
    ]


def test_owners_take_turns(sender: Sender, reps: list[User]) -> None:
    bia, _caio, duda = reps
    configure(sender, writing={"owner": "round_robin", "owners": [bia.pk, duda.pk]})
    assert owners(sender, 4) == ["bia", "duda", "bia", "duda"]


def test_all_reps_that_are_there_take_turns_where_nobody_is_named(sender: Sender, reps: list[User]) -> None:
    User.objects.filter(name="caio").update(is_active=False)
    User.objects.create_user("boss@example.com", "secret word", name="boss", role=User.Role.ADMIN)
    configure(sender, writing={"owner": "round_robin"})
    assert owners(sender, 3) == ["bia", "duda", "bia"]


def test_who_has_the_fewest_open_deals_gets_the_next(
    sender: Sender, pipeline: Pipeline, reps: list[User]
) -> None:
    stage = pipeline.stages.get(name="New")
    for rep, count in zip(reps, (2, 1, 0), strict=True):
        for number in range(count):
            create_deal(actor=SYSTEM, stage=stage, title=f"old {number}", fields={"owner": rep})
    configure(sender, writing={"owner": "fewest_open"})
    assert owners(sender, 3)[3:] == ["duda", "caio", "duda"]


def test_an_owner_that_is_named_is_the_owner(sender: Sender, reps: list[User]) -> None:
    configure(sender, writing={"owner": "round_robin"})
    sender.post({"deal": {"title": "x", "owner": "duda@example.com"}})
    assert Deal.objects.get().owner == reps[2]


@pytest.mark.django_db(transaction=True)
def test_no_turn_is_given_twice_at_the_same_moment(endpoint: InboundEndpoint) -> None:
    for name in ("bia", "caio"):
        User.objects.create_user(f"{name}@example.com", "secret word", name=name)
    endpoint.writing = {"owner": "round_robin"}
    endpoint.save()
    at_once(12, lambda number: Sender(endpoint).post({"event_id": f"e{number}", "deal": {"title": "x"}}))
    assert [Deal.objects.filter(owner__name=name).count() for name in ("bia", "caio")] == [6, 6]


# ---- Order ----


def test_an_older_event_of_one_subscription_does_not_undo_a_newer_one(sender: Sender, deal: Deal) -> None:
    def post(at: str, status: str) -> Any:
        plan = {"external_id": "s1", "plan": "Gold", "status": status}
        return sender.post({"occurred_at": at, "match": {"deal_id": deal.pk}, "subscription": plan}).json()

    assert post("2026-11-24T12:00:00Z", "past_due")["status"] == "applied"
    late = post("2026-11-24T11:00:00Z", "active")
    assert (late["status"], late["reason"]) == ("ignored", "stale")
    assert deal.subscriptions.get().status == "past_due"


@pytest.mark.django_db(transaction=True)
def test_the_newest_of_many_events_at_once_stands_in_the_end(endpoint: InboundEndpoint, deal: Deal) -> None:
    def post(number: int) -> Any:
        occurred_at = f"2026-11-24T12:00:{number:02}Z"
        document = {"occurred_at": occurred_at, "match": {"deal_id": deal.pk}, "deal": {"value": number}}
        return Sender(endpoint).post(document).json()["status"]

    assert set(at_once(30, post)) <= {"applied", "ignored"}
    assert f"{Deal.objects.get().value}" == "29.00"


# ---- Several records ----

MANY = {"each": "leads", "fields": {"deal.title": "title", "contact.name": "name", "deal.stage": "stage"}}


def test_the_records_of_one_request_are_applied_together(sender: Sender, pipeline: Pipeline) -> None:
    configure(sender, mapping=MANY)
    answer = sender.post({"leads": [{"title": "a", "name": "Ana"}, {"title": "b", "name": "Bia"}]}).json()
    first, second = Deal.objects.order_by("pk")
    assert (answer["status"], answer["deal"]) == ("applied", first.pk)
    assert answer["changes"]["[1].deal.title"] == [None, "b"]
    request = InboundRequest.objects.get()
    assert request.deals == [first.pk, second.pk]
    assert list(InboundRequest.objects.of_deal(second.pk)) == [request]


def test_a_record_that_cannot_be_applied_takes_the_others_with_it(sender: Sender, pipeline: Pipeline) -> None:
    configure(sender, mapping=MANY)
    answer = sender.post({"leads": [{"title": "a", "name": "Ana"}, {"title": "b", "stage": "Nowhere"}]})
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == ["[1].deal.stage"]
    assert (Deal.objects.count(), Contact.objects.count()) == (0, 0)


def test_what_a_mapping_does_not_want_is_ignored_with_its_reason(sender: Sender) -> None:
    configure(sender, mapping={**MANY, "when": "kind != 'ping'", "otherwise": "Only a ping"})
    answer = sender.post({"kind": "ping", "leads": [{"title": "a"}]}).json()
    assert (answer["status"], answer["reason"], answer["detail"]) == ("ignored", "not_wanted", "Only a ping")
    assert states() == [("ignored", "not_wanted")]


# ---- In the reader's language ----


def test_what_is_wrong_is_told_in_the_language_of_whoever_reads_it(sender: Sender, deal: Deal) -> None:
    document = {"match": {"deal_id": deal.pk}, "deal": {"stage": "Nowhere"}}
    english = sender.post(document).json()["errors"][0]["message"]
    portuguese = sender.post(document, Accept_Language="pt-BR").json()["errors"][0]["message"]
    assert english == "There is no stage “Nowhere” in “Sales”."
    assert portuguese == "A etapa “Nowhere” não existe em “Sales”."
    (kept,) = InboundRequest.objects.order_by("received_at")[0].errors
    assert kept["messages"] == {"en": english, "pt-br": portuguese}
    assert (
        sender.post({"deal": {"value": "x"}}, Accept_Language="pt-BR").json()["errors"][0]["message"]
        != (sender.post({"deal": {"value": "x"}}).json()["errors"][0]["message"])
    )


# ---- Cost ----


def test_a_new_lead_needs_few_queries(sender: Sender, pipeline: Pipeline) -> None:
    def post(number: int) -> None:
        contact = {"name": "Ana", "emails": [f"ana{number}@example.com"], "phones": [f"+55119{number:08}"]}
        deal = {"title": "Lead", "value": "10.00", "add_tags": ["site"], "source": "Site"}
        answer = sender.post({"event_id": f"e{number}", "contact": contact, "deal": deal})
        assert answer.json()["status"] == "applied"

    post(1)
    with CaptureQueriesContext(connection) as captured:
        post(2)
    statements = [query["sql"] for query in captured.captured_queries]
    without_savepoints = [sql for sql in statements if "SAVEPOINT" not in sql]
    assert len(without_savepoints) <= 20
