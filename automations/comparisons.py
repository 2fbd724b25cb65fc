"""How values of a document compare with what a person wrote: numbers as numbers, times as times, text without case.

Nothing here raises, whatever it is given: what cannot be compared is neither equal nor more nor less.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

# As a system writes a number; 007 and +5511… are names of things. No text of a person is ever used as a pattern.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,20})?", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].{1,40})?", re.ASCII)


def candidates(value: Any) -> Iterator[Any]:
    """What a value may be known by: a list by each of its entries, an object by its id, name and e-mail."""
    if isinstance(value, list):
        for entry in value:
            yield from candidates(entry) if isinstance(entry, dict) else (entry,)
    elif isinstance(value, dict):
        yield from (value[name] for name in ("id", "name", "email") if value.get(name) is not None)
    elif value is not None:
        yield value


def equal(left: Any, right: Any) -> bool:
    order = compared(left, right)
    return order == 0 if order is not None else _text(left) == _text(right)


def compared(left: Any, right: Any) -> int | None:
    """Below 0, 0 or above 0 as `left` is less, equal or more; None for what is neither two numbers nor two times."""
    numbers = number(left), number(right)
    if numbers[0] is not None and numbers[1] is not None:
        return (numbers[0] > numbers[1]) - (numbers[0] < numbers[1])
    times = time(left), time(right)
    if times[0] is None or times[1] is None:
        return None
    try:
        return _compared_times(times[0], times[1])
    except OverflowError:  # the first and the last day of all, in some zones
        return None


def _compared_times(left: date, right: date) -> int:
    """A day and a time are compared by the day, in the organisation's zone."""
    if isinstance(left, datetime) and isinstance(right, datetime):
        return (left > right) - (left < right)
    left, right = _day(left), _day(right)
    return (left > right) - (left < right)


def _day(moment: date) -> date:
    return (
        timezone.localdate(moment, timezone.get_default_timezone())
        if isinstance(moment, datetime)
        else moment
    )


def number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, int) and abs(value) >= 10**30:
        return None
    text = value if isinstance(value, str) else format(Decimal(str(value)), "f")
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def time(value: Any) -> date | None:
    """An aware datetime, or a date where the text says no time of the day."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        if len(value) == 10:
            return date.fromisoformat(value)
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else timezone.make_aware(moment, timezone.get_default_timezone())
    except (ValueError, OverflowError):
        return None


def contains(value: Any, part: Any) -> bool:
    return _text(part) in _text(value)


def starts_with(value: Any, start: Any) -> bool:
    return _text(value).startswith(_text(start))


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value).casefold()
