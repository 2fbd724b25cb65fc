"""From any body to native documents: what a mapping reads, in which order, and what it makes of a value."""

from decimal import Decimal
from typing import Any

import pytest

from webhooks.documents import read_document
from webhooks.mapping import NotWanted, check_mapping, read_records
from webhooks.problems import InvalidDocument

LEADS = {
    "each": "leads",
    "when": "event != 'test'",
    "otherwise": "Only a test",
    "fields": {
        "event_id": "id",
        "contact.name": "trim(name)",
        "contact.emails": "[email]",
        "contact.phones": "[to_phone(phone, 'BR')]",
        "deal.title": "join(' ', ['Lead', trim(name)])",
        "deal.value": "from_minor(amount, currency)",
        "deal.stage": 'lookup(status, `{"paid": "Won"}`)',
        "deal.custom_fields.plan": "plan.name",
    },
}
ANA = {
    "id": 7,
    "name": " Ana ",
    "phone": "(11) 95550-0100",
    "amount": 19900,
    "currency": "brl",
    "status": "paid",
}


def documents(mapping: Any, body: Any, **headers: str) -> list[Any]:
    assert check_mapping(mapping) == []
    return [record.document for record in read_records(mapping, body, headers=headers)]


def document(fields: dict[str, str], body: Any, **more: Any) -> Any:
    (made,) = documents({"fields": fields, **more}, body)
    return made


def test_each_record_of_a_list_becomes_a_document() -> None:
    bia = {"id": 8, "name": "Bia", "email": "bia@example.com", "plan": {"name": "Gold"}}
    first, second = documents(LEADS, {"leads": [ANA, bia]})
    assert first == {
        "event_id": "7",
        "contact": {"name": "Ana", "phones": ["+5511955500100"]},
        "deal": {"title": "Lead Ana", "value": "199.00", "stage": "Won"},
    }
    assert second["contact"] == {"name": "Bia", "emails": ["bia@example.com"]}
    assert second["deal"] == {"title": "Lead Bia", "custom_fields": {"plan": "Gold"}}
    assert read_document(first)["deal"]["value"] == Decimal("199.00")


@pytest.mark.parametrize(
    "body",
    [
        {"event": "test", "leads": [ANA]},
        {"leads": [{**ANA, "event": "test"}]},
        {"leads": []},
        {"leads": None},
        {},
    ],
)
def test_what_the_condition_leaves_out_is_not_wanted_and_the_reason_is_told(body: Any) -> None:
    with pytest.raises(NotWanted) as unwanted:
        documents(LEADS, body)
    assert unwanted.value.why == "Only a test"


def test_a_condition_sees_the_record_before_the_body_around_it() -> None:
    body = {"event": "test", "leads": [{**ANA, "event": "lead"}, ANA]}
    assert [made["event_id"] for made in documents(LEADS, body)] == ["7"]


def test_the_first_mapping_whose_condition_holds_reads_a_record() -> None:
    mapping = [
        {"when": "type == 'lead'", "fields": {"deal.title": "name"}},
        {"when": "type == 'paid'", "fields": {"deal.status": "'won'", "deal.title": "name"}},
        {"when": "type", "fields": {"activity.body": "join(': ', [type, name])"}},
    ]
    assert documents(mapping, {"type": "lead", "name": "A"}) == [{"deal": {"title": "A"}}]
    assert documents(mapping, {"type": "paid", "name": "A"}) == [{"deal": {"title": "A", "status": "won"}}]
    assert documents(mapping, {"type": "seen", "name": "A"}) == [{"activity": {"body": "seen: A"}}]
    with pytest.raises(NotWanted):
        documents(mapping, {"name": "A"})


def test_the_records_of_one_list_may_each_be_read_by_another_mapping() -> None:
    mapping = [
        {"each": "gone", "fields": {"deal.title": "'never'"}},
        {"each": "events", "when": "kind == 'a'", "fields": {"deal.title": "join('', ['a', id])"}},
        {"each": "events", "when": "kind == 'b'", "fields": {"activity.body": "join('', ['b', id])"}},
        {"fields": {"deal.title": "'the body itself'"}},
    ]
    body = {"events": [{"kind": "b", "id": 1}, {"kind": "c", "id": 2}, {"kind": "a", "id": 3}]}
    records = read_records(mapping, body, headers={})
    assert [(record.number, record.document) for record in records] == [
        (0, {"activity": {"body": "b1"}}),
        (2, {"deal": {"title": "a3"}}),
    ]
    assert documents(mapping, {"events": []}) == [{"deal": {"title": "the body itself"}}]


def test_an_expression_sees_the_whole_body_and_the_headers() -> None:
    mapping = {
        "each": "lines",
        "when": "header('X-Topic') == 'orders'",
        "fields": {"deal.title": "join(' ', [root().shop, sku])", "deal.source": "header('x-shop')"},
    }
    made = documents(mapping, {"shop": "A", "lines": [{"sku": "1"}]}, **{"X-TOPIC": "orders", "X-Shop": "B"})
    assert made == [{"deal": {"title": "A 1", "source": "B"}}]


@pytest.mark.parametrize(
    ("path", "value", "fits"),
    [
        ("deal.title", 7, "7"),
        ("deal.title", 7.0, "7"),
        ("deal.title", True, "true"),
        ("deal.external_ids.omie", 450789469, "450789469"),
        ("contact.emails", "a@b.co", ["a@b.co"]),
        ("contact.emails", [None, "", "a@b.co"], ["a@b.co"]),
        ("deal.add_tags", ["a", 2], ["a", "2"]),
        ("deal.value", 149.99, Decimal("149.99")),
        ("deal.value", 10, 10),
        ("call.duration_seconds", "61", 61),
        ("call.duration_seconds", 61.0, 61),
        ("match.deal_id", "12", 12),
        ("deal.status", " won ", "won"),
        ("deal.custom_fields.seats", 3, 3),
        ("deal.custom_fields.rate", 1.5, Decimal("1.5")),
        ("deal.custom_fields.a.b", ["x"], ["x"]),
        ("deal.owner", "@clear", "@clear"),
    ],
)
def test_a_value_is_brought_into_the_form_of_its_field(path: str, value: Any, fits: Any) -> None:
    made = document({path: "value"}, {"value": value})
    place, _dot, last = path.partition(".")
    if last.startswith(("external_ids.", "custom_fields.")):
        group, _dot, last = last.partition(".")
        made = {place: made[place][group]}
    assert made[place] == {last: fits}


@pytest.mark.parametrize("value", [None, "", "   ", [], [None], [""]])
def test_what_is_nothing_is_left_out(value: Any) -> None:
    fields = {"contact.emails": "value", "deal.title": "'x'"}
    assert document(fields, {"value": value}) == {"deal": {"title": "x"}}


def test_a_whole_group_and_single_fields_of_it_go_together() -> None:
    fields = {"deal.custom_fields.plan": "'Gold'", "deal.custom_fields": "answers"}
    made = document(fields, {"answers": {"plan": "?", "seats": 3}})
    assert made == {"deal": {"custom_fields": {"plan": "Gold", "seats": 3}}}


def test_a_part_that_holds_nothing_of_the_senders_is_left_out() -> None:
    fields = {
        "deal.stage": "'Won'",
        "match.external_id.system": "'erp'",
        "match.external_id.id": "id",
        "activity.kind": "'note'",
        "activity.body": "message",
        "call.direction": "'in'",
        "call.external_id": "call_id",
    }
    assert document(fields, {}) == {"deal": {"stage": "Won"}}
    assert document(fields, {"id": 5})["match"] == {"external_id": {"system": "erp", "id": "5"}}
    assert document(fields, {"message": "Hi"})["activity"] == {"kind": "note", "body": "Hi"}


def test_clearing_a_field_has_a_word_of_its_own() -> None:
    made = document({"deal.owner": "clear()", "deal.custom_fields.plan": "clear()", "deal.title": "gone"}, {})
    assert made == {"deal": {"owner": "@clear", "custom_fields": {"plan": "@clear"}}}
    assert read_document(made) == {"deal": {"owner": None, "custom_fields": {"plan": None}}}


def test_all_expressions_that_fail_are_told_with_their_fields() -> None:
    fields = {
        "contact.phones": "[to_phone(phone, 'BR')]",
        "deal.value": "to_money(total)",
        "deal.title": "'x'",
    }
    with pytest.raises(InvalidDocument) as refused:
        documents({"each": "@", "fields": fields}, [{"phone": "x", "total": "y"}])
    assert [(each["code"], each["path"]) for each in refused.value.problems] == [
        ("expression", "[0].contact.phones"),
        ("expression", "[0].deal.value"),
    ]


@pytest.mark.parametrize(
    ("mapping", "body", "code", "path"),
    [
        ({"each": "leads", "fields": {"deal.title": "x"}}, {"leads": {"a": 1}}, "not_a_list", "each"),
        ({"each": "@", "fields": {"deal.title": "x"}}, [1] * 501, "max_length", "each"),
        ({"when": "length(a)", "fields": {"deal.title": "x"}}, {}, "expression", "when"),
    ],
)
def test_a_body_that_a_mapping_cannot_go_through_is_refused(
    mapping: Any, body: Any, code: str, path: str
) -> None:
    with pytest.raises(InvalidDocument) as refused:
        documents(mapping, body)
    assert [(each["code"], each["path"]) for each in refused.value.problems] == [(code, path)]


def test_all_records_of_a_body_share_the_work_that_may_be_made() -> None:
    fields = {f"deal.custom_fields.f{number}": "root()" for number in range(100)}
    with pytest.raises(InvalidDocument) as refused:
        documents({"each": "items", "fields": fields}, {"items": list(range(500))})
    assert {each["code"] for each in refused.value.problems} == {"expression"}


def test_a_position_in_an_expression_is_told() -> None:
    ((path, message),) = check_mapping({"fields": {"deal.title": "join(' ', [name"}})
    assert (path, message.endswith("(character 16)")) == ("fields.deal.title", True)
