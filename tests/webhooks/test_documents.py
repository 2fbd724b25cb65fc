"""What a document may hold, judged at the door, and which deal it lands on."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from crm.actors import Actor
from crm.contacts import create_company, create_contact
from crm.deals import create_deal, win_deal
from crm.models import (
    Activity,
    Call,
    Company,
    Contact,
    CustomField,
    Deal,
    LostReason,
    Pipeline,
    Stage,
    Subscription,
    User,
)
from tests.webhooks.conftest import Sender, states
from webhooks.models import InboundRequest

NothingChanges = Callable[[], None]
SYSTEM = Actor.system()


@pytest.mark.parametrize(
    ("document", "code", "path"),
    [
        (None, "null", ""),
        ([], "invalid", ""),
        ("x", "invalid", ""),
        (1, "invalid", ""),
        ({}, "empty", ""),
        ({"event_id": "e1"}, "empty", ""),
        ({"deal": {}}, "empty", ""),
        ({"deal": None, "contact": None}, "empty", ""),
        ({"deal": [{"title": "x"}]}, "invalid", "deal"),
        ({"type": "deal.update", "deal": {"title": "x"}}, "unknown", "type"),
        ({"__proto__": {"admin": True}, "deal": {"title": "x"}}, "unknown", "__proto__"),
        ({"deal": {"title": "x", "created_by": 1}}, "unknown", "deal.created_by"),
        ({"deal": {"title": "x", "version": 9}}, "unknown", "deal.version"),
        ({"deal": {"title": "x"}, "match": {"id": 1}}, "unknown", "match.id"),
        ({"deal": {"title": 5}}, "invalid", "deal.title"),
        ({"deal": {"title": True}}, "invalid", "deal.title"),
        ({"deal": {"title": ""}}, "blank", "deal.title"),
        ({"deal": {"title": "x" * 201}}, "max_length", "deal.title"),
        ({"deal": {"title": "x" * 900_000}}, "max_length", "deal.title"),
        ({"deal": {"stage": ""}}, "blank", "deal.stage"),
        ({"deal": {"stage": 3}}, "invalid", "deal.stage"),
        ({"deal": {"stage": ["Won"]}}, "invalid", "deal.stage"),
        ({"deal": {"status": "WON"}}, "invalid_choice", "deal.status"),
        ({"deal": {"status": 1}}, "invalid_choice", "deal.status"),
        ({"deal": {"value": -1}}, "invalid", "deal.value"),
        ({"deal": {"value": True}}, "invalid", "deal.value"),
        ({"deal": {"value": [1]}}, "invalid", "deal.value"),
        ({"deal": {"value": "NaN"}}, "invalid", "deal.value"),
        ({"deal": {"value": "1e3"}}, "invalid", "deal.value"),
        ({"deal": {"value": "1e999999999"}}, "invalid", "deal.value"),
        ({"deal": {"value": "1,50"}}, "invalid", "deal.value"),
        ({"deal": {"value": "١٢"}}, "invalid", "deal.value"),
        ({"deal": {"value": 1.005}}, "invalid", "deal.value"),
        ({"deal": {"value": "1.0000000001"}}, "invalid", "deal.value"),
        ({"deal": {"value": "9" * 13}}, "invalid", "deal.value"),
        ({"deal": {"currency": "brl"}}, "invalid", "deal.currency"),
        ({"deal": {"owner": "nobody"}}, "invalid", "deal.owner"),
        ({"deal": {"add_tags": "vip"}}, "not_a_list", "deal.add_tags"),
        ({"deal": {"add_tags": ["ok", 5]}}, "invalid", "deal.add_tags[1]"),
        ({"deal": {"add_tags": ["x"] * 50_000}}, "max_length", "deal.add_tags"),
        ({"deal": {"custom_fields": []}}, "invalid", "deal.custom_fields"),
        ({"deal": {"external_ids": {"omie": 7}}}, "id", "deal.external_ids"),
        ({"deal": {"title": "x"}, "match": {}}, "empty", "match"),
        ({"deal": {"title": "x"}, "match": {"deal_id": None}}, "empty", "match"),
        ({"deal": {"title": "x"}, "match": {"deal_id": -1}}, "min_value", "match.deal_id"),
        ({"deal": {"title": "x"}, "match": {"deal_id": True}}, "invalid", "match.deal_id"),
        ({"deal": {"title": "x"}, "match": {"deal_id": 1.5}}, "invalid", "match.deal_id"),
        ({"deal": {"title": "x"}, "match": {"deal_id": "1 OR 1=1"}}, "invalid", "match.deal_id"),
        ({"deal": {"title": "x"}, "match": {"deal_id": {"$ne": None}}}, "invalid", "match.deal_id"),
        (
            {"deal": {"title": "x"}, "match": {"external_id": {"system": "a"}}},
            "required",
            "match.external_id.id",
        ),
        ({"deal": {"title": "x"}, "match": {"tax_id": "12345678901"}}, "invalid", "match.tax_id"),
        ({"deal": {"title": "x"}, "if_missing": "explode"}, "invalid_choice", "if_missing"),
        ({"deal": {"title": "x"}, "occurred_at": -1}, "invalid", "occurred_at"),
        ({"deal": {"title": "x"}, "occurred_at": "NaN"}, "invalid", "occurred_at"),
        ({"deal": {"title": "x"}, "occurred_at": "0001-01-01T00:00:00Z"}, "range", "occurred_at"),
        ({"deal": {"title": "x"}, "occurred_at": "9999-12-31T23:59:59-12:00"}, "overflow", "occurred_at"),
        ({"contact": {"emails": ["not an address"]}}, "invalid", "contact.emails[0]"),
        ({"contact": {"phones": ["call me"]}}, "phone", "contact.phones[0]"),
        ({"company": {"name": "A", "domain": "no domain"}}, "invalid", "company.domain"),
        ({"activity": {"kind": "party"}}, "invalid_choice", "activity.kind"),
        ({"call": {"direction": "in", "duration_seconds": "61"}}, "invalid", "call.duration_seconds"),
        ({"call": {"direction": "in", "recording_url": "javascript:x"}}, "invalid", "call.recording_url"),
        ({"subscription": {"plan": "A", "renews_on": "31/01/2027"}}, "invalid", "subscription.renews_on"),
    ],
)
def test_a_document_that_is_not_valid_is_rejected_with_the_place_of_the_mistake(
    sender: Sender, nothing_changes: NothingChanges, document: Any, code: str, path: str
) -> None:
    response = sender.post(document)
    assert response.status_code == 422
    found = [(error["code"], error["path"]) for error in response.json()["errors"]]
    assert found == [(code, path)]
    assert all(error["message"] for error in response.json()["errors"])
    (request,) = InboundRequest.objects.all()
    assert (request.state, request.reason, request.holds_key) == ("rejected", "invalid", False)
    assert bytes(request.body)
    nothing_changes()


@pytest.mark.parametrize(
    ("deal_part", "code", "path"),
    [
        ({"stage": "wON"}, "unknown", "deal.stage"),
        ({"stage": "W\u043en"}, "unknown", "deal.stage"),
        ({"stage": "Elsewhere"}, "unknown", "deal.stage"),
        ({"pipeline": "Renewals"}, "required", "deal.stage"),
        ({"pipeline": "Renewals", "stage": "Won"}, "unknown", "deal.stage"),
        ({"pipeline": "Nowhere", "stage": "Won"}, "unknown", "deal.pipeline"),
        ({"owner": "nobody@example.com"}, "unknown", "deal.owner"),
        ({"lost_reason": "Because"}, "unknown", "deal.lost_reason"),
        ({"custom_fields": {"nothing": 1}}, "invalid", "deal.custom_fields"),
        ({"custom_fields": {"seats": [1]}}, "invalid", "deal.custom_fields"),
        ({"stage": "Proposal"}, "required", "deal.expected_close_on"),
    ],
)
def test_what_the_document_names_must_exist_and_nothing_is_half_applied(
    sender: Sender,
    deal: Deal,
    nothing_changes: NothingChanges,
    deal_part: dict[str, Any],
    code: str,
    path: str,
) -> None:
    Stage.objects.create(pipeline=Pipeline.objects.create(name="Renewals"), name="Elsewhere")
    Stage.objects.filter(name="Proposal").update(required_fields=["expected_close_on"])
    CustomField.objects.create(entity="deal", key="seats", label="Seats", type="number")
    document = {
        "match": {"deal_id": deal.pk},
        "contact": {"name": "Ana", "emails": ["ana@example.com"]},
        "deal": {"title": "changed", **deal_part},
    }
    response = sender.post(document)
    assert response.status_code == 422
    assert [(error["code"], error["path"]) for error in response.json()["errors"]] == [(code, path)]
    assert Contact.objects.count() == 0
    nothing_changes()


def test_everything_a_document_can_say_of_a_deal_is_written(sender: Sender, deal: Deal) -> None:
    rep = User.objects.create_user("rep@example.com", "secret word", name="Rita")
    LostReason.objects.create(name="Price")
    CustomField.objects.create(entity="deal", key="seats", label="Seats", type="number")
    response = sender.post(
        {
            "event_id": "e1",
            "occurred_at": "2026-11-24T12:00:00Z",
            "match": {"deal_id": deal.pk},
            "deal": {
                "title": "Padaria",
                "stage": "Proposal",
                "status": "lost",
                "value": 10.5,
                "currency": "USD",
                "owner": "REP@example.com",
                "source": "Google",
                "add_tags": ["vip", "b"],
                "remove_tags": ["B"],
                "lost_reason": "Price",
                "custom_fields": {"seats": 3},
                "external_ids": {"omie": "77"},
            },
            "contact": {"name": "Ana", "emails": ["Ana@Example.com"], "phones": ["(11) 91234-5678"]},
            "company": {"name": "Padaria Ltda", "tax_id": "11.222.333/0001-81", "domain": "padaria.example"},
            "activity": {"kind": "task", "subject": "Call", "due_at": "2026-12-01T09:00:00-03:00"},
            "call": {"external_id": "c1", "direction": "in", "from_number": "+5511912345678"},
            "subscription": {
                "external_id": "s1",
                "plan": "Gold",
                "amount": "99.00",
                "renews_on": "2027-01-31",
            },
        }
    )
    assert response.json()["status"] == "applied"
    written = Deal.objects.get()
    contact, company = Contact.objects.get(), Company.objects.get()
    assert (written.title, written.stage.name, written.status) == ("Padaria", "Proposal", "lost")
    assert (f"{written.value}", written.currency, written.owner) == ("10.50", "USD", rep)
    assert (str(written.source), str(written.lost_reason)) == ("Google", "Price")
    assert [tag.name for tag in written.tags.all()] == ["vip"]
    assert written.custom_fields == {"seats": 3}
    assert (written.contact, written.company) == (contact, company)
    assert (contact.emails, contact.phones) == (["ana@example.com"], ["+5511912345678"])
    assert (contact.company, company.tax_id) == (company, "11222333000181")
    assert Activity.objects.get().due_at == datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert (Call.objects.get().deal, Call.objects.get().contact) == (written, contact)
    assert (Subscription.objects.get().deal, f"{Subscription.objects.get().amount}") == (written, "99.00")


@pytest.mark.parametrize(
    ("value", "kept"),
    [("10", "10.00"), ("10.5", "10.50"), (10, "10.00"), (10.5, "10.50"), (1e2, "100.00"), (0, "0.00")],
)
def test_money_is_text_or_a_number(sender: Sender, deal: Deal, value: Any, kept: str) -> None:
    sender.post({"match": {"deal_id": deal.pk}, "deal": {"value": value}})
    assert f"{Deal.objects.get().value}" == kept


def test_null_leaves_a_field_as_it_is(sender: Sender, deal: Deal) -> None:
    document = {"match": {"deal_id": deal.pk}, "deal": {"title": None, "stage": None, "value": "5"}}
    changes = sender.post(document).json()["changes"]
    assert changes == {"deal.value": ["0.00", "5.00"]}


def test_a_request_that_says_what_is_so_already_changes_nothing(
    sender: Sender, deal: Deal, nothing_changes: NothingChanges
) -> None:
    response = sender.post({"match": {"deal_id": deal.pk}, "deal": {"title": deal.title, "status": "open"}})
    assert (response.json()["status"], response.json()["changes"]) == ("applied", {})
    nothing_changes()


# ---- Which deal ----


def _deal(pipeline: Pipeline, title: str, **fields: Any) -> Deal:
    return create_deal(actor=SYSTEM, stage=pipeline.stages.get(name="New"), title=title, fields=fields)


@pytest.mark.parametrize(
    "match",
    [
        {"external_id": {"system": "omie", "id": "77"}},
        {"tax_id": "11.222.333/0001-81"},
        {"tax_id": "529.982.247-25"},
        {"email": "ANA@example.com"},
        {"phone": "(11) 91234-5678"},
        {"phone": "+55 11 8234-5678"},
    ],
)
def test_a_deal_is_found_by_any_of_its_keys(
    sender: Sender, pipeline: Pipeline, match: dict[str, Any]
) -> None:
    company = create_company(actor=SYSTEM, fields={"name": "Padaria", "tax_id": "11222333000181"})
    contact = create_contact(
        actor=SYSTEM,
        fields={
            "name": "Ana",
            "emails": ["ana@example.com"],
            "phones": ["+551191234-5678", "+5511982345678"],
            "tax_id": "52998224725",
        },
    )
    meant = _deal(pipeline, "meant", contact=contact, company=company, external_ids={"omie": "77"})
    _deal(pipeline, "another")
    response = sender.post({"match": match, "if_missing": "reject", "deal": {"stage": "Won"}})
    assert response.json()["deal"] == meant.pk


def test_of_several_deals_the_newest_open_one_is_meant(sender: Sender, pipeline: Pipeline) -> None:
    ana = create_contact(actor=SYSTEM, fields={"name": "Ana", "emails": ["ana@example.com"]})
    _deal(pipeline, "old", contact=ana)
    meant = _deal(pipeline, "new", contact=ana)
    won = _deal(pipeline, "won", contact=ana)
    win_deal(deal_id=won.pk, actor=SYSTEM)
    document = {"match": {"email": "ana@example.com"}, "deal": {"value": "1"}}
    assert sender.post(document).json()["deal"] == meant.pk
    for deal in Deal.objects.open():
        win_deal(deal_id=deal.pk, actor=SYSTEM)
    assert sender.post({**document, "event_id": "later"}).json()["deal"] == won.pk


def test_a_named_pipeline_narrows_what_a_person_is_matched_with(sender: Sender, pipeline: Pipeline) -> None:
    ana = create_contact(actor=SYSTEM, fields={"name": "Ana", "emails": ["ana@example.com"]})
    _deal(pipeline, "sale", contact=ana)
    renewals = Pipeline.objects.create(name="Renewals")
    Stage.objects.create(pipeline=renewals, name="Due")
    sender.post({"match": {"email": "ana@example.com"}, "deal": {"pipeline": "Renewals", "title": "renewal"}})
    assert list(Deal.objects.order_by("pk").values_list("title", "contact")) == [
        ("sale", ana.pk),
        ("renewal", ana.pk),
    ]


LEAD = {"contact": {"name": "Ana", "emails": ["ana@example.com"]}}


@pytest.mark.parametrize(
    ("match", "makes_a_deal"),
    [({}, False), ({"by": "any"}, False), ({"by": "ids"}, True), ({"by": "nothing"}, True)],
)
def test_a_person_may_be_no_reason_to_change_their_deal(
    sender: Sender, pipeline: Pipeline, match: dict[str, Any], makes_a_deal: bool
) -> None:
    first = sender.post(LEAD).json()["deal"]
    again = sender.post({**LEAD, **({"match": match} if match else {}), "event_id": "again"}).json()["deal"]
    assert (again != first) is makes_a_deal
    assert Contact.objects.count() == 1


def test_by_ids_a_deal_is_found_by_its_ids_only(sender: Sender, pipeline: Pipeline) -> None:
    order = {**LEAD, "match": {"by": "ids"}, "deal": {"external_ids": {"shop": "1"}}}
    first = sender.post(order).json()["deal"]
    assert sender.post({**order, "event_id": "again"}).json()["deal"] == first
    assert sender.post({**order, "deal": {"external_ids": {"shop": "2"}}}).json()["deal"] != first
    ours = {**LEAD, "match": {"by": "ids", "deal_id": first}}
    assert sender.post(ours).json()["deal"] == first


def test_somebody_whose_deals_are_closed_gets_a_new_one_where_only_open_ones_are_meant(
    sender: Sender, pipeline: Pipeline
) -> None:
    lead = {**LEAD, "match": {"status": "open"}}
    first = sender.post({**lead, "event_id": "1"}).json()["deal"]
    assert sender.post({**lead, "event_id": "2"}).json()["deal"] == first
    win_deal(deal_id=first, actor=SYSTEM)
    assert sender.post({**lead, "event_id": "3"}).json()["deal"] != first
    assert sender.post({**lead, "match": {"status": "won"}, "event_id": "4"}).json()["deal"] == first


def test_another_order_of_the_same_customer_is_another_deal(sender: Sender, pipeline: Pipeline) -> None:
    first = sender.post(LEAD).json()["deal"]

    def deal_of(system: str, number: str) -> int:
        found: int = sender.post({**LEAD, "deal": {"external_ids": {system: number}}}).json()["deal"]
        return found

    assert deal_of("shop", "1") == first
    second = deal_of("shop", "2")
    assert second != first
    assert deal_of("erp", "1") == second


def test_a_lead_that_is_new_makes_contact_and_deal_and_is_found_the_next_time(
    sender: Sender, pipeline: Pipeline
) -> None:
    lead = {"contact": {"name": "Ana", "phones": ["(11) 91234-5678"]}}
    made = sender.post(lead).json()
    deal = Deal.objects.get()
    assert (deal.title, deal.stage.name, deal.contact) == ("Ana", "New", Contact.objects.get())
    assert made["changes"]["deal.title"] == [None, "Ana"]
    assert made["changes"]["contact.phones"] == [None, ["+5511912345678"]]
    again = sender.post({"contact": {"name": "Ana Lima", "phones": ["+5511912345678"], "emails": ["a@b.co"]}})
    assert again.json()["changes"] == {
        "contact.name": ["Ana", "Ana Lima"],
        "contact.emails": [[], ["a@b.co"]],
        "deal.contact": ["Ana", "Ana Lima"],
    }
    assert again.json()["deal"] == deal.pk


def test_what_it_is_matched_by_is_kept_on_a_new_deal(sender: Sender, pipeline: Pipeline) -> None:
    match = {"external_id": {"system": "omie", "id": "77"}, "tax_id": "11222333000181", "email": "a@b.co"}
    document = {"match": match, "deal": {"title": "New"}}
    first = sender.post({**document, "event_id": "1"}).json()
    for key, value in match.items():
        again = sender.post({"event_id": key, "match": {key: value}, "deal": {"title": "New"}}).json()
        assert (again["deal"], again["changes"]) == (first["deal"], {})


def test_nobody_is_matched_on_an_empty_value(sender: Sender, pipeline: Pipeline) -> None:
    for name in ("Ana", "Bia"):
        sender.post(
            {"contact": {"name": name, "emails": [], "phones": []}, "company": {"name": f"{name} Ltda"}}
        )
    assert Deal.objects.count() == Contact.objects.count() == Company.objects.count() == 2


@pytest.mark.parametrize(
    ("if_missing", "status", "state", "reason"),
    [("ignore", 200, "ignored", "no_match"), ("reject", 422, "rejected", "no_match")],
)
def test_where_no_deal_matches_the_sender_decides(
    sender: Sender,
    deal: Deal,
    nothing_changes: NothingChanges,
    if_missing: str,
    status: int,
    state: str,
    reason: str,
) -> None:
    response = sender.post(
        {"match": {"email": "no@example.com"}, "if_missing": if_missing, "deal": {"title": "x"}}
    )
    assert (response.status_code, response.json()["status"]) == (status, state)
    assert states() == [(state, reason)]
    assert Contact.objects.count() == 0
    nothing_changes()


def test_a_new_deal_without_any_name_is_rejected(sender: Sender, pipeline: Pipeline) -> None:
    response = sender.post({"match": {"deal_id": 999_999}, "deal": {"stage": "Won"}})
    assert [(error["code"], error["path"]) for error in response.json()["errors"]] == [
        ("required", "deal.title")
    ]
    assert Deal.objects.count() == 0


def test_the_endpoints_defaults_stand_in_for_what_a_new_deal_lacks(
    sender: Sender, pipeline: Pipeline
) -> None:
    endpoint = sender.endpoint
    endpoint.default_owner = User.objects.create_user("rep@example.com", "secret word", name="Rita")
    endpoint.default_stage = pipeline.stages.get(name="Proposal")
    endpoint.save()
    sender.post({"deal": {"title": "x"}})
    deal = Deal.objects.get()
    assert (deal.owner, deal.stage) == (endpoint.default_owner, endpoint.default_stage)


def test_an_older_event_is_stale(sender: Sender, deal: Deal) -> None:
    def post(at: str, stage: str) -> Any:
        document = {"occurred_at": at, "match": {"deal_id": deal.pk}, "deal": {"stage": stage}}
        return sender.post(document).json()

    post("2026-11-24T12:00:00Z", "Won")
    late = post("2026-11-24T11:59:59Z", "Proposal")
    assert (late["status"], late["reason"]) == ("ignored", "stale")
    assert Deal.objects.get().stage.name == "Won"
    assert post("2026-11-24T12:00:00Z", "Proposal")["status"] == "applied"


def test_the_reports_of_one_call_become_one_call(sender: Sender, deal: Deal) -> None:
    start = {"external_id": "c1", "direction": "in", "from_number": "+5511912345678"}
    sender.post({"match": {"deal_id": deal.pk}, "call": start})
    sender.post({"call": {"external_id": "c1", "duration_seconds": 61, "status": "answered"}})
    sender.post({"call": {"external_id": "c1", "recording_url": "https://calls.example/1.mp3"}})
    call = Call.objects.get()
    assert (call.deal, call.direction, call.duration_seconds, call.status) == (deal, "in", 61, "answered")
    assert call.recording_url == "https://calls.example/1.mp3"
    assert Deal.objects.count() == 1


def test_a_subscription_is_kept_up_to_date(sender: Sender, deal: Deal) -> None:
    sender.post({"match": {"deal_id": deal.pk}, "subscription": {"external_id": "s1", "plan": "Gold"}})
    sender.post({"subscription": {"external_id": "s1", "status": "past_due"}})
    plan = Subscription.objects.get()
    assert (plan.deal, plan.plan, plan.status) == (deal, "Gold", "past_due")


def test_a_call_is_put_down_to_the_newest_open_deal_of_its_phone(
    sender: Sender, pipeline: Pipeline, deal: Deal
) -> None:
    def of_phone(phone: str) -> Deal:
        contact = {"name": "Ana", "phones": [phone]}
        answer = sender.post({"deal": {"title": phone}, "match": {"phone": phone}, "contact": contact}).json()
        return Deal.objects.get(pk=answer["deal"])

    owner = of_phone("+551187654321")  # as it was before mobiles had nine digits
    start = {"external_id": "c1", "direction": "in", "from_number": "(11) 98765-4321"}
    assert sender.post({"call": start}).json()["deal"] == owner.pk
    outgoing = {"external_id": "c2", "direction": "out", "to_number": "+551187654321"}
    assert sender.post({"call": outgoing}).json()["deal"] == owner.pk
    assert set(Call.objects.values_list("deal", "contact")) == {(owner.pk, owner.contact_id)}


def test_a_recording_may_come_before_the_end_of_its_call(sender: Sender, deal: Deal) -> None:
    sender.post(
        {
            "occurred_at": "2026-11-24T12:05:00Z",
            "match": {"deal_id": deal.pk},
            "call": {"external_id": "c1", "recording_url": "https://calls.example/1.mp3"},
        }
    )
    late = {"external_id": "c1", "direction": "in", "duration_seconds": 61}
    answer = sender.post({"occurred_at": "2026-11-24T12:04:00Z", "call": late, "deal": {"title": "Old"}})
    assert answer.json()["status"] == "applied"
    call = Call.objects.get()
    assert (call.direction, call.duration_seconds) == ("in", 61)
    assert call.recording_url == "https://calls.example/1.mp3"
    deal.refresh_from_db()
    assert deal.title == "ERP for a bakery"  # what is older changes nothing but the call


def test_a_recording_may_come_before_anybody_knows_whose_call_it_is(sender: Sender, deal: Deal) -> None:
    for if_missing in ({}, {"if_missing": "ignore"}):
        first = {"external_id": "c1", "recording_url": "https://calls.example/1.mp3"}
        answer = sender.post({**if_missing, "call": first, "event_id": f"e{len(if_missing)}"}).json()
        assert (answer["status"], answer["deal"]) == ("applied", None)
    start = {"external_id": "c1", "direction": "in", "from_number": "+5511987654321"}
    found = sender.post({"call": start}).json()["deal"]
    call = Call.objects.get()
    assert (call.deal_id, call.from_number) == (found, "+5511987654321")
    assert (call.recording_url, call.recording_state) == ("https://calls.example/1.mp3", "waiting")
    assert call.recording_told_at is not None


def test_a_part_of_a_call_that_nobody_knows_is_refused_where_that_is_asked_for(
    sender: Sender, deal: Deal
) -> None:
    answer = sender.post({"if_missing": "reject", "call": {"external_id": "c1", "status": "ringing"}})
    assert (answer.status_code, Call.objects.count()) == (422, 0)
