"""Numbers, money, times and JSON as people read them, in the language under way (Babel holds the customs of each)."""

import json
from collections.abc import Sequence
from copy import copy
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.dates import format_date, format_skeleton, format_timedelta
from babel.numbers import NumberPattern, format_compact_currency, format_decimal
from django.utils import timezone
from django.utils.translation import get_language, gettext, to_locale
from stdnum.br import cnpj, cpf


def locale() -> Locale:
    return _locale(get_language() or "en")


@lru_cache
def _locale(language: str) -> Locale:
    return Locale.parse(to_locale(language))


def number(value: int | Decimal) -> str:
    return format_decimal(value, locale=locale())


def tax_id(digits: str) -> str:
    """`11.222.333/0001-81` for a CNPJ, `529.982.247-25` for a CPF; anything else as it is."""
    written = {14: cnpj.format, 11: cpf.format}.get(len(digits))
    return str(written(digits)) if written else digits


def amount(value: Decimal) -> str:
    """`1,500.50` without a currency, for an input."""
    return format_decimal(value, format="#,##0.00", locale=locale())


def money(value: Decimal, currency: str) -> str:
    """`R$ 1.500` or `R$ 1.500,50`: cents are shown where there are any."""
    return _money(value, currency, get_language() or "en")


@lru_cache(maxsize=4096)
def _money(value: Decimal, currency: str, language: str) -> str:
    pattern = _money_pattern(language, digits=0 if value == value.to_integral_value() else 2)
    return str(pattern.apply(value, _locale(language), currency=currency, currency_digits=False))


@lru_cache
def _money_pattern(language: str, *, digits: int) -> NumberPattern:
    pattern: NumberPattern = copy(_locale(language).currency_formats["standard"])
    pattern.frac_prec = (digits, digits)
    return pattern


def money_short(value: Decimal, currency: str) -> str:
    """`R$ 15,9 mi` or `R$15.9M`, for headlines."""
    if value < 1000:
        return money(value, currency)
    digits = 1 if len(str(int(value))) % 3 else 0
    return format_compact_currency(value, currency, locale=locale(), fraction_digits=digits)


def sums(amounts: Sequence[tuple[str, Decimal]], *, short: bool = False) -> str:
    """Amounts of several currencies side by side (`R$ 900 + US$ 20`); nothing is converted."""
    write = money_short if short else money
    return " + ".join(write(value, currency) for currency, value in amounts)


def ago(then: datetime, *, now: datetime) -> str:
    """`2 hours ago`, `in 3 days`; under a minute `now`."""
    distance = then - now
    if abs(distance) < timedelta(minutes=1):
        return gettext("now")
    return format_timedelta(distance, add_direction=True, threshold=1, locale=locale())


def day_label(then: datetime, *, now: datetime) -> str:
    """`today`, `tomorrow`, `yesterday`, else `in 3 days` or `3 days ago`, counted in the reader's calendar days."""
    return days_label((timezone.localtime(then).date() - timezone.localtime(now).date()).days)


def days_label(days: int) -> str:
    """The same for a day that is `days` ahead (behind, where below 0)."""
    near = {0: gettext("today"), 1: gettext("tomorrow"), -1: gettext("yesterday")}
    return near.get(days) or format_timedelta(
        timedelta(days=days), granularity="day", threshold=1000, add_direction=True, locale=locale()
    )


def long_day(day: date) -> str:
    """`Tuesday, November 24`, in the language under way."""
    return str(format_skeleton("MMMMEEEEd", day, locale=locale()))


def month(day: date) -> str:
    """`Nov 26`, in the language under way."""
    return format_date(day, "MMM yy", locale=locale())


def short_day(day: date) -> str:
    """`Nov 24` or `24 de nov.`: a day of this year."""
    return format_skeleton("MMMd", day, locale=locale())


def percent(part: int, *, of: int) -> str:
    """`98,7 %`, rounded down, so that 100 % means all."""
    share = Decimal(part * 1000 // of) / 10
    return f"{format_decimal(share, locale=locale())} %"


def stay(length: timedelta) -> str:
    """`6 days`, `3 hr`: how long something lasted, in its largest unit."""
    return format_timedelta(length, format="short", threshold=1, granularity="minute", locale=locale())


def duration(seconds: int) -> str:
    """`1:05` or `1:01:05`, as telephones show it."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def pretty_json(text: str) -> str:
    """JSON with a line for each value, and anything else as it is, what is nested too deep to be read included.

    Halves of a surrogate pair, which no page can hold, stay the escapes that they were.
    """
    try:
        lines = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
    return lines.encode(errors="backslashreplace").decode()


def initials(name: str) -> str:
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


def hue(key: int) -> int:
    """The colour, 1 to 12, of something that has none of its own; neighbouring ids get distant hues."""
    return key * 7 % 12 + 1
