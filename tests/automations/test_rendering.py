import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from automations.models import Rule
from automations.rendering import FAILED, TOO_LARGE, Rendered, render

DOCUMENT: dict[str, Any] = {
    "type": "deal.won",
    "data": {"deal": {"title": "Padaria & Cia", "tags": ["VIP", "novo"], "contact": None, "version": 3}},
    "test": False,
}


def rendered(expression: str, *, form: bool = False) -> Rendered:
    rule = Rule(payload={"mode": "custom", "expression": expression})
    return render(rule, document=DOCUMENT, form=form)


def test_the_standard_document_is_the_default() -> None:
    found = render(Rule(), document=DOCUMENT, form=False)
    assert (json.loads(found.body), found.content_type, found.problem) == (DOCUMENT, "application/json", "")


@pytest.mark.parametrize(
    ("expression", "body"),
    [
        ("{name: data.deal.title, source: 'CRM', n: `1`}", b'{"name":"Padaria & Cia","source":"CRM","n":1}'),
        ("data.deal.tags", b'["VIP","novo"]'),
        ("data.deal.title", b'"Padaria & Cia"'),
        ("data.deal.contact", b"null"),
    ],
)
def test_an_expression_gives_an_object_a_list_or_a_value(expression: str, body: bytes) -> None:
    assert rendered(expression) == Rendered(body, "application/json", "")


def test_a_form_has_nested_keys_in_brackets() -> None:
    found = rendered("{deal: data.deal, test: test}", form=True)
    assert (found.content_type, found.problem) == ("application/x-www-form-urlencoded", "")
    assert parse_qsl(found.body.decode(), keep_blank_values=True) == [
        ("deal[title]", "Padaria & Cia"),
        ("deal[tags][0]", "VIP"),
        ("deal[tags][1]", "novo"),
        ("deal[contact]", ""),
        ("deal[version]", "3"),
        ("test", "false"),
    ]


@pytest.mark.parametrize(
    ("expression", "form", "problem"),
    [
        ("data.deal.tags", True, FAILED),
        ("to_money(data.deal.title)", False, FAILED),
        ('`"\\ud800"`', False, FAILED),
        ("not an expression", False, FAILED),
        ("map(&[@,@,@,@], split(replace('" + "a" * 18_000 + "', 'a', 'a,'), ','))", False, TOO_LARGE),
    ],
)  # fmt: skip
def test_what_cannot_be_rendered_is_a_problem_without_bytes(
    expression: str, form: bool, problem: str
) -> None:
    found = rendered(expression, form=form)
    assert (found.body, found.problem) == (b"", problem)


def test_the_limit_is_256_kib_exactly() -> None:
    document = {"text": "x" * (256 * 1024 - len('{"text":""}'))}
    assert len(render(Rule(), document=document, form=False).body) == 256 * 1024
    document["text"] += "x"
    assert render(Rule(), document=document, form=False).problem == TOO_LARGE
