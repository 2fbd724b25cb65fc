"""How much work an expression may make. JMESPath has no loops without an end, yet `[@, @] | [@, @] | …` doubles."""

import math
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from crm.expressions.errors import ExpressionError

DEEPEST = 100
MOST_WORK = 2_000_000  # about half a second
_VISIT = 8  # what a step in the expression costs, where looking at one value costs 1
_LETTERS = 32  # as many letters of a text cost 1


class Budget:
    """The work that is left for one evaluation; one step looks at one value."""

    def __init__(self) -> None:
        self.left = MOST_WORK

    def spend(self, work: int) -> None:
        self.left -= work
        if self.left < 0:
            raise ExpressionError(_("The expression makes too much work."))

    def visit(self) -> None:
        self.spend(_VISIT)

    def write(self, letters: int) -> None:
        """Pay for a text before it is made."""
        self.spend(letters // _LETTERS)

    def weigh(self, value: Any) -> None:
        """Pay for all that is in a value, as often as it is in there.

        Raises ExpressionError for what is no JSON, too deep or too large.
        """
        level = [value]
        for _depth in range(DEEPEST):
            if not level:
                return
            self.spend(len(level))
            level = [inner for outer in level for inner in self._inside(outer)]
        if level:
            raise ExpressionError(_("The expression makes something that is nested too deeply."))

    def _inside(self, value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            self.spend(len(value))
            yield from value.values()
        elif isinstance(value, list):
            self.spend(len(value))
            yield from value
        elif isinstance(value, str):
            self.write(len(value))
        elif isinstance(value, float) and not math.isfinite(value):
            raise ExpressionError(_("The expression makes a number that is too large."))
        elif value is not None and not isinstance(value, bool | int | float):
            raise ExpressionError(_("What begins with & can only be given to a function."))
