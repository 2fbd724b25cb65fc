"""How the texts of a query string become values. Each function takes one text and raises ValueError."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from crm.custom_fields import is_storable
from crm.ids import read_id

NONE, ME = "none", "me"
_LONGEST_TEXT = 200
_EARLIEST, _LATEST = date(1, 1, 2), date(9999, 12, 30)  # on both sides of them there is a day


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, or a whole day (`on`) in the reader's time zone."""

    at: datetime
    on: date | None = None

    @property
    def end(self) -> datetime:
        """Where "until" ends: with the moment, or with the day."""
        return _midnight(self.on + timedelta(days=1)) if self.on else self.at


def whole(text: str) -> int:
    number = read_id(text)
    if number is None:
        raise ValueError(text)
    return number


def row(text: str) -> int | str:
    """The id of a row, or `none`."""
    return text if text == NONE else whole(text)


def person(text: str) -> int | str:
    """The id of a user, `me` or `none`."""
    return text if text == ME else row(text)


def words(text: str) -> str:
    if not is_storable(text) or len(text) > _LONGEST_TEXT:
        raise ValueError(text)
    return text


def yes_or_no(text: str) -> bool:
    said = {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    if said is None:
        raise ValueError(text)
    return said


def amount(text: str) -> Decimal:
    """A number with a dot before its decimals, whatever the reader's language: addresses are shared."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(text) from error
    if not value.is_finite() or abs(value) >= Decimal(10) ** 15:
        raise ValueError(text)
    return value


def day(text: str) -> date:
    on = date.fromisoformat(text)
    if not _EARLIEST <= on <= _LATEST:
        raise ValueError(text)
    return on


def moment(text: str) -> Moment:
    """A day (`2026-11-24`) or a moment (`2026-11-24T12:00:00Z`; without a zone, in the reader's)."""
    if len(text) == len("2026-11-24"):
        on = day(text)
        return Moment(at=_midnight(on), on=on)
    at = parse_datetime(text.replace(" ", "+"))  # a plus sign that a browser took for a space
    if at is None:
        raise ValueError(text)
    return Moment(at=at if timezone.is_aware(at) else timezone.make_aware(at))


def _midnight(on: date) -> datetime:
    return timezone.make_aware(datetime.combine(on, time.min))
