"""What cells say: numbers, dates and yes or no as people of several countries write them.

A cell is a text, or, from a spreadsheet that knows better, a number or a truth; its dates come as ISO texts.
"""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.folding import fold

Cell = str | int | float | bool


class BadCell(ValueError):
    """A cell that cannot be read as what its column was said to be. The message is fit for the person."""


class Decimals(models.TextChoices):
    COMMA = "comma", "1.234,56"
    POINT = "point", "1,234.56"


class Dates(models.TextChoices):
    DAY_FIRST = "dmy", gettext_lazy("31/12/2026 (day first)")
    MONTH_FIRST = "mdy", gettext_lazy("12/31/2026 (month first)")
    YEAR_FIRST = "ymd", gettext_lazy("2026-12-31 (year first)")


_SIGNS = {Decimals.COMMA: (".", ","), Decimals.POINT: (",", ".")}
_CURRENCY = re.compile(r"(?:[A-Z]{0,3}\s?[$€£¥]|\b[A-Z]{3}\b)", re.IGNORECASE)
_NUMBER = {
    Decimals.COMMA: re.compile(r"-?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?"),
    Decimals.POINT: re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"),
}
_ISO_DATE = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)(?:[T ].*)?")
_DATE = re.compile(r"(\d{1,4})[/.\-](\d\d?)[/.\-](\d{1,4})(?:[T ,].*)?")
_ORDERS = {Dates.DAY_FIRST: (2, 1, 0), Dates.MONTH_FIRST: (2, 0, 1), Dates.YEAR_FIRST: (0, 1, 2)}
_YES = {"1", "s", "sim", "y", "yes", "true", "verdadeiro", "x"}
_NO = {"0", "n", "nao", "no", "false", "falso"}


def as_text(cell: Cell) -> str:
    """The cell as it is read, without the blanks around it."""
    if isinstance(cell, bool):
        return _("yes") if cell else _("no")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def read_number(cell: Cell, *, decimals: Decimals) -> Decimal:
    """`R$ 1.234,56` and the like. Raises BadCell."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return Decimal(str(cell))
    text = "".join(_CURRENCY.sub("", str(cell)).split())
    if not _NUMBER[decimals].fullmatch(text):
        shape = {"value": cell, "shape": decimals.label}
        raise BadCell(_("“%(value)s” is no number written like %(shape)s.") % shape)
    thousands, point = _SIGNS[decimals]
    return Decimal(text.replace(thousands, "").replace(point, "."))


def read_date(cell: Cell, *, dates: Dates) -> date:
    """A day in the order of `dates`, or, whatever that is, as ISO. A time after it is passed over. Raises BadCell."""
    text = str(cell).strip()
    found, order = _ISO_DATE.fullmatch(text), _ORDERS[Dates.YEAR_FIRST]
    if found is None:
        found, order = _DATE.fullmatch(text), _ORDERS[dates]
    problem = _("“%(value)s” is no date written like %(shape)s.") % {"value": cell, "shape": dates.label}
    if found is None:
        raise BadCell(problem)
    year, month, day = (int(found[place + 1]) for place in order)
    try:
        return date(year + 2000 if year < 100 else year, month, day)
    except ValueError as error:
        raise BadCell(problem) from error


def read_truth(cell: Cell) -> bool:
    """Raises BadCell."""
    word = fold(str(cell).strip())
    if word in _YES or word in _NO:
        return word in _YES
    raise BadCell(_("“%(value)s” is neither yes nor no.") % {"value": cell})


def read_list(cell: Cell, *, between: str = ",;|\n") -> list[str]:
    """What stands between any of these signs, without repetitions."""
    parts = re.split(f"[{re.escape(between)}]", as_text(cell))
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


def likely_decimals(cells: Iterable[Cell], *, default: Decimals) -> Decimals:
    """How most of the amounts among these cells are written, as far as that can be told from each alone."""
    votes: Counter[Decimals] = Counter()
    for cell in cells:
        text = "".join(_CURRENCY.sub("", cell).split()) if isinstance(cell, str) else ""
        fits = [decimals for decimals, shape in _NUMBER.items() if shape.fullmatch(text)]
        if len(fits) == 1:
            votes[fits[0]] += 1
    return votes.most_common(1)[0][0] if votes else default


def likely_dates(cells: Iterable[Cell], *, default: Dates) -> Dates:
    """The order of day, month and year in which the fewest of these cells make no sense."""
    texts = [cell for cell in cells if isinstance(cell, str) and _DATE.fullmatch(cell.strip())]
    faults = {dates: sum(not _is_date(text, dates=dates) for text in texts) for dates in Dates}
    return min(Dates, key=lambda dates: (faults[dates], dates != default))


def _is_date(text: str, *, dates: Dates) -> bool:
    try:
        return 1900 <= read_date(text, dates=dates).year <= 2199
    except BadCell:
        return False
