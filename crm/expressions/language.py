"""From the text of an expression to its value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from jmespath.exceptions import (
    EmptyExpressionError,
    IncompleteExpressionError,
    JMESPathError,
    JMESPathTypeError,
    LexerError,
    ParseError,
)
from jmespath.lexer import Lexer
from jmespath.parser import Parser
from jmespath.visitor import Options, TreeInterpreter

from crm.custom_fields import is_storable
from crm.expressions.bounds import DEEPEST, Budget
from crm.expressions.errors import ExpressionError
from crm.expressions.functions import NativeFunctions

LONGEST = 20_000
_LONGEST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that can be evaluated; made by `compile`."""

    text: str
    tree: Any = field(repr=False, compare=False)


def compile(text: str) -> Expression:  # noqa: A001  # as re.compile
    """Read an expression. Raises ExpressionError with the position of what is wrong."""
    if len(text) > LONGEST:
        raise ExpressionError(
            _("An expression has at most %(most)d characters.") % {"most": LONGEST}, LONGEST
        )
    return _compile(text)


def fault_at(text: str) -> int | None:
    """The offset of the character at which an expression cannot be read; None where it can be, or nobody knows."""
    try:
        compile(text)
    except ExpressionError as error:
        return error.position
    return None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an expression sees besides its document: the whole it is a part of (`root()`), and headers by their names
    in lower case (`header('X-Event')`). Expressions that share one share the work they may make.
    """

    root: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)


@lru_cache(maxsize=2000)
def _compile(text: str) -> Expression:
    if not is_storable(text):
        raise ExpressionError(_("The expression holds characters that cannot be kept."))
    try:
        tree: Any = Parser().parse(text).parsed
        _check_depth(tree)
        _check_calls(text, tree)
    except JMESPathError as error:
        raise _in_words(error, text) from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError(_("A number in the expression is too long.")) from error
    return Expression(text=text, tree=tree)


def evaluate(expression: Expression, document: Any, *, around: Surroundings | None = None) -> Any:
    """The value of an expression over a document of JSON values. Raises ExpressionError."""
    around = around or Surroundings(root=document)
    try:
        value = _Interpreter(around).visit(expression.tree, document)
        around.budget.weigh(value)
    except ExpressionError:
        raise
    except JMESPathTypeError as error:
        raise _wrong_type(error) from error
    except RecursionError as error:
        raise _too_deep() from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ExpressionError(_("The expression cannot work with these values.")) from error
    return value


def is_constant(expression: Expression) -> bool:
    """Whether it says the same of every document: a literal and nothing else."""
    return bool(expression.tree["type"] == "literal")


def is_true(value: Any) -> bool:
    """What counts as true in JMESPath: all but null, false, and empty texts, lists and objects."""
    return value is not None and value is not False and value not in ("", [], {})


class _Interpreter(TreeInterpreter):
    """Pays for each step and for all that is made on the way."""

    _MAKING = frozenset(
        {
            "filter_projection",
            "flatten",
            "multi_select_dict",
            "multi_select_list",
            "projection",
            "slice",
            "value_projection",
        }
    )

    def __init__(self, around: Surroundings) -> None:
        functions = NativeFunctions(around.budget, root=around.root, headers=around.headers)
        super().__init__(Options(custom_functions=functions))
        self._budget = around.budget

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._budget.visit()
        value = super().visit(node, *args, **kwargs)
        if node["type"] in self._MAKING:
            self._budget.weigh(value)
        return value

    def visit_comparator(self, node: Any, value: Any) -> Any:
        left, right = (self.visit(child, value) for child in node["children"])
        self._budget.weigh([left, right])
        if node["value"] not in ("eq", "ne") and isinstance(left, str) != isinstance(right, str):
            return None  # a text is neither more nor less than a number
        sides: Any = [{"type": "literal", "value": side, "children": []} for side in (left, right)]
        compared: Any = {**node, "children": sides}
        return super().visit_comparator(compared, value)


def _check_depth(tree: Any) -> None:
    level = [tree]
    for _depth in range(DEEPEST):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise _too_deep()


def _children(node: Any) -> list[dict[str, Any]]:
    """In the order in which they are written."""
    children = [child for child in node["children"] if isinstance(child, dict)]
    if node["type"] == "filter_projection":
        left, right, condition = children
        return [left, condition, right]
    return children


def _check_calls(text: str, tree: Any) -> None:
    """Refuse unknown functions and wrong numbers of values where they are written, not where they are met."""
    tokens = list(Lexer().tokenize(text))
    starts = [
        token["start"]
        for token, following in pairwise(tokens)
        if token["type"] == "unquoted_identifier" and following["type"] == "lparen"
    ]
    for position, call in zip(starts, _calls(tree), strict=False):
        name, given = call["value"], len(call["children"])
        known = NativeFunctions.FUNCTION_TABLE.get(name)
        if known is None:
            raise ExpressionError(_("There is no function “%(name)s”.") % {"name": _shown(name)}, position)
        wanted = len(known["signature"])
        more = bool(known["signature"] and known["signature"][-1].get("variadic"))
        if given < wanted or (given > wanted and not more):
            message = ngettext(
                "The function “%(name)s” needs %(n)d value.",
                "The function “%(name)s” needs %(n)d values.",
                wanted,
            )
            raise ExpressionError(message % {"name": name, "n": wanted}, position)


def _calls(node: Any) -> Iterator[dict[str, Any]]:
    if node["type"] == "function_expression":
        yield node
    for child in _children(node):
        yield from _calls(child)


def _in_words(error: JMESPathError, text: str) -> ExpressionError:
    if isinstance(error, EmptyExpressionError):
        return ExpressionError(_("The expression is empty."), 0)
    if isinstance(error, IncompleteExpressionError):
        return ExpressionError(_("The expression is not finished."), len(text))
    if isinstance(error, LexerError):
        return ExpressionError(_unreadable(error, text), error.lexer_position)
    position = error.lex_position if isinstance(error, ParseError) else 0
    token = _shown(str(getattr(error, "token_value", "")))
    if not token:
        return ExpressionError(_("The expression is not finished."), len(text))
    return ExpressionError(_("“%(token)s” cannot stand here.") % {"token": token}, position)


def _unreadable(error: LexerError, text: str) -> str:
    mark = text[error.lexer_position : error.lexer_position + 1]
    if str(error.message).startswith("Unclosed"):
        return _("What begins with %(mark)s here does not end.") % {"mark": mark}
    if mark == "`":
        return _("What stands between two ` is no JSON.")
    return _("“%(token)s” cannot stand here.") % {"token": mark}


def _wrong_type(error: JMESPathTypeError) -> ExpressionError:
    message = _("The function “%(name)s” cannot work with %(value)s: it needs %(wanted)s.")
    values = {
        "name": error.function_name,
        "value": error.actual_type,
        "wanted": ", ".join(error.expected_types),
    }
    return ExpressionError(message % values)


def _shown(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _too_deep() -> ExpressionError:
    return ExpressionError(_("The expression is nested too deeply."))
