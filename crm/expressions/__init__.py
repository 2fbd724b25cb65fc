"""JMESPath expressions that people write: for payloads and conditions, and for mapping what arrives.

Whatever somebody writes, compiling and evaluating it ends soon and either gives a JSON value or raises
ExpressionError, in words fit for whoever wrote it.
"""

from crm.expressions.bounds import DEEPEST
from crm.expressions.errors import ExpressionError
from crm.expressions.functions import CLEAR
from crm.expressions.language import (
    LONGEST,
    Expression,
    Surroundings,
    compile,  # noqa: A004  # as re.compile
    evaluate,
    fault_at,
    is_constant,
    is_true,
)

__all__ = [
    "CLEAR",
    "DEEPEST",
    "LONGEST",
    "Expression",
    "ExpressionError",
    "Surroundings",
    "compile",
    "evaluate",
    "fault_at",
    "is_constant",
    "is_true",
]
