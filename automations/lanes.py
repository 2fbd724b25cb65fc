"""What a drain has in hand, by destination: what is on its way, and the stock that waits for a place."""

from collections import deque
from collections.abc import Iterator
from itertools import chain

from automations.claims import Claimed
from automations.models import Destination
from automations.requests import Blueprint, blueprint_of

STOCK_SECONDS = 1.0  # a delivery that has waited this long for a place is given back
AHEAD = 0.2  # seconds that a stock lasts: several claims
PACED_OVER = 0.02  # seconds, at least, over which a destination's pace is measured
ANSWERS = 2.0  # seconds within which a destination must have answered for a stock of it to be kept
Key = tuple[str, int]  # a delivery and its attempt's number
Waiting = tuple[Claimed, Blueprint]


def key_of(claimed: Claimed) -> Key:
    return claimed.id, claimed.number


class Lane:
    """One destination's deliveries: `flying` are on their way, `waiting` for a place, each since a moment."""

    def __init__(self, *, moment: float) -> None:
        self.flying: dict[Key, tuple[Claimed, float]] = {}
        self.waiting: deque[tuple[float, Claimed, Blueprint]] = deque()
        self.answered_at = float("-inf")
        self._stock = 0  # how many it takes within AHEAD
        self._ended = 0
        self._counted_from = moment

    def __len__(self) -> int:
        return len(self.flying) + len(self.waiting)

    def land(self, key: Key, *, succeeded: bool, moment: float) -> None:
        del self.flying[key]
        self._ended += 1
        self.answered_at = moment if succeeded else float("-inf")

    def stock(self, *, moment: float) -> int:
        """How many are to wait for a place: what it takes within AHEAD, as lately measured."""
        if (span := moment - self._counted_from) >= PACED_OVER:
            self._stock = int(self._ended * AHEAD / span)
            self._ended, self._counted_from = 0, moment
        return self._stock

    def runs_low(self) -> bool:
        """Whether a quarter of the stock has left."""
        return 4 * len(self.waiting) < 3 * self._stock

    def answers(self, *, moment: float) -> bool:
        return moment - self.answered_at < ANSWERS

    def is_suspect(self, *, moment: float) -> bool:
        """Whether everything on its way has been so for long, and nothing came back."""
        if not self.flying or self.answers(moment=moment):
            return False
        _claimed, since = next(iter(self.flying.values()))
        return moment - since >= ANSWERS

    def next(self) -> Waiting | None:
        """The oldest in stock, where a place is free for it."""
        if not self.waiting or len(self.flying) >= self.waiting[0][2].destination.max_in_flight:
            return None
        _since, claimed, blueprint = self.waiting.popleft()
        return claimed, blueprint

    def is_late(self, *, moment: float) -> bool:
        """Whether the stock has waited too long. What a limit per second has let go leaves at once or not at all."""
        if not self.waiting:
            return False
        since, _claimed, blueprint = self.waiting[0]
        return blueprint.destination.rate_limit_per_second is not None or moment - since >= STOCK_SECONDS

    @property
    def sick(self) -> int:
        return sum(claimed.sick for claimed, _since in self.flying.values()) + sum(
            row[1].sick for row in self.waiting
        )

    def empty(self) -> list[Claimed]:
        """Take the stock away."""
        stock = [claimed for _since, claimed, _blueprint in self.waiting]
        self.waiting.clear()
        return stock


class Lanes:
    """The lanes of all destinations. Moments are those of the monotonic clock."""

    def __init__(self) -> None:
        self._lanes: dict[int, Lane] = {}
        self.flying = 0

    def __len__(self) -> int:
        return self.flying + self.waiting

    @property
    def waiting(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes.values())

    @property
    def sick(self) -> int:
        """How many are for destinations that were sick when they were claimed."""
        return sum(lane.sick for lane in self._lanes.values())

    def add(self, claimed: Claimed, blueprint: Blueprint, *, moment: float) -> None:
        lane = self._lanes.get(claimed.destination_id)
        if lane is None:
            lane = self._lanes[claimed.destination_id] = Lane(moment=moment)
        lane.waiting.append((moment, claimed, blueprint))

    def leave(self, *, at_most: int, moment: float) -> Iterator[Waiting]:
        """Send off up to `at_most`, in turn from each destination that has a place free."""
        lanes = list(self._lanes.values())
        while lanes:
            for lane in tuple(lanes):
                found = lane.next() if at_most > 0 else None
                if found is None:
                    lanes.remove(lane)
                    continue
                at_most -= 1
                self.flying += 1
                lane.flying[key_of(found[0])] = found[0], moment
                yield found

    def land(self, claimed: Claimed, *, succeeded: bool, moment: float) -> list[Claimed]:
        """Note the end of an exchange; returns the stock, which is given back where the exchange failed."""
        lane = self._lanes[claimed.destination_id]
        lane.land(key_of(claimed), succeeded=succeeded, moment=moment)
        self.flying -= 1
        return [] if succeeded else lane.empty()

    def late(self, *, moment: float) -> list[Claimed]:
        """Take away the stocks that have waited too long."""
        return [row for lane in self._lanes.values() if lane.is_late(moment=moment) for row in lane.empty()]

    def empty(self) -> list[Claimed]:
        """Take all stocks away."""
        return list(chain.from_iterable(lane.empty() for lane in self._lanes.values()))

    def stocks(self, *, moment: float) -> dict[int, int]:
        """For each destination that answers, how many more it may give than it has places for.

        What is in hand for it is taken off; what has ended is not, because that holds no place until it is recorded.
        """
        self._forget(moment=moment)
        lanes = ((pk, lane) for pk, lane in self._lanes.items() if lane.answers(moment=moment))
        return {pk: lane.stock(moment=moment) - len(lane) for pk, lane in lanes}

    def run_low(self) -> bool:
        """Whether a quarter of some stock has left."""
        return any(lane.runs_low() for lane in self._lanes.values())

    def suspects(self, *, moment: float) -> list[int]:
        return [pk for pk, lane in self._lanes.items() if lane.is_suspect(moment=moment)]

    def _forget(self, *, moment: float) -> None:
        for destination_id, lane in list(self._lanes.items()):
            if not lane.flying and not lane.waiting and not lane.answers(moment=moment):
                del self._lanes[destination_id]


class Blueprints:
    """Blueprints of destinations, with secrets decrypted, kept for as long as the rows stay as they are."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, Blueprint]] = {}

    def of(self, claimed: Claimed) -> Blueprint:
        """The blueprint for a delivery just claimed."""
        version, blueprint = self._known.get(claimed.destination_id, ("", None))
        if blueprint is None or version != claimed.version:
            blueprint = blueprint_of(Destination.objects.get(pk=claimed.destination_id))
            self._known[claimed.destination_id] = claimed.version, blueprint
        return blueprint
