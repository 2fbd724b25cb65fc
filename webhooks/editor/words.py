"""Expressions that rows can say by themselves: values that are always the same, and tables of words.

The expression stays the only truth: what these inputs say is written into it, and they are read out of it again.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crm import expressions
from crm.expressions import ExpressionError

_LOOKUP = re.compile(r"lookup\((?P<of>.+?), `(?P<table>\{.*\})`\)", re.DOTALL)
_DEFAULT = re.compile(r"default\((?P<lookup>lookup\(.+\)), (?P<other>'[^'\\]*'|`\".*\"`)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Table:
    """What the expression `of` gives, translated: their word to ours; `other` for any other, "" for none."""

    of: str
    words: list[tuple[str, str]]
    other: str = ""


def literal(text: str) -> str:
    """The expression that says a text of every request."""
    if "'" not in text and "\\" not in text:
        return f"'{text}'"
    return f"`{_in_backticks(text)}`"


def fixed(values: Sequence[str], *, is_list: bool) -> str:
    """The expression for what is always the same; empty ones are left out of a list."""
    if not is_list:
        return literal(values[0] if values else "")
    return f"[{', '.join(literal(value) for value in values if value.strip()) or literal('')}]"


def fixed_in(expression: str) -> list[str] | None:
    """The values that an expression says of every request; None where it says anything else."""
    tree = _tree(expression)
    if tree.get("type") == "multi_select_list":
        found = [each.get("value") for each in tree["children"] if each.get("type") == "literal"]
        is_whole = len(found) == len(tree["children"]) and all(isinstance(each, str) for each in found)
        return [str(each) for each in found] if is_whole else None
    is_text = tree.get("type") == "literal" and isinstance(tree["value"], str)
    return [tree["value"]] if is_text else None


def tabled(table: Table) -> str:
    """The expression of a table; what has no word of theirs is left out."""
    words = {theirs.strip(): ours for theirs, ours in table.words if theirs.strip()}
    looked_up = f"lookup({table.of}, `{_in_backticks(words)}`)"
    return f"default({looked_up}, {literal(table.other)})" if table.other.strip() else looked_up


def table_in(expression: str) -> Table | None:
    """The table that an expression is; None for any other expression."""
    text = expression.strip()
    outer = _DEFAULT.fullmatch(text)
    found = _LOOKUP.fullmatch(outer["lookup"] if outer else text)
    if found is None or not _tree(text) or not _tree(found["of"]):
        return None
    try:
        words: dict[str, Any] = json.loads(found["table"].replace("\\`", "`"))
    except ValueError:
        return None
    if not all(isinstance(ours, str) for ours in words.values()):
        return None
    other = fixed_in(outer["other"]) if outer else None
    return Table(found["of"], list(words.items()), other[0] if other else "")


def _in_backticks(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("`", "\\`")


def _tree(expression: str) -> dict[str, Any]:
    """How the expression is built; empty where it cannot be read."""
    try:
        return dict(expressions.compile(expression.strip()).tree)
    except ExpressionError:
        return {}
