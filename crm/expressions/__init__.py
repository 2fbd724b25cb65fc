"""JMESPath expressions that people write: for payloads and conditions, and for mapping what arrives.

Whatever somebody writes, compiling and evaluating it ends soon and either gives a JSON value or raises
ExpressionError, in words fit for whoever wrote it.
"""

from crm.expressions.bounds import DEEPEST
from crm.expressions.errors import ExpressionError
from crm.expressions.language import LONGEST, Expression, compile, evaluate, is_true  # noqa: A004  # as re.compile

__all__ = ["DEEPEST", "LONGEST", "Expression", "ExpressionError", "compile", "evaluate", "is_true"]
