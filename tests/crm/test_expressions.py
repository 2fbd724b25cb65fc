import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.expressions import ExpressionError, compile, evaluate  # noqa: A004

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
DOCUMENT: dict[str, Any] = {
    "phone": "(11) 95550-0100",
    "n": list(range(20_000)),
    "nothing": None,
    "text": "aaa",
}


def value(text: str, document: Any = None) -> Any:
    return evaluate(compile(text), DOCUMENT if document is None else document)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("to_phone(phone, 'BR')", "+5511955500100"),
        ("digits(phone)", "11955500100"),
        ("cpf('529.982.247-25')", "52998224725"),
        ("cnpj('11.222.333/0001-81')", "11222333000181"),
        ("to_money('R$ 1.234,56')", "1234.56"),
        ("to_money('1,234.56')", "1234.56"),
        ("to_money('1.500')", "1500.00"),
        ("to_money('12,5')", "12.50"),
        ("to_money(`1.5`)", "1.50"),
        ("from_minor(`1999`, 'BRL')", "19.99"),
        ("from_minor('1999', 'JPY')", "1999.00"),
        ("from_minor('1999', 'KWD')", "1.999"),
        ("to_date('24/11/2026')", "2026-11-24"),
        ("to_date('2026-11-24T23:59:00-03:00')", "2026-11-24"),
        ("to_datetime('2026-11-24T12:00:00-03:00')", "2026-11-24T15:00:00.000Z"),
        ("to_datetime(`1700000000`)", "2023-11-14T22:13:20.000Z"),
        ("to_datetime(`1700000000000`)", "2023-11-14T22:13:20.000Z"),
        ("to_datetime('Tue, 24 Nov 2026 12:00:00 GMT')", "2026-11-24T12:00:00.000Z"),
        ("trim('  a b ')", "a b"),
        ("lower('ÁB')", "áb"),
        ("upper('usd')", "USD"),
        ('total(`[{"n": 3, "price": "1.50"}, {"n": 2, "price": 10}]`, [\'n\', \'price\'])', "24.50"),
        ("total(nothing, ['n'])", None),
        ("title('JOÃO da silva')", "João Da Silva"),
        ("split('a;b', ';')", ["a", "b"]),
        ("replace('a.b', '.', '-')", "a-b"),
        ('lookup(\'paid\', `{"paid": "Won"}`)', "Won"),
        ('lookup(\'other\', `{"paid": "Won"}`)', None),
        ("default(nothing, 'x')", "x"),
        ("default('a', 'x')", "a"),
        ("to_json('{\"a\": [1]}').a[0]", 1),
        ("phone_or_null(phone, 'BR')", "+5511955500100"),
        ("phone_or_null('anonymous', 'DE')", None),
        ("phone_or_null(nothing, 'BR')", None),
        ("phone_or_null(`[1]`, 'BR')", None),
        ("email_or_null(' ana@example.com')", "ana@example.com"),
        ("email_or_null('Ana Lima <ana@example.com>')", "ana@example.com"),
        ("email_or_null('ana at example')", None),
        ("email_or_null(nothing)", None),
        ("money_or_null('R$ 1.500,00')", "1500.00"),
        ("money_or_null('between 10 and 20')", None),
        ("money_or_null(`true`)", None),
        ("money_or_null(`1500.125`)", None),
        ("cpf_or_null('529.982.247-25')", "52998224725"),
        ("cpf_or_null('1')", None),
        ("cnpj_or_null('11.222.333/0001-81')", "11222333000181"),
        ("cnpj_or_null(`[]`)", None),
        ('field(`{"E-Mail": "a@b.c", "mail": "d"}`, [\'email\', \'mail\'])', "a@b.c"),
        ('field(`{"email": "", "Your mail": "d"}`, [\'email\', \'your_mail\'])', "d"),
        ("field(nothing, ['email'])", None),
        (
            'lines(`{"Name": {"first": "Ana", "last": "Lima"}, "n": [1, 2]}`, [\'\'])',
            "Name: Ana Lima\nn: 1, 2",
        ),
        ('lines(`{"Name": "Ana", "E-mail": "a", "x": ""}`, [\'name\', \'email\'])', None),
        ("lines(nothing, ['name'])", None),
        (
            'keyed(`{"Canal do Anúncio [utm]": "google", "2x": 1, "9": 2, "b": ""}`)',
            {"canal_do_anuncio_utm": "google", "x": 1},
        ),
        ("keyed(nothing)", None),
        ("text < `3`", None),
        ("join(' ', ['Ana', nothing, '', 'Lima', `7`])", "Ana Lima 7"),
        ("join(' ', nothing)", None),
        ("first([nothing, '', 'a', 'b'])", "a"),
        ("first(nothing)", None),
        ("clear()", "@clear"),
        ("header('X-Topic')", None),
        ("n[?@ == root().n[3]]", [3]),
        ("to_phone('5511955500100', 'BR')", "+5511955500100"),
        ("to_phone('whatsapp:+5511955500100', 'BR')", "+5511955500100"),
        ("to_date('24/11/2026 08:30')", "2026-11-24"),
        ("to_datetime('20261124T120000Z')", "2026-11-24T12:00:00.000Z"),
        ("to_date('20261124')", "2026-11-24"),
    ],
)
def test_the_functions_do_what_they_are_called(text: str, expected: object) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    "name", ["digits", "cpf", "cnpj", "to_money", "to_date", "to_datetime", "trim", "lower"]
)
def test_nothing_gives_nothing(name: str) -> None:
    assert value(f"{name}(nothing)") is None


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("a.", 2),
        ("a]", 1),
        ("a =b", 2),
        ("'abc", 0),
        ("a | foo(b)", 4),
        ("a | trim(b, c)", 4),
        ("x[?bar(@)].trim(@)", 3),
        ('`"a`', 0),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_is_wrong(text: str, position: int) -> None:
    with pytest.raises(ExpressionError) as refused:
        compile(text)
    assert refused.value.position == position


@pytest.mark.parametrize(
    "text",
    ["to_phone('x', 'BR')", "to_money('abc')", "to_money('deal.won')", "to_money('room 12')",
     "to_money('1.23456')", "cpf('1')", "to_date('soon')", "to_json('{')",
     "from_minor(`1`, 'ZZZ')", "from_minor('1.5', 'BRL')", "trim(`{}`)", "split('a', '')", "replace('a', '', 'b')",
     "&a", "sum(`[\"a\"]`)", "n[::`0`]"],
)  # fmt: skip
def test_what_is_there_and_cannot_be_understood_is_an_error(text: str) -> None:
    with pytest.raises(ExpressionError):
        value(text)


@pytest.mark.parametrize(
    "text",
    [
        "[@, @]" + " | [@, @]" * 80,
        "[@, @]" + " | [@, @][]" * 80,
        "(" * 3000 + "a" + ")" * 3000,
        "a || " * 300 + "a",
        "`" + "[" * 5000 + "`",
        "n[?contains(to_string([@, @]), 'q')]",
        "join('" + "x" * 9000 + "', map(&'" + "y" * 1000 + "', n))",
        "replace('" + "a" * 9000 + "', 'a', '" + "b" * 9000 + "')",
        "9" * 6000,
        "a" * 20_001,
    ],
)
def test_no_expression_hangs(text: str) -> None:
    began = time.perf_counter()
    with contextlib.suppress(ExpressionError):
        value(text)
    assert time.perf_counter() - began < 5


@given(st.text(alphabet="ab.[]{}()|&!?*@,:'\"`019=<> \\", max_size=40))
def test_any_text_is_an_expression_or_an_expression_error(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        evaluate(compile(text), {"a": [1, {"b": "x"}], "b": {"a": None}})
