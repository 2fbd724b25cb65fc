"""Conditions of a rule: rows that look at the fields of a document, and an expression for the expert.

They are `{"match": "all" | "any", "rows": [{"field", "op", "value"}], "expression": "…"}`; rows and the expression
must both be met, and what is left out always is. A field is a path in the document's `data`.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automations.checks import Check
from automations.comparisons import candidates, compared, contains, equal, number, starts_with, time
from crm import expressions
from crm.custom_fields import is_storable
from crm.expressions import ExpressionError

MOST_ROWS = 50
_MOST_VALUES, _LONGEST_VALUE, _LONGEST_FIELD = 200, 1000, 120
_PERSON = frozenset({"id", "name", "email"})
_NAMED = frozenset({"id", "name"})
# What may follow the first name of a path: these names, each with what may follow it, or anything (None).
_DEAL: Mapping[str, frozenset[str] | None] = {
    **dict.fromkeys(
        (
            *("id", "title", "value", "currency", "status", "tags", "source", "lost_reason", "version"),
            *("created_at", "updated_at", "stage_entered_at", "closed_at", "expected_close_on"),
        ),
        frozenset(),
    ),
    "pipeline": _NAMED,
    "stage": _NAMED,
    "owner": _PERSON,
    "contact": frozenset({"id", "name", "emails", "phones"}),
    "company": frozenset({"id", "name", "tax_id"}),
    "custom_fields": None,
    "external_ids": None,
}
_ROOTS: Mapping[str, Mapping[str, frozenset[str] | None] | None] = {
    "deal": _DEAL,
    "previous": None,
    "changed_by": dict.fromkeys(("kind", "id", "name"), frozenset()),
    "rule": dict.fromkeys(("id", "name"), frozenset()),
    "subscription": None,
    "call": None,
    "sequence": {},
}
# Of a field's path: how people call it, and the values that have a name.
Labels: TypeAlias = Mapping[str, tuple[str, Mapping[str, str]]]
NO_LABELS: Labels = MappingProxyType({})
_OF_CHANGES = frozenset({"changed", "changed_from", "changed_to"})


def meets(conditions: Mapping[str, Any], *, document: Mapping[str, Any]) -> bool:
    """Whether a standard document meets the conditions. An expression that fails on it is not met."""
    met = _any_or_all(conditions)(_row_is_met(row, document) for row in conditions.get("rows", ()))
    return met and (not conditions.get("expression") or not _expression_problem(conditions, document))


def _any_or_all(conditions: Mapping[str, Any]) -> Callable[..., bool]:
    return any if conditions.get("match") == "any" and conditions.get("rows") else all


def condition_checks(
    conditions: Mapping[str, Any],
    *,
    document: Mapping[str, Any],
    labels: Labels = NO_LABELS,
) -> list[Check]:
    """Each row in words with whether it is met, then the expression.

    `labels` says of a path how people call the field and its options; without one it is called by its path.
    """
    rows = conditions.get("rows", ())
    one_is_enough = conditions.get("match") == "any" and len(rows) > 1
    form = _("%(row)s (one of these is enough)") if one_is_enough else "%(row)s"
    checks = [Check(form % {"row": describe_row(row, labels)}, _row_is_met(row, document)) for row in rows]
    if conditions.get("expression"):
        problem = _expression_problem(conditions, document)
        checks.append(Check(problem or _("The expression holds"), not problem))
    return checks


def _expression_problem(conditions: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    try:
        value = expressions.evaluate(expressions.compile(conditions["expression"]), document)
    except ExpressionError as error:
        return _("The expression holds; it failed: %(problem)s") % {"problem": error.message}
    return "" if expressions.is_true(value) else _("The expression holds")


def describe_row(row: Mapping[str, Any], labels: Labels = NO_LABELS) -> str:
    """ "Value is at least 1000.00"."""
    value = row.get("value")
    field, options = labels.get(row["field"], (row["field"], {}))
    if row["op"] == "between":
        shown = _("%(least)s and %(most)s") % {"least": value[0], "most": value[1]} if value else ""
    else:
        values = value if isinstance(value, list) else [value]
        shown = ", ".join(options.get(str(each), _shown(each)) for each in values)
    return str(OPERATORS[row["op"]].words % {"field": field, "value": shown})


def _shown(value: Any) -> str:
    return (_("yes") if value else _("no")) if isinstance(value, bool) else str(value)


def _row_is_met(row: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    data, path = document.get("data") or {}, row["field"]
    return OPERATORS[row["op"]].test(_Field(data, path), row.get("value"))


class _Field:
    """One field of a document as an operator sees it."""

    def __init__(self, data: Mapping[str, Any], path: str) -> None:
        self.value = _find(data, path)
        self.had, self.former = _former(data.get("previous"), path.removeprefix("deal."), self.value)

    def some(self, test: Callable[[Any, Any], bool], value: Any) -> bool:
        return any(test(each, value) for each in candidates(self.value))

    def one_of(self, values: Sequence[Any]) -> bool:
        return any(self.some(equal, value) for value in values)

    def was(self, value: Any) -> bool:
        return any(equal(each, value) for each in candidates(self.former))

    def ordered(self, value: Any, test: Callable[[int], bool]) -> bool:
        orders = (compared(each, value) for each in candidates(self.value))
        return any(order is not None and test(order) for order in orders)

    @property
    def is_empty(self) -> bool:
        return self.value is None or self.value in ("", [], {})


def _find(value: Any, path: str) -> Any:
    """What a path leads to, None where it leads nowhere. A key may hold full stops itself."""
    while isinstance(value, Mapping):
        if path in value:
            return value[path]
        head, dot, path = path.partition(".")
        if not dot:
            return None
        value = value.get(head)
    return None


def _former(previous: Any, path: str, present: Any) -> tuple[bool, Any]:
    """Whether a field of the deal changed, and what it was before."""
    if not isinstance(previous, Mapping):
        return False, None
    if path in previous:
        return True, previous[path]
    if any(isinstance(name, str) and name.startswith(f"{path}.") for name in previous):
        return True, None
    head = path.partition(".")[0]
    if head not in previous:
        return False, None
    former = _find(previous, path)
    return former != present, former


class _Operator:
    """How an operator is met, how it reads, and what its value must be: a kind of `_VALUE_PROBLEMS`."""

    def __init__(self, kind: str, words: Promise, test: Callable[[_Field, Any], bool]) -> None:
        self.kind, self.words, self.test = kind, words, test


OPERATORS: Mapping[str, _Operator] = {
    "eq": _Operator("one", gettext_lazy("%(field)s is %(value)s"), lambda f, v: f.some(equal, v)),
    "ne": _Operator("one", gettext_lazy("%(field)s is not %(value)s"), lambda f, v: not f.some(equal, v)),
    "in": _Operator("list", gettext_lazy("%(field)s is one of %(value)s"), lambda f, v: f.one_of(v)),
    "not_in": _Operator("list", gettext_lazy("%(field)s is none of %(value)s"), lambda f, v: not f.one_of(v)),
    "contains": _Operator(
        "text", gettext_lazy("%(field)s contains %(value)s"), lambda f, v: f.some(contains, v)
    ),
    "starts_with": _Operator(
        "text", gettext_lazy("%(field)s starts with %(value)s"), lambda f, v: f.some(starts_with, v)
    ),
    "gt": _Operator(
        "order", gettext_lazy("%(field)s is more than %(value)s"), lambda f, v: f.ordered(v, lambda o: o > 0)
    ),
    "gte": _Operator(
        "order", gettext_lazy("%(field)s is at least %(value)s"), lambda f, v: f.ordered(v, lambda o: o >= 0)
    ),
    "lt": _Operator(
        "order", gettext_lazy("%(field)s is less than %(value)s"), lambda f, v: f.ordered(v, lambda o: o < 0)
    ),
    "lte": _Operator(
        "order", gettext_lazy("%(field)s is at most %(value)s"), lambda f, v: f.ordered(v, lambda o: o <= 0)
    ),
    "between": _Operator(
        "range",
        gettext_lazy("%(field)s is between %(value)s"),
        lambda f, v: any(
            (compared(each, v[0]) or 0) >= 0 and (compared(each, v[1]) or 0) <= 0
            for each in candidates(f.value)
            if compared(each, v[0]) is not None and compared(each, v[1]) is not None
        ),
    ),
    "is_empty": _Operator("none", gettext_lazy("%(field)s is empty"), lambda f, _v: f.is_empty),
    "not_empty": _Operator("none", gettext_lazy("%(field)s is not empty"), lambda f, _v: not f.is_empty),
    "changed": _Operator("none", gettext_lazy("%(field)s has changed"), lambda f, _v: f.had),
    "changed_from": _Operator(
        "one", gettext_lazy("%(field)s has changed from %(value)s"), lambda f, v: f.had and f.was(v)
    ),
    "changed_to": _Operator(
        "one", gettext_lazy("%(field)s has changed to %(value)s"), lambda f, v: f.had and f.some(equal, v)
    ),
    "has_any": _Operator("list", gettext_lazy("%(field)s has any of %(value)s"), lambda f, v: f.one_of(v)),
    "has_all": _Operator(
        "list",
        gettext_lazy("%(field)s has all of %(value)s"),
        lambda f, v: all(f.some(equal, each) for each in v),
    ),
    "has_none": _Operator(
        "list", gettext_lazy("%(field)s has none of %(value)s"), lambda f, v: not f.one_of(v)
    ),
}


def problems_of(conditions: Any) -> list[str]:
    """What is wrong with conditions that somebody wants to save; empty where nothing is."""
    if not isinstance(conditions, dict):
        return [_("Conditions are an object.")]
    problems = [
        _("Conditions have no “%(name)s”.") % {"name": name}
        for name in sorted(conditions.keys() - {"match", "rows", "expression"})
    ]
    if conditions.get("match", "all") not in ("all", "any"):
        problems.append(_("“match” is all or any."))
    rows = conditions.get("rows", [])
    if not isinstance(rows, list):
        problems.append(_("“rows” is a list."))
    elif len(rows) > MOST_ROWS:
        problems.append(_("A rule has at most %(most)d conditions.") % {"most": MOST_ROWS})
    else:
        problems += [
            _("Row %(n)d: %(problem)s") % {"n": position, "problem": problem}
            for position, row in enumerate(rows, start=1)
            if (problem := _row_problem(row))
        ]
    return problems + _expression_problems(conditions.get("expression", ""))


def _expression_problems(text: Any) -> list[str]:
    if text in ("", None):
        return []
    if not isinstance(text, str):
        return [_("An expression is text.")]
    try:
        expressions.compile(text)
    except ExpressionError as error:
        return [positioned(error)]
    return []


def positioned(error: ExpressionError) -> str:
    """The message of an expression's error with where it is, counted from 1."""
    if error.position is None:
        return error.message
    return _("%(problem)s (at character %(position)d)") % {
        "problem": error.message,
        "position": error.position + 1,
    }


def _row_problem(row: Any) -> str:
    if not isinstance(row, dict) or not {"field", "op"} <= row.keys() <= {"field", "op", "value"}:
        return _("it has a field, an op and a value.")
    operator = OPERATORS.get(row["op"]) if isinstance(row["op"], str) else None
    if operator is None:
        return _("there is no operator “%(op)s”.") % {"op": _cut(row["op"])}
    if not _is_known(row["field"]):
        return _("there is no field “%(field)s”.") % {"field": _cut(row["field"])}
    if row["op"] in _OF_CHANGES and not row["field"].startswith("deal."):
        return _("only fields of the deal are known to change.")
    return _value_problem(operator.kind, row.get("value"))


def _cut(value: Any) -> str:
    return str(value)[:_LONGEST_FIELD]


def _is_known(path: Any) -> bool:
    if not isinstance(path, str) or len(path) > _LONGEST_FIELD or not is_storable(path):
        return False
    root, _dot, rest = path.partition(".")
    if root not in _ROOTS or path.endswith("."):
        return False
    inside = _ROOTS[root]
    if inside is None or not rest:
        return bool(rest) or root in ("sequence", "call", "subscription")
    name, dot, last = rest.partition(".")
    if name not in inside:
        return False
    names = inside[name]
    return bool(last) if names is None and dot else not dot or last in (names or ())


def _value_problem(kind: str, value: Any) -> str:
    if kind == "none":
        return "" if value in (None, "") else _("this operator takes no value.")
    if kind == "range":
        return _range_problem(value)
    if kind == "list":
        return _list_problem(value)
    problem = _scalar_problem(value)
    if not problem and kind == "order" and not _is_ordered(value):
        return _("the value is a number or a date.")
    return problem or (_("the value is empty.") if kind == "text" and value == "" else "")


def _list_problem(value: Any) -> str:
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_VALUES:
        return _("the value is a list of 1 to %(most)d values.") % {"most": _MOST_VALUES}
    return next((problem for each in value if (problem := _scalar_problem(each))), "")


def _range_problem(value: Any) -> str:
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_ordered, value)):
        return _("the value is a list of two numbers or two dates.")
    order = compared(value[0], value[1])
    if order is None:
        return _("the value is a list of two numbers or two dates.")
    return _("the first value is more than the second.") if order > 0 else ""


def _is_ordered(value: Any) -> bool:
    return number(value) is not None or time(value) is not None


def _scalar_problem(value: Any) -> str:
    if isinstance(value, str):
        if len(value) > _LONGEST_VALUE or not is_storable(value):
            return _("the value has at most %(most)d characters.") % {"most": _LONGEST_VALUE}
        return ""
    return (
        "" if isinstance(value, bool | int | float) else _("the value is a text, a number, or true or false.")
    )
