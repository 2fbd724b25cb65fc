"""What a drain has in hand, by destination: what is on its way, and the stock that waits for a place."""

from collections import deque
from collections.abc import Iterator
from itertools import chain

from automations.claims import Claimed
from automations.models import Destination
from automations.requests import Blueprint, blueprint_of

STOCK_SECONDS = 1.0  # a delivery that has waited this long for a place is given back
ANSWERS = 2.0  # seconds within which a destination must have answered for a stock of it to be kept
Key = tuple[str, int]  # a delivery and its attempt's number
Waiting = tuple[Claimed, Blueprint]


def key_of(claimed: Claimed) -> Key:
    return claimed.id, claimed.number


class Lane:
    """One destination's deliveries: `flying` are on their way, `waiting` for a place, each since a moment."""

    def __init__(self) -> None:
        self.flying: dict[Key, tuple[Claimed, float]] = {}
        self.waiting: deque[tuple[float, Claimed, Blueprint]] = deque()
        self.answered_at = float("-inf")
        self.ended = 0  # since the last claim

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
        self._lanes.setdefault(claimed.destination_id, Lane()).waiting.append((moment, claimed, blueprint))

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
        del lane.flying[key_of(claimed)]
        self.flying -= 1
        lane.ended += 1
        lane.answered_at = moment if succeeded else float("-inf")
        return [] if succeeded else lane.empty()

    def late(self, *, moment: float) -> list[Claimed]:
        """Take away the stocks that have waited too long."""
        return [row for lane in self._lanes.values() if lane.is_late(moment=moment) for row in lane.empty()]

    def empty(self) -> list[Claimed]:
        """Take all stocks away."""
        return list(chain.from_iterable(lane.empty() for lane in self._lanes.values()))

    def stocks(self, *, moment: float) -> dict[int, int]:
        """How many more than it has places for each destination that answers may give: twice what it took just now."""
        self._forget(moment=moment)
        stocks = {}
        for destination_id, lane in self._lanes.items():
            if lane.answers(moment=moment):
                stocks[destination_id] = 2 * lane.ended
                lane.ended = 0
        return stocks

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
