"""The shapes in which other parts of Stagehook contribute to a deal's page, its card and its column, and to the
pages of its people."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.dispatch import Signal


class Tone(StrEnum):
    """How a badge or entry is coloured: all is well, being tried, given up, or merely told."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    NEUTRAL = "neutral"


class EntryKind(StrEnum):
    """What a line of a timeline is about; people narrow the timeline by it."""

    CHANGE = "change"
    STAGE = "stage"
    NOTE = "note"
    ACTIVITY = "activity"
    CALL = "call"
    SENDING = "sending"
    INBOUND = "inbound"


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of a deal's timeline. `text` and `detail` are translated; `by` is who did it, and through what.

    `url` leads to the whole story in a log, which administrators may read.
    """

    at: datetime
    icon: str
    text: str
    detail: str = ""
    url: str = ""
    tone: Tone = Tone.NEUTRAL
    kind: EntryKind = EntryKind.CHANGE
    by: str = ""

    @property
    def aside(self) -> str:
        """What stands beside the text: more of it, and who did it."""
        return " · ".join(filter(None, [self.detail, self.by]))


@dataclass(frozen=True, slots=True)
class CardBadge:
    """The bolt on a card: what became of the last thing sent for it."""

    tone: Tone
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class DealAction:
    """A button on the deal's page, which posts the deal's id as `deal` to `url`."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class StageBadge:
    """The bolt of a column: how many rules act there and what they are called."""

    count: int
    text: str
    url: str
    tone: Tone = Tone.NEUTRAL


@dataclass(frozen=True, slots=True)
class Touched:
    """How much of one kind an erasure touches, and what becomes of it. `text` is translated, its number in it."""

    text: str
    fate: str
    count: int


@dataclass(frozen=True, slots=True)
class Sending:
    """How many rules act on a change, and how many requests they will send."""

    rules: int
    requests: int


@dataclass(frozen=True, slots=True)
class Ending:
    """What becomes of the rules of a stage that goes: deleted, or on to another stage; and of what waits for them."""

    deleted: int = 0
    moved: int = 0
    called_off: int = 0

    def __add__(self, other: "Ending") -> "Ending":
        return Ending(
            self.deleted + other.deleted, self.moved + other.moved, self.called_off + other.called_off
        )


def answers_to(question: Signal, sender: type, **about: Any) -> list[Any]:
    """What the receivers of one of the CRM's questions (see `crm.signals`) answer."""
    return [answer for _receiver, answer in question.send(sender, **about)]
