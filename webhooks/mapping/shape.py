"""What a mapping may look like. It is judged when it is saved, so that a slip shows before a request comes."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from crm import expressions
from crm.custom_fields import is_storable
from crm.expressions import ExpressionError
from webhooks.mapping.fields import field_at

MOST_MAPPINGS, MOST_FIELDS = 50, 150
_LONGEST_REASON, _LONGEST_PATH = 200, 200
_PARTS = frozenset({"each", "when", "otherwise", "fields", "only_if_empty"})
Wrong = tuple[str, str]


def mappings_of(mapping: Any) -> list[Mapping[str, Any]]:
    """A mapping as the list of alternatives it is."""
    return list(mapping) if isinstance(mapping, list) else [mapping]


def check_mapping(mapping: Any) -> list[Wrong]:
    """What is wrong with a mapping, as (path in it, message); nothing where it can be used.

    The path of a field's expression is `fields.<path>`, after `[<n>].` in a list of mappings.
    """
    if not isinstance(mapping, list):
        return list(_wrong_with(mapping, ""))
    if not 1 <= len(mapping) <= MOST_MAPPINGS:
        return [("", _("A list holds 1 to %(most)d mappings.") % {"most": MOST_MAPPINGS})]
    return [wrong for number, each in enumerate(mapping) for wrong in _wrong_with(each, f"[{number}].")]


def _wrong_with(mapping: Any, at: str) -> Iterator[Wrong]:
    if not isinstance(mapping, dict):
        yield at.rstrip("."), _("A mapping is an object.")
        return
    for part in sorted(mapping.keys() - _PARTS):
        yield f"{at}{part}", _("There is no such part of a mapping.")
    for part in ("each", "when"):
        if mapping.get(part) is not None:
            yield from _wrong_expression(mapping[part], f"{at}{part}")
    yield from _wrong_reason(mapping.get("otherwise"), f"{at}otherwise")
    yield from _wrong_fields(mapping.get("fields"), f"{at}fields")
    yield from _wrong_paths(mapping.get("only_if_empty"), f"{at}only_if_empty")


def _wrong_reason(reason: Any, at: str) -> Iterator[Wrong]:
    if reason is None:
        return
    if not isinstance(reason, str) or len(reason) > _LONGEST_REASON or not is_storable(reason):
        yield at, _("A text of at most %(most)d characters is expected.") % {"most": _LONGEST_REASON}


def _wrong_fields(fields: Any, at: str) -> Iterator[Wrong]:
    if not isinstance(fields, dict) or not 1 <= len(fields) <= MOST_FIELDS:
        yield at, _("1 to %(most)d fields with their expressions are expected.") % {"most": MOST_FIELDS}
        return
    for path, expression in fields.items():
        if not _is_field(path):
            yield f"{at}.{path[:_LONGEST_PATH]}", _("There is no such field.")
        else:
            yield from _wrong_expression(expression, f"{at}.{path}")


def _wrong_expression(expression: Any, at: str) -> Iterator[Wrong]:
    if not isinstance(expression, str):
        yield at, _("An expression is a text.")
        return
    try:
        expressions.compile(expression)
    except ExpressionError as error:
        place = _(" (character %(position)d)") % {"position": (error.position or 0) + 1}
        yield at, error.message + (place if error.position is not None else "")


def _wrong_paths(paths: Any, at: str) -> Iterator[Wrong]:
    if paths is None:
        return
    if not isinstance(paths, list) or not all(isinstance(path, str) and _is_field(path) for path in paths):
        yield at, _("A list of fields is expected.")


def _is_field(path: str) -> bool:
    return len(path) <= _LONGEST_PATH and is_storable(path) and field_at(path) is not None
