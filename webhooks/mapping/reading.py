"""Carries a mapping out: from a parsed body to the native documents it stands for, not yet judged.

Which record is read how: mappings are gone through in their order, and a record is read by the first whose `when`
holds for it. The first one that reads any record decides with its `each` which list of the body the records are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from crm import expressions
from crm.expressions import Expression, ExpressionError, Surroundings
from webhooks.mapping.fields import field_at, fitted, keys_of
from webhooks.mapping.shape import mappings_of
from webhooks.problems import InvalidDocument, Problem, problem

MOST_RECORDS = 500
# What makes no sense without something of the sender's in it. Deals, contacts and companies do.
_OPTIONAL_PARTS = (("match", "external_id"), ("activity",), ("call",), ("subscription",))


class NotWanted(Exception):
    """The mapping says that there is nothing to do. `why` is its author's reason, or ""."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Record:
    """One native document as the mapping made it, and which record of the list it was made of, if of a list."""

    document: dict[str, Any]
    number: int | None


def read_records(mapping: Any, body: Any, *, headers: Mapping[str, str]) -> list[Record]:
    """The documents in a body. `headers` are found whatever their case.

    Raises NotWanted, and InvalidDocument with a problem for each expression that fails.
    """
    around = Surroundings(_reckonable(body), {name.lower(): value for name, value in headers.items()})
    alternatives = mappings_of(mapping)
    for place, first in enumerate(alternatives):
        items = _items(first, around)
        chosen = [
            (number, item, _chosen(alternatives[place:], first, item, around)) for number, item in items
        ]
        wanted = [(number, item, found) for number, item, found in chosen if found is not None]
        if any(found is first for _number, _item, found in wanted):
            return [_record(found, item, number, around) for number, item, found in wanted]
    raise NotWanted(next((each["otherwise"] for each in alternatives if each.get("otherwise")), ""))


def _reckonable(value: Any) -> Any:
    """With the numbers that JMESPath knows."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_reckonable(item) for item in value]
    if isinstance(value, dict):
        return {key: _reckonable(item) for key, item in value.items()}
    return value


def _items(mapping: Mapping[str, Any], around: Surroundings) -> list[tuple[int | None, Any]]:
    """The records with their numbers; the body alone where the mapping names no list."""
    each = mapping.get("each")
    if each is None:
        return [(None, around.root)]
    found = _value(each, around.root, around, at="each")
    if found is None:
        return []
    if not isinstance(found, list):
        raise InvalidDocument([problem("not_a_list", "each", _("What the mapping goes through is no list."))])
    if len(found) > MOST_RECORDS:
        message = _("At most %(most)d records at once.") % {"most": MOST_RECORDS}
        raise InvalidDocument([problem("max_length", "each", message)])
    return list(enumerate(found))


def _chosen(
    alternatives: Sequence[Mapping[str, Any]], first: Mapping[str, Any], item: Any, around: Surroundings
) -> Mapping[str, Any] | None:
    """The first mapping for that list whose `when` holds for the item."""
    same_list = (mapping for mapping in alternatives if mapping.get("each") == first.get("each"))
    return next((mapping for mapping in same_list if _holds(mapping, item, around)), None)


def _holds(mapping: Mapping[str, Any], item: Any, around: Surroundings) -> bool:
    """A condition sees the item and, behind it, what the body says for all of them."""
    when = mapping.get("when")
    if when is None:
        return True
    both = isinstance(item, dict) and isinstance(around.root, dict)
    seen = {**around.root, **item} if both and item is not around.root else item
    return expressions.is_true(_value(when, seen, around, at="when"))


def _value(text: str, document: Any, around: Surroundings, *, at: str) -> Any:
    try:
        return expressions.evaluate(expressions.compile(text), document, around=around)
    except ExpressionError as error:
        raise InvalidDocument([problem("expression", at, error.message)]) from error


def _record(mapping: Mapping[str, Any], item: Any, number: int | None, around: Surroundings) -> Record:
    document: dict[str, Any] = {}
    compiled = {path: expressions.compile(text) for path, text in mapping["fields"].items()}
    problems: list[Problem] = []
    for path, expression in compiled.items():
        try:
            value = expressions.evaluate(expression, item, around=around)
        except ExpressionError as error:
            problems.append(problem("expression", path, error.message))
        else:
            _put(document, path, value)
    if problems:
        raise InvalidDocument(numbered(problems, number))
    _leave_out_what_says_nothing(document, compiled)
    if only_if_empty := mapping.get("only_if_empty"):
        document["only_if_empty"] = list(only_if_empty)
    return Record(document, number)


def numbered(problems: Sequence[Problem], number: int | None) -> list[Problem]:
    """The problems of a record, with the record's place in the list before their paths."""
    if number is None:
        return list(problems)
    return [{**each, "path": f"[{number}].{each['path']}".rstrip(".")} for each in problems]


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    field = field_at(path)
    fit = fitted(field, value) if field else value
    if fit is None:
        return
    *way, last = keys_of(path)
    place = document
    for key in way:
        place = place.setdefault(key, {})
    if isinstance(place.get(last), dict) and isinstance(fit, dict):
        fit = {**fit, **place[last]}  # a single field says more than the whole group
    place[last] = fit


def _leave_out_what_says_nothing(document: dict[str, Any], compiled: Mapping[str, Expression]) -> None:
    """Take away a call, a note … of which nothing is left but what the mapping itself puts in."""
    for way in _OPTIONAL_PARTS:
        prefix = ".".join(way) + "."
        told = {path: each for path, each in compiled.items() if path.startswith(prefix)}
        varying = [path for path, each in told.items() if not expressions.is_constant(each)]
        if varying and not any(_has(document, path) for path in varying):
            _remove(document, way)


def _has(document: dict[str, Any], path: str) -> bool:
    place: Any = document
    for key in keys_of(path):
        if not isinstance(place, dict) or key not in place:
            return False
        place = place[key]
    return True


def _remove(document: dict[str, Any], way: Sequence[str]) -> None:
    *above, last = way
    place = document
    for key in above:
        place = place.get(key, {})
    place.pop(last, None)
    if above and not place:
        document.pop(above[0], None)
