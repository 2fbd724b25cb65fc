from datetime import UTC, datetime, timedelta

import pytest

from automations.schedule import DEFAULT_SCHEDULE, next_delay, parse_retry_after

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_the_default_schedule_is_ten_attempts() -> None:
    assert DEFAULT_SCHEDULE == (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    assert next_delay(DEFAULT_SCHEDULE, attempts=10, chance=0.5) is None


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 240), (0.5, 300), (0.75, 330)])
def test_a_step_is_spread_by_a_fifth_either_way(chance: float, seconds: int) -> None:
    assert next_delay(DEFAULT_SCHEDULE, attempts=2, chance=chance) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("asked", "given"), [(1, 300), (450, 450), (601, 600), (10**9, 600)])
def test_what_the_receiver_asks_for_is_honoured_between_one_and_two_steps(asked: int, given: int) -> None:
    delay = next_delay(DEFAULT_SCHEDULE, attempts=2, chance=0.1, retry_after=timedelta(seconds=asked))
    assert delay == timedelta(seconds=given)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("Tue, 24 Nov 2026 12:02:00 GMT", 120),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0),
        ("9" * 400, 10**9),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("1.5", None),
        ("١٢", None),
        ("Tue, 24 Nov 99999999999999999999 12:00:00 GMT", None),
        ("Tue, 24 Nov 2026 12:00:00 +99999999999999999999", None),
    ],
)
def test_retry_after_is_read_in_seconds_or_as_a_date(value: str, seconds: int | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert parse_retry_after(value, now=NOON) == expected
