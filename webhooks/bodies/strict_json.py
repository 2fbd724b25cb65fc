"""JSON as strangers send it, read without mercy."""

import json
from decimal import Decimal
from typing import Any, NoReturn

from django.utils.translation import gettext as _

from webhooks.bodies.errors import Malformed
from webhooks.bodies.values import check_value, too_deep

_MOST_DIGITS = 18
_LONGEST_FRACTION = 40  # characters of a number that is not whole


def parse_json(text: str) -> Any:
    """The value of a JSON text, with Decimal for numbers that are not whole. Raises Malformed.

    Refused besides what JSON itself refuses: a byte order mark, duplicate keys, NaN and infinity, more than 18
    digits, U+0000, lone surrogates, too many values or too deep a nesting.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_float=_fraction,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        where = {"line": error.lineno, "column": error.colno}
        raise Malformed(_("The body is not JSON (line %(line)d, column %(column)d).") % where) from error
    except RecursionError as error:
        raise Malformed(too_deep()) from error
    check_value(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Malformed(_("A key appears twice in one object."))
    return value


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > _MOST_DIGITS:
        raise Malformed(_("A number has more than 18 digits."))
    return int(digits)


def _fraction(text: str) -> Decimal:
    number = Decimal(text) if len(text) <= _LONGEST_FRACTION else None
    if number is None or (number and abs(number.adjusted()) >= _MOST_DIGITS):
        raise Malformed(_("A number is too long, too large or too small."))
    return number


def _constant(name: str) -> NoReturn:
    raise Malformed(_("%(name)s is not a number in JSON.") % {"name": name})
