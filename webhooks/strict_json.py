"""JSON as strangers send it, read without mercy: what PostgreSQL or Python could choke on later is refused here."""

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from django.utils.translation import gettext as _

DEEPEST = 32
_MOST_DIGITS = 18
_LONGEST_FRACTION = 40  # characters of a number that is not whole
# PostgreSQL keeps neither U+0000 nor half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Malformed(ValueError):
    """The bytes are no JSON that we accept. The message is fit for the sender."""


def parse_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8, with Decimal for numbers that are not whole. Raises Malformed.

    Refused besides what JSON itself refuses: a byte order mark, duplicate keys, NaN and infinity, more than 18
    digits, U+0000, lone surrogates, nesting deeper than 32.
    """
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_float=_fraction,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise Malformed(_("The body is not UTF-8.")) from error
    except json.JSONDecodeError as error:
        where = {"line": error.lineno, "column": error.colno}
        raise Malformed(_("The body is not JSON (line %(line)d, column %(column)d).") % where) from error
    except RecursionError as error:
        raise Malformed(_too_deep()) from error
    _check_values(value)
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


def _check_values(value: Any) -> None:
    """Walk through level by level, without recursion, down to the deepest allowed."""
    level = [value]
    for _depth in range(DEEPEST + 1):
        if any(isinstance(item, str) and _UNSTORABLE.search(item) for item in level):
            raise Malformed(_("A text holds a character that cannot be stored (U+0000 or half of a pair)."))
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return
        level = [child for container in containers for child in _children(container)]
    raise Malformed(_too_deep())


def _children(container: dict[str, Any] | list[Any]) -> list[Any]:
    return [*container.keys(), *container.values()] if isinstance(container, dict) else container


def _too_deep() -> str:
    return _("Objects and lists are nested deeper than %(most)d levels.") % {"most": DEEPEST}
