"""Charts drawn on the server: columns stacked on each other and lines, over slots of time, as numbers for an SVG.

The drawing holds no text, so that it may be stretched to whatever room there is; what is written stands around it, in
`templates/_parts/chart.html`, with the same figures as a table. Coordinates are texts, because a template would write a
number in the customs of the language under way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import log10
from typing import TypeAlias

from django.utils.translation import gettext as _

from crm import formats

WIDTH, HEIGHT = 960, 120  # of the drawing, in its own units
_GAP = 0.2  # of a slot's width, between two columns


@dataclass(frozen=True, slots=True)
class Series:
    """What is counted or measured, one value a slot (None where there is none); `tone` is a class of charts.css."""

    label: str
    tone: str
    values: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Slot:
    """A stretch of time, how it is called, and where a click on it leads."""

    label: str
    url: str = ""
    name: str = ""  # for a script that selects several


Figures: TypeAlias = tuple[Slot, Sequence[str]]  # a slot and its values as they are written


@dataclass(frozen=True, slots=True)
class Bar:
    """What has one figure: its name, the figure in words, its length of 100, and what else the table tells of it."""

    label: str
    text: str
    length: str
    more: Sequence[str] = ()
    url: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars that lie below each other, `heads` over the columns of their table."""

    id: str
    title: str
    heads: Sequence[str]
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Block:
    """A series' share of a column."""

    tone: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Column:
    """All that is drawn over one slot, and its figures in words.

    `x` to `x + width` can be pointed at, `inner_x` to `inner_x + inner_width` is filled.
    """

    slot: Slot
    text: str
    x: str
    width: str
    inner_x: str
    inner_width: str
    blocks: Sequence[Block] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """`lines` are pairs of a tone and the path's data, `table` has a row for each slot: its label and the figures."""

    id: str
    title: str
    summary: str
    series: Sequence[Series]
    columns: Sequence[Column]
    highest: str
    table: Sequence[Figures]
    lines: Sequence[tuple[str, str]] = ()
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def marks(self) -> list[str]:
        """The labels of the first, the middle and the last slot."""
        return [self.table[place][0].label for place in (0, len(self.table) // 2, -1)]


def stacked(*, id: str, title: str, slots: Sequence[Slot], series: Sequence[Series]) -> Chart:  # noqa: A002  # HTML's name
    """Columns of counts, the first series at the bottom."""
    per_slot = list(zip(*(each.values for each in series), strict=True))
    highest = _round_up(max(sum(value or 0 for value in values) for values in per_slot))
    table = _table(slots, series, write=formats.number)
    sums = [f"{each.label}: {formats.number(sum(value or 0 for value in each.values))}" for each in series]
    return Chart(
        id=id,
        title=title,
        summary=_sentences(sums),
        series=series,
        columns=_columns(table, series, [_blocks(values, series, highest=highest) for values in per_slot]),
        highest=formats.number(highest),
        table=table,
    )


def lines(*, id: str, title: str, slots: Sequence[Slot], series: Sequence[Series]) -> Chart:  # noqa: A002  # HTML's name
    """Lines of durations in ms, broken where there is no value."""
    known = [[value for value in each.values if value is not None] for each in series]
    highest = _round_up(max((max(values, default=0) for values in known), default=0))
    table = _table(slots, series, write=milliseconds)
    ranges = [
        _("%(name)s: %(least)s to %(most)s")
        % {"name": each.label, "least": milliseconds(min(values)), "most": milliseconds(max(values))}
        for each, values in zip(series, known, strict=True)
        if values
    ]
    return Chart(
        id=id,
        title=title,
        summary=_sentences(ranges),
        series=series,
        columns=_columns(table, series, [()] * len(table)),
        highest=milliseconds(highest),
        table=table,
        lines=[(each.tone, _path(each.values, highest=highest)) for each in series],
    )


def bar_lengths(values: Sequence[float]) -> list[str]:
    """Of 100, where the highest has all of it."""
    highest = max(values, default=0) or 1
    return [_text(100 * value / highest) for value in values]


def milliseconds(value: int) -> str:
    """`184 ms`, and from ten seconds on `12 s`."""
    return f"{formats.number(round(value / 1000))} s" if value >= 10_000 else f"{formats.number(value)} ms"


def _table(slots: Sequence[Slot], series: Sequence[Series], *, write: Callable[[int], str]) -> list[Figures]:
    per_slot = zip(*(each.values for each in series), strict=True)
    texts = (["–" if value is None else write(value) for value in values] for values in per_slot)
    return list(zip(slots, texts, strict=True))


def _sentences(told: Sequence[str]) -> str:
    return ". ".join(told) + "." if told else _("Nothing yet.")


def _columns(
    table: Sequence[Figures], series: Sequence[Series], blocks: Sequence[Sequence[Block]]
) -> list[Column]:
    step = WIDTH / len(table)
    return [
        Column(
            slot=slot,
            text=" · ".join(
                [slot.label, *(f"{it.label} {text}" for it, text in zip(series, texts, strict=True))]
            ),
            x=_text(place * step),
            width=_text(step),
            inner_x=_text((place + _GAP / 2) * step),
            inner_width=_text((1 - _GAP) * step),
            blocks=blocks[place],
        )
        for place, (slot, texts) in enumerate(table)
    ]


def _blocks(values: Sequence[int | None], series: Sequence[Series], *, highest: int) -> list[Block]:
    """From the ground up; the least count can still be seen."""
    heights = [max(HEIGHT * value / highest, 2.0) if value else 0.0 for value in values]
    tops = accumulate(heights)
    return [
        Block(tone=each.tone, y=_text(HEIGHT - top), height=_text(height))
        for each, height, top in zip(series, heights, tops, strict=True)
        if height
    ]


def _path(values: Sequence[int | None], *, highest: int) -> str:
    """A value that stands alone is a dash as wide as its slot."""
    step = WIDTH / len(values)
    parts, is_drawing = list[str](), False
    for place, value in enumerate(values):
        if value is None:
            is_drawing = False
            continue
        y = _text(HEIGHT - HEIGHT * value / highest)
        middle = _text((place + 0.5) * step)
        parts.append(f"L{middle} {y}" if is_drawing else f"M{_text(place * step)} {y}L{middle} {y}")
        if place + 1 == len(values) or values[place + 1] is None:
            parts.append(f"L{_text((place + 1) * step)} {y}")
        is_drawing = True
    return "".join(parts)


def _round_up(value: int) -> int:
    """The next one of 1, 2, 5, 10, 20, 50 …, so that the scale is a number to remember."""
    if value <= 1:
        return 1
    power: int = 10 ** int(log10(value))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value)


def _text(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")
