"""When a failed delivery is tried again: pure arithmetic over the schedule, the jitter and `Retry-After`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

# Seconds before each attempt, the first at once: ten attempts over three days, as Standard Webhooks suggests.
DEFAULT_SCHEDULE = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.2


def next_delay(
    schedule: Sequence[int], *, attempts: int, chance: float, retry_after: timedelta | None = None
) -> timedelta | None:
    """How long to wait after `attempts` failed ones; None when the schedule is used up.

    `chance` in [0, 1) spreads the step by ±20 %. What the receiver asks for in `Retry-After` is honoured between
    one and two times the step.
    """
    if attempts >= len(schedule):
        return None
    step = schedule[attempts]
    if retry_after is not None:
        return timedelta(seconds=min(max(retry_after.total_seconds(), step), 2 * step))
    return timedelta(seconds=step * (1 + JITTER * (2 * chance - 1)))


def parse_retry_after(value: str, *, now: datetime) -> timedelta | None:
    """What `Retry-After` asks for, given in seconds or as an HTTP date; None where it says neither."""
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value[:10]), 10**9))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the latter for numbers that no date holds
        return None
    if moment.tzinfo is None:
        return None
    return max(moment - now, timedelta(0))
