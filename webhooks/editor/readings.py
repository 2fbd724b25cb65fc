"""The ways to read a value of a sample: those that fit the field and the value, each with what it gives.

A way is offered only where it gives something of this very value, so that nobody chooses between functions by their
names; what it writes is an expression like any other.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm import expressions
from crm.expressions import ExpressionError, Surroundings
from webhooks.editor.samples import Pick, Sample, picks_of, record_of
from webhooks.mapping.fields import Kind

_LONGEST_SHOWN = 60
_OF_A_LIST = re.compile(r"(?P<items>.*[^|\s])\[0\](?P<rest>(?:\.[^\[\]|]+)?)")
_PHONE = re.compile(r"\+?[\d\s().-]{8,22}")
_CPF = re.compile(r"\d{3}\.\d{3}\.\d{3}-\d\d")
_DAY = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}/\d{1,2}/\d{4}|[A-Z][a-z]{2}, \d|\d{8}\Z")
_CURRENCY_NAMES = ("currency", "currency_code", "currencyCode", "moeda")
_SECONDS, _MILLISECONDS = (1e9, 2.2e9), (1e12, 2.2e12)  # from 2001 to 2039


@dataclass(frozen=True, slots=True)
class Way:
    """`form` is an expression with {0} for the value's, and {currency}; `looks` says of which values it is offered."""

    label: str | Promise
    form: str
    looks: Callable[[Any], bool] = lambda _value: True
    kinds: frozenset[Kind] = frozenset()  # of fields, where the ways of a kind do not say it


@dataclass(frozen=True, slots=True)
class Reading:
    """The whole expression of a way to read a value, and what it gives."""

    label: str | Promise
    expression: str
    shown: str


def _written(value: Any) -> str:
    is_written = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value).strip() if is_written else ""


def _number(value: Any) -> float | None:
    written = _written(value)
    return float(written) if re.fullmatch(r"\d{1,15}(\.\d+)?", written) else None


def _is_whole(value: Any) -> bool:
    number = _number(value)
    return number is not None and number.is_integer()


def _between(span: tuple[float, float]) -> Callable[[Any], bool]:
    return lambda value: (number := _number(value)) is not None and span[0] <= number < span[1]


def _has(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: pattern.match(_written(value)) is not None


def _is_phone(value: Any) -> bool:
    written = _written(value)
    return _PHONE.fullmatch(written) is not None and not (_DAY.match(written) or _CPF.fullmatch(written))


def _is_amount(value: Any) -> bool:
    return len(_written(value)) <= 20 and not _written(value).startswith("+")


def _is_in_one_case(value: Any) -> bool:
    written = _written(value)
    return " " in written and (written.isupper() or written.islower())


def _holds(mark: str, *, no: str = "\0") -> Callable[[Any], bool]:
    return lambda value: mark in _written(value) and no not in _written(value)


AS_IS = Way(_("As it is"), "{0}")
TRIMMED = Way(_("E-mail"), "trim({0})", _holds("@"))
TITLE = Way(_("Each word with a large first letter"), "title({0})", _is_in_one_case)
DIGITS = Way(_("Digits only"), "digits({0})", lambda value: re.search(r"\d", _written(value)) is not None)
MONEY = Way(_("Amount, such as 1,234.56"), "to_money({0})", _is_amount)
CENTS = Way(_("Amount in cents"), "from_minor({0}, {currency})", _is_whole)
CPF, CNPJ = Way("CPF", "cpf({0})"), Way("CNPJ", "cnpj({0})")
PHONES = (
    Way(_("Telephone, Brazil"), "to_phone({0}, 'BR')", _is_phone),
    Way(_("Telephone, Portugal"), "to_phone({0}, 'PT')", _is_phone),
    Way(_("Telephone, United States"), "to_phone({0}, 'US')", _is_phone),
)
SPLIT = (
    Way(_("Several, between commas"), "split({0}, ', ')", _holds(", ")),
    Way(_("Several, between commas"), "split({0}, ',')", _holds(",", no=", ")),
    Way(_("Several, between semicolons"), "split({0}, ';')", _holds(";")),
)


def _times(function: str) -> tuple[Way, ...]:
    form = f"{function}({{0}})"
    return (
        Way(_("Date"), form, _has(_DAY)),
        Way(_("Date in Unix seconds"), form, _between(_SECONDS)),
        Way(_("Date in Unix milliseconds"), form, _between(_MILLISECONDS)),
    )


_DAYS, _MOMENTS = _times("to_date"), _times("to_datetime")
# In the order in which they are offered; the first that gives something is taken by itself.
_WAYS: dict[Kind, tuple[Way, ...]] = {
    Kind.TEXT: (AS_IS, TITLE, CPF, CNPJ, DIGITS, *PHONES, *_DAYS),
    Kind.TEXTS: (*SPLIT, AS_IS),
    Kind.EMAIL: (TRIMMED,),
    Kind.EMAILS: (TRIMMED, *SPLIT),
    Kind.PHONE: PHONES,
    Kind.PHONES: PHONES,
    Kind.TAX_ID: (CPF, CNPJ, DIGITS),
    Kind.WHOLE: (AS_IS, DIGITS),
    Kind.MONEY: (MONEY, CENTS),
    Kind.MOMENT: _MOMENTS,
    Kind.DAY: _DAYS,
    Kind.CHOICE: (AS_IS,),
    Kind.ANY: (AS_IS, MONEY, CENTS, *_DAYS, *_MOMENTS, *PHONES, CPF, CNPJ, DIGITS, TITLE, *SPLIT),
}
_USUAL = {
    Kind.TEXTS: AS_IS,
    Kind.TAX_ID: DIGITS,
}  # where the sample does not help, if it is not the first of the ways
_IN_A_LIST = {Kind.EMAILS, Kind.PHONES}
_LISTS = frozenset({Kind.TEXTS, Kind.EMAILS, Kind.ANY})
_JOINED = frozenset({Kind.TEXT, Kind.ANY})


class Reader:
    """Reads expressions over the record that a sample shows; without a sample nothing gives anything."""

    def __init__(self, sample: Sample | None = None, *, each: str = "") -> None:
        self.picks: list[Pick] = picks_of(sample, each=each)
        self._root = sample.value if sample else None
        self._record = record_of(self._root, each=each)
        self._headers = {name.lower(): text for name, text in sample.headers.items()} if sample else {}

    def value(self, expression: str) -> Any:
        """Raises ExpressionError."""
        around = Surroundings(root=self._root, headers=self._headers)
        return expressions.evaluate(expressions.compile(expression), self._record, around=around)

    def readings(self, kind: Kind, expression: str) -> list[Reading]:
        """The ways to read what `expression` reads already in one of them; none where it is written by hand."""
        source = self.source_of(expression)
        return list(self._readings(kind, source)) if source else []

    def suggested(self, kind: Kind, source: str) -> str:
        """The expression with what a field of that kind needs around it, by the look of the value if there is one."""
        first = next(self._readings(kind, source), None)
        usual = _form(kind, _USUAL.get(kind, _WAYS[kind][0]))
        return first.expression if first else _filled(usual, source, self._currency_beside(source))

    def source_of(self, expression: str) -> str:
        """The value of the sample that an expression reads in one of our ways; "" for any other expression."""
        return self._sources.get(expression.strip(), "")

    @cached_property
    def _sources(self) -> dict[str, str]:
        known: dict[str, str] = {}
        for pick in self.picks:
            currency = self._currency_beside(pick.expression)
            for form in _FORMS:
                known.setdefault(_filled(form, pick.expression, currency), pick.expression)
            for whole in _whole_lists(pick.expression):
                known.setdefault(whole.form, pick.expression)
        return known

    def _readings(self, kind: Kind, source: str) -> Iterator[Reading]:
        """Each result once: what comes first says it in the fewest words."""
        found = self._given(source)
        currency = self._currency_beside(source)
        wholes = [(way, way.form) for way in _whole_lists(source) if kind in way.kinds]
        singles = [
            (way, _filled(_form(kind, way), source, currency)) for way in _WAYS[kind] if way.looks(found)
        ]
        given: set[str] = set()
        for way, expression in [*wholes, *singles] if kind == Kind.TEXTS else [*singles, *wholes]:
            shown = as_shown(self._given(expression))
            if shown and shown not in given:
                given.add(shown)
                yield Reading(way.label, expression, shown)

    def _given(self, expression: str) -> Any:
        try:
            return self.value(expression)
        except ExpressionError:
            return None

    def _currency_beside(self, source: str) -> str:
        """Where the sample says the currency of an amount; without that, ours."""
        beside = source.rpartition(".")[0]
        named = (f"{beside}.{name}" if beside else name for name in _CURRENCY_NAMES)
        return next((path for path in named if path in self._expressions), "'BRL'")

    @cached_property
    def _expressions(self) -> frozenset[str]:
        return frozenset(pick.expression for pick in self.picks)


def as_shown(value: Any) -> str:
    """As people read it, on one line; "" for nothing."""
    if value in (None, "", []):
        return ""
    is_plain = isinstance(value, list) and all(isinstance(item, str) for item in value)
    text = ", ".join(value) if is_plain else value
    text = text if isinstance(text, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _form(kind: Kind, way: Way) -> str:
    """Of a field of that kind: with the list around it that some take."""
    is_list = way in SPLIT
    return f"[{way.form}]" if kind in _IN_A_LIST and not is_list else way.form


def _filled(form: str, source: str, currency: str) -> str:
    return form.replace("{currency}", currency).replace("{0}", source)


def _whole_lists(source: str) -> Iterator[Way]:
    """The list that a value is the first of, in place of the value: `form` is the whole expression."""
    found = _OF_A_LIST.fullmatch(source)
    if found is None:
        return
    items, rest = found["items"], found["rest"]
    several = f"{items}[*]{rest}" if rest else items
    yield Way(_("The whole list"), several, kinds=_LISTS)
    yield Way(_("The whole list"), f"{items}[*]{rest}.to_phone(@, 'BR')", kinds=frozenset({Kind.PHONES}))
    yield Way(_("The whole list, with commas between"), f"join(', ', {several})", kinds=_JOINED)


_FORMS = frozenset(_form(kind, way) for kind, ways in _WAYS.items() for way in ways)
