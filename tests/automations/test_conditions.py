from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automations.conditions import OPERATORS, condition_checks, meets, problems_of

DATA: dict[str, Any] = {
    "deal": {
        "value": "1500.00",
        "title": "ERP for a Bakery",
        "tags": ["VIP", "new"],
        "owner": {"id": 2, "name": "Bruna", "email": "bruna@example.com"},
        "stage": {"id": 3, "name": "Proposal"},
        "contact": None,
        "source": "Site",
        "custom_fields": {"plan": "gold", "users": 20, "trial": True},
        "stage_entered_at": "2026-11-24T12:00:00.120Z",
        "expected_close_on": "2026-12-15",
    },
    "previous": {"stage": {"id": 2, "name": "Contacted"}, "custom_fields.plan": "silver"},
    "changed_by": {"kind": "inbound", "id": 1, "name": "ERP"},
}
DOCUMENT = {"type": "deal.stage_changed", "data": DATA}


def met(field: str, op: str, value: Any = None) -> bool:
    conditions = {"match": "all", "rows": [{"field": field, "op": op, "value": value}]}
    assert problems_of(conditions) == []
    return meets(conditions, document=DOCUMENT)


@pytest.mark.parametrize(
    ("field", "op", "value", "other"),
    [
        ("deal.value", "eq", "1500", "1500.01"),
        ("deal.value", "ne", 99, 1500),
        ("deal.title", "eq", "erp FOR a bakery", "erp"),
        ("deal.custom_fields.trial", "eq", True, False),
        ("deal.stage", "eq", 3, 2),
        ("deal.stage.name", "in", ["proposal"], ["Won"]),
        ("deal.owner", "eq", "bruna@example.com", "x@example.com"),
        ("deal.source", "not_in", ["Ads"], ["site"]),
        ("deal.title", "contains", "bakery", "b.*y"),
        ("deal.title", "starts_with", "erp", "bakery"),
        ("deal.value", "gt", "999.99", "1500.00"),
        ("deal.value", "gte", "1500", "1500.01"),
        ("deal.value", "lt", 10000, 1500),
        ("deal.value", "lte", 1500, "1499.99"),
        ("deal.value", "between", ["1000", "1500"], ["1501", "2000"]),
        ("deal.expected_close_on", "lt", "2026-12-16", "2026-12-15"),
        ("deal.stage_entered_at", "gt", "2026-11-24T08:00:00-03:00", "2026-11-24T12:00:01Z"),
        ("deal.stage_entered_at", "eq", "2026-11-24", "2026-11-25"),
        ("deal.stage", "changed_from", "contacted", "Proposal"),
        ("deal.stage", "changed_to", 3, 2),
        ("deal.custom_fields.plan", "changed_from", "silver", "gold"),
        ("deal.tags", "has_any", ["vip", "x"], ["x"]),
        ("deal.tags", "has_all", ["vip", "NEW"], ["vip", "x"]),
        ("deal.tags", "has_none", ["x"], ["x", "vip"]),
        ("changed_by.kind", "eq", "inbound", "user"),
        ("previous.stage.id", "eq", 2, 3),
    ],
)
def test_an_operator_is_met_by_what_it_says_only(field: str, op: str, value: Any, other: Any) -> None:
    assert met(field, op, value)
    assert not met(field, op, other)


@pytest.mark.parametrize(
    ("field", "op", "expected"),
    [
        ("deal.contact", "is_empty", True),
        ("deal.contact.name", "is_empty", True),
        ("deal.title", "is_empty", False),
        ("deal.title", "not_empty", True),
        ("deal.stage", "changed", True),
        ("deal.stage.id", "changed", True),
        ("deal.custom_fields", "changed", True),
        ("deal.custom_fields.plan", "changed", True),
        ("deal.custom_fields.users", "changed", False),
        ("deal.value", "changed", False),
    ],
)
def test_emptiness_and_change_need_no_value(field: str, op: str, expected: bool) -> None:
    assert met(field, op) is expected


def test_rows_are_joined_by_all_or_any_and_the_expression_holds_beside_them() -> None:
    yes = {"field": "deal.value", "op": "gt", "value": 1}
    no = {"field": "deal.value", "op": "lt", "value": 1}
    assert not meets({"match": "all", "rows": [yes, no]}, document=DOCUMENT)
    assert meets({"match": "any", "rows": [yes, no]}, document=DOCUMENT)
    assert meets({}, document=DOCUMENT)
    assert meets({"match": "any", "rows": []}, document=DOCUMENT)
    expression = "data.deal.custom_fields.plan == 'gold'"
    assert meets({"rows": [yes], "expression": expression}, document=DOCUMENT)
    assert not meets({"rows": [yes], "expression": "data.deal.contact"}, document=DOCUMENT)


def test_an_expression_that_fails_is_not_met_and_says_why() -> None:
    conditions = {"expression": "to_money(data.deal.title)"}
    assert not meets(conditions, document=DOCUMENT)
    (check,) = condition_checks(conditions, document=DOCUMENT)
    assert (check.passed, "is no amount of money" in check.check) == (False, True)


def test_each_row_is_a_check_in_words() -> None:
    rows = [
        {"field": "deal.value", "op": "gte", "value": "1000"},
        {"field": "deal.tags", "op": "has_any", "value": ["x", "y"]},
    ]
    checks = condition_checks({"match": "all", "rows": rows}, document=DOCUMENT)
    assert [(check.check, check.passed) for check in checks] == [
        ("deal.value is at least 1000", True),
        ("deal.tags has any of x, y", False),
    ]


def test_a_row_is_told_in_the_words_of_people_where_they_have_any() -> None:
    rows = [
        {"field": "deal.stage.id", "op": "in", "value": [3, 9]},
        {"field": "deal.value", "op": "between", "value": ["1", "2"]},
        {"field": "deal.stage.name", "op": "eq", "value": "x"},
    ]
    labels = {"deal.stage.id": ("Stage", {"3": "Sales: Proposal"}), "deal.value": ("Value", {})}
    checks = condition_checks({"rows": rows}, document=DOCUMENT, labels=labels)
    assert [check.check for check in checks] == [
        "Stage is one of Sales: Proposal, 9",
        "Value is between 1 and 2",
        "deal.stage.name is x",
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"field": "deal.value", "op": "matches", "value": ".*"},
        {"field": "deal.value", "op": ["eq"], "value": 1},
        {"field": "deal.vlaue", "op": "eq", "value": 1},
        {"field": "deal", "op": "is_empty"},
        {"field": "secret.x", "op": "eq", "value": 1},
        {"field": "deal.value", "op": "gt", "value": "much"},
        {"field": "deal.value", "op": "eq", "value": None},
        {"field": "deal.value", "op": "eq", "value": {"a": 1}},
        {"field": "deal.value", "op": "in", "value": "a"},
        {"field": "deal.value", "op": "in", "value": [["a"]]},
        {"field": "deal.value", "op": "between", "value": [2, 1]},
        {"field": "deal.value", "op": "between", "value": [1, "2026-11-24"]},
        {"field": "deal.title", "op": "contains", "value": ""},
        {"field": "deal.title", "op": "eq", "value": "\0"},
        {"field": "deal.title", "op": "eq", "value": "x" * 1001},
        {"field": "deal.title", "op": "is_empty", "value": "x"},
        {"field": "changed_by.kind", "op": "changed"},
        {"field": "deal.title", "op": "eq", "value": "a", "extra": 1},
        "deal.title",
    ],
)
def test_a_row_that_makes_no_sense_is_refused_by_its_number(row: object) -> None:
    good = {"field": "deal.value", "op": "gt", "value": 1}
    (problem,) = problems_of({"match": "all", "rows": [good, row]})
    assert problem.startswith("Row 2: ")


@pytest.mark.parametrize(
    "conditions",
    [
        [],
        {"match": "some"},
        {"rows": {}},
        {"colour": "red"},
        {"rows": [{"field": "deal.value", "op": "gt", "value": 1}] * 51},
        {"expression": 1},
    ],
)
def test_conditions_of_another_shape_are_refused(conditions: object) -> None:
    assert len(problems_of(conditions)) == 1


def test_an_expression_is_refused_with_the_place_of_its_error() -> None:
    assert problems_of({"expression": "a | foo(b)"}) == ["There is no function “foo”. (at character 5)"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "value"]), inner),
    max_leaves=6,
)  # fmt: skip
SCALARS = st.one_of(
    st.text(max_size=9), st.integers(), st.booleans(), st.dates().map(str), st.datetimes().map(str)
)


@given(
    data=st.dictionaries(st.sampled_from(["deal", "previous", "changed_by", "call"]), VALUES),
    field=st.sampled_from(["deal.value", "deal.tags", "deal.custom_fields.a", "previous.value", "call.name"]),
    op=st.sampled_from(sorted(OPERATORS)),
    value=st.none() | SCALARS | st.lists(SCALARS, min_size=1, max_size=2),
)
def test_no_document_makes_a_valid_condition_raise(data: Any, field: str, op: str, value: Any) -> None:
    conditions = {"match": "all", "rows": [{"field": field, "op": op, "value": value}]}
    if not problems_of(conditions):
        document = {"data": data}
        assert condition_checks(conditions, document=document)[0].passed == meets(
            conditions, document=document
        )
