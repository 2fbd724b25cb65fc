"""What a drain has in hand: places, stocks, and when a stock is given back."""

from datetime import UTC, datetime
from uuid import uuid4

from automations.claims import Claimed
from automations.lanes import AHEAD, ANSWERS, PACED_OVER, STOCK_SECONDS, Lanes
from automations.models import Destination
from automations.requests import Blueprint, blueprint_of


def blueprint(pk: int = 1, *, places: int = 2, limit: int | None = None) -> Blueprint:
    return blueprint_of(
        Destination(pk=pk, url="https://erp.example.com", max_in_flight=places, rate_limit_per_second=limit)
    )


def row(name: str, to: Blueprint, *, sick: bool = False) -> Claimed:
    return Claimed(
        id=name,
        destination_id=to.destination.pk,
        event="deal.won",
        chain=uuid4(),
        depth=0,
        body=b"{}",
        number=1,
        run_attempts=1,
        trigger="initial",
        due_at=datetime(2026, 1, 5, tzinfo=UTC),
        sick=sick,
    )


def stocked(names: str, to: Blueprint, *, lanes: Lanes | None = None, sick: bool = False) -> Lanes:
    lanes = Lanes() if lanes is None else lanes
    for name in names:
        lanes.add(row(name, to, sick=sick), to, moment=0)
    return lanes


def leaving(lanes: Lanes, *, at_most: int = 99, moment: float = 0) -> str:
    return "".join(claimed.id for claimed, _blueprint in lanes.leave(at_most=at_most, moment=moment))


def test_each_destination_sends_its_oldest_as_far_as_it_has_places() -> None:
    lanes = stocked("abc", blueprint(1))
    stocked("xyz", blueprint(2, places=1), lanes=lanes)
    assert leaving(lanes) == "axb"
    assert (lanes.flying, lanes.waiting, len(lanes)) == (3, 3, 6)
    assert leaving(lanes) == ""


def test_destinations_take_turns_where_the_door_is_narrow() -> None:
    lanes = stocked("abc", blueprint(1, places=3))
    stocked("x", blueprint(2), lanes=lanes)
    assert leaving(lanes, at_most=2) == "ax"
    assert leaving(lanes, at_most=1) == "b"


def test_a_place_that_falls_free_is_filled_from_the_stock() -> None:
    to = blueprint(places=1)
    lanes = stocked("ab", to)
    assert leaving(lanes) == "a"
    assert lanes.land(row("a", to), succeeded=True, moment=0) == []
    assert leaving(lanes) == "b"


def test_a_failure_gives_the_stock_of_its_destination_back() -> None:
    to = blueprint(places=1)
    lanes = stocked("abc", to)
    stocked("x", blueprint(2, places=0), lanes=lanes)
    leaving(lanes)
    assert [claimed.id for claimed in lanes.land(row("a", to), succeeded=False, moment=0)] == ["b", "c"]
    assert lanes.waiting == 1


def test_a_stock_that_waits_too_long_is_given_back() -> None:
    lanes = stocked("abc", blueprint(places=1))
    leaving(lanes)
    assert lanes.late(moment=STOCK_SECONDS - 0.1) == []
    assert [claimed.id for claimed in lanes.late(moment=STOCK_SECONDS)] == ["b", "c"]
    assert len(lanes) == 1


def test_what_a_limit_per_second_let_go_leaves_at_once_or_not_at_all() -> None:
    lanes = stocked("ab", blueprint(places=1, limit=10))
    assert leaving(lanes) == "a"
    assert [claimed.id for claimed in lanes.late(moment=0)] == ["b"]


def test_a_stock_is_what_a_destination_that_answers_takes_in_a_while_less_what_is_in_hand() -> None:
    to = blueprint()
    lanes = stocked("abcd", to)
    leaving(lanes)
    assert lanes.stocks(moment=0) == {}
    for name in "ab":
        lanes.land(row(name, to), succeeded=True, moment=AHEAD / 4)
    assert lanes.stocks(moment=AHEAD / 4) == {1: 2 * 4 - 2}
    assert lanes.stocks(moment=AHEAD / 4 + PACED_OVER / 2) == {1: 2 * 4 - 2}
    assert lanes.stocks(moment=AHEAD / 2) == {1: -2}
    assert lanes.stocks(moment=AHEAD / 2 + ANSWERS) == {}


def test_a_stock_runs_low_before_it_is_gone() -> None:
    to = blueprint()
    lanes = stocked("ab", to)
    leaving(lanes)
    assert not lanes.run_low()
    for name in "ab":
        lanes.land(row(name, to), succeeded=True, moment=AHEAD / 2)
    assert lanes.stocks(moment=AHEAD / 2) == {1: 4}
    stocked("cdefg", to, lanes=lanes)
    assert leaving(lanes) == "cd"
    assert not lanes.run_low()
    lanes.land(row("c", to), succeeded=True, moment=AHEAD)
    assert leaving(lanes) == "e"
    assert lanes.run_low()


def test_a_destination_that_keeps_its_requests_long_is_a_suspect_until_it_answers() -> None:
    to = blueprint()
    lanes = stocked("ab", to)
    leaving(lanes)
    assert lanes.suspects(moment=ANSWERS - 0.1) == []
    assert lanes.suspects(moment=ANSWERS) == [1]
    lanes.land(row("a", to), succeeded=True, moment=ANSWERS)
    assert lanes.suspects(moment=ANSWERS) == []


def test_the_sick_are_counted_on_their_way_and_in_stock() -> None:
    lanes = stocked("ab", blueprint(1, places=1), sick=True)
    stocked("x", blueprint(2), lanes=lanes)
    leaving(lanes)
    assert lanes.sick == 2
