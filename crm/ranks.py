"""Ranks: strings that keep cards in order, so that placing a card between two others writes one row.

A rank is a fraction in (0, 1) written in base 62 without its leading zero and compared byte by byte. It never ends
in the lowest digit, so there is always room between two ranks. Columns grow at their ends, so a rank before the
first or after the last card counts one step down or up in the leading digits instead of halving what is left:
ten thousand cards put on top of each other still have ranks of eight digits.
"""

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE = len(DIGITS)
_LEADING = 8  # digits that count steps at the ends: 62 ** 8 / 2 steps each way


def rank_between(low: str | None, high: str | None) -> str:
    """Return a rank above `low` and below `high`; None stands for the open end.

    Raises ValueError where `low` is not below `high`.
    """
    if low is not None and high is not None and low >= high:
        raise ValueError(f"no rank lies between {low!r} and {high!r}")
    if low is not None and high is None and (above := _leading(low) + 1) < _BASE**_LEADING:
        return _rank(above)
    if high is not None and low is None and (below := _leading(high) - 1) > 0:
        return _rank(below)
    return _middle(low or "", high)


def ranks_between(low: str | None, high: str | None, *, count: int) -> list[str]:
    """Return `count` rising ranks between `low` and `high`, evenly spread so that they stay short."""
    if count == 0:
        return []
    middle = _middle(low or "", high)
    before = (count - 1) // 2
    return [
        *ranks_between(low, middle, count=before),
        middle,
        *ranks_between(middle, high, count=count - 1 - before),
    ]


def _middle(low: str, high: str | None) -> str:
    """The shortest rank about half way, with "" for 0 and None for 1."""
    if high is not None:
        shared = _shared_prefix(low, high)
        if shared:
            return high[:shared] + _middle(low[shared:], high[shared:])
    first = DIGITS.index(low[0]) if low else 0
    last = DIGITS.index(high[0]) if high else _BASE
    if last - first > 1:
        return DIGITS[(first + last) // 2]
    if high is not None and len(high) > 1:
        return high[0]
    return DIGITS[first] + _middle(low[1:], None)


def _shared_prefix(low: str, high: str) -> int:
    """How many leading digits both have, where `low` goes on in zeros for as long as it needs to."""
    length = 0
    while length < len(high) and low[length : length + 1].ljust(1, DIGITS[0]) == high[length]:
        length += 1
    return length


def _leading(rank: str) -> int:
    number = 0
    for digit in rank[:_LEADING].ljust(_LEADING, DIGITS[0]):
        number = number * _BASE + DIGITS.index(digit)
    return number


def _rank(number: int) -> str:
    digits = ""
    for _ in range(_LEADING):
        number, digit = divmod(number, _BASE)
        digits = DIGITS[digit] + digits
    return digits.rstrip(DIGITS[0])
