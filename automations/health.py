"""How well a destination is, and backing off when it is not.

From the fourth failure in a row nothing is sent but a probe: one delivery a minute later, then after twice as long each
time, up to a day. Whatever waits is held, at no cost of attempts. One success ends it; nothing but failures for 120
hours, 410 Gone or the receiver's own wish disable the destination until a person switches it on again.

Every answer but 2xx is a failure in the row, a 4xx that gives its delivery up included, because a row of refusals means
that the destination is set up wrongly, and then holding its events beats having each of them refused. Only an answer
that gives one message up by name (`webhook-delivery: abort-message`) is a sign of life: so speaks a receiver that is
well. What was under way when the pause began says nothing new when it fails, so the pause grows with probes alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.db.models import F

from automations.models import Delivery, Destination
from automations.verdicts import GONE, Outcome
from automations.wake import wake
from crm.announcements import announce_bolts

FAILURES_BEFORE_PAUSE = 4
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=24)
DISABLED_AFTER = timedelta(hours=120)
HELD_AT_MOST = timedelta(days=14)
HELD_TOO_LONG = "held_too_long"
_BATCH = 500  # deliveries given up in one transaction, so that a sweep never locks out a drain


@dataclass(frozen=True, slots=True)
class Health:
    """The columns of a destination that outcomes change."""

    status: str = Destination.Status.ACTIVE
    status_reason: str = ""
    failures_in_row: int = 0
    failing_since: datetime | None = None
    last_failure_status: int | None = None
    last_failure_error: str = ""
    probe_at: datetime | None = None
    told_percent: int = 0
    recovered_from: datetime | None = None
    given_up_untold: int = 0


_COLUMNS = tuple(asdict(Health()))


def pause_after(failures: int) -> timedelta:
    """A minute after the fourth failure in a row, twice as long with each further one, a day at most."""
    doublings = min(max(failures - FAILURES_BEFORE_PAUSE, 0), 11)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)


def next_probe_at(failures: int, *, since: datetime, now: datetime) -> datetime:
    """When the pause ends; one that would outlast the 120 hours ends with them, so that its probe decides."""
    probe_at, last_at = now + pause_after(failures), since + DISABLED_AFTER
    return last_at if now < last_at < probe_at else probe_at


def health_after(before: Health, outcome: Outcome, *, now: datetime) -> Health:
    """What one more outcome makes of a destination's health."""
    if outcome.state == Delivery.State.FAILED:
        before = replace(before, given_up_untold=before.given_up_untold + 1)
    if before.status == Destination.Status.DISABLED:
        return before
    if reason := _end_of_all(outcome):
        return _disabled(_failed(before, outcome, now=now), reason)
    if before.status == Destination.Status.PAUSED:
        return before
    if outcome.is_sign_of_life:
        return _well(before)
    if before.status == Destination.Status.FAILING and not outcome.claimed.probe:
        return before
    return _backed_off(_failed(before, outcome, now=now), now=now)


def _end_of_all(outcome: Outcome) -> str:
    """Why nothing is to be sent any more after this outcome; "" where nothing says so."""
    if outcome.exchange.status_code == GONE:
        return "gone"
    return "asked" if outcome.asks_to_disable else ""


def _disabled(before: Health, reason: str) -> Health:
    return replace(before, status=Destination.Status.DISABLED, status_reason=reason, probe_at=None)


def _well(before: Health) -> Health:
    ended = before.failing_since if before.status == Destination.Status.FAILING else before.recovered_from
    return Health(recovered_from=ended, given_up_untold=before.given_up_untold)


def _failed(before: Health, outcome: Outcome, *, now: datetime) -> Health:
    return replace(
        before,
        failures_in_row=before.failures_in_row + 1,
        failing_since=before.failing_since or now,
        last_failure_status=outcome.exchange.status_code,
        last_failure_error=outcome.exchange.error_code,
    )


def _backed_off(failed: Health, *, now: datetime) -> Health:
    """From the fourth failure on a pause, until a probe fails after 120 hours."""
    failures, since = failed.failures_in_row, failed.failing_since or now
    if failures < FAILURES_BEFORE_PAUSE:
        return failed
    if failed.status == Destination.Status.FAILING and now - since >= DISABLED_AFTER:
        return _disabled(failed, "failing")
    probe_at = next_probe_at(failures, since=since, now=now)
    return replace(failed, status=Destination.Status.FAILING, status_reason="failing", probe_at=probe_at)


def record_health(outcomes: Sequence[Outcome], *, now: datetime) -> None:
    """Note in the caller's transaction what the outcomes, in their order, say of their destinations.

    Costs one small query while all is well. Destinations are locked by rising id; a claim passes over locked ones, so
    nobody waits in a circle.
    """
    by_destination: dict[int, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_destination[outcome.claimed.destination_id].append(outcome)
    troubled = [pk for pk, group in by_destination.items() if not all(map(_changes_nothing, group))]
    for destination_id, before in _lock(troubled, well=by_destination.keys() - set(troubled)):
        after = before
        for outcome in by_destination[destination_id]:
            after = health_after(after, outcome, now=now)
        if after != before:
            _write(destination_id, before=before, after=after)


_LOCK = f"""
    SELECT id, {", ".join(_COLUMNS)} FROM automations_destination
    WHERE deleted_at IS NULL AND (id = ANY(%s) OR id = ANY(%s) AND failures_in_row > 0)
    ORDER BY id
    FOR NO KEY UPDATE
"""  # noqa: S608  # names of this module


def _lock(troubled: Iterable[int], *, well: Iterable[int]) -> list[tuple[int, Health]]:
    """Of destinations that had trouble, and of those that are well now and were not, the health so far."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [list(troubled), list(well)])
        return [(destination_id, Health(*columns)) for destination_id, *columns in cursor.fetchall()]


def _changes_nothing(outcome: Outcome) -> bool:
    """Whether an outcome says of a destination that was well only that it still is."""
    return outcome.state == Delivery.State.DELIVERED and not _end_of_all(outcome)


def _write(destination_id: int, *, before: Health, after: Health) -> None:
    changes = {name: value for name, value in asdict(after).items() if getattr(before, name) != value}
    Destination.objects.filter(pk=destination_id).update(**changes)
    recovered = before.status == Destination.Status.FAILING and after.status == Destination.Status.ACTIVE
    if recovered and before.failing_since:
        _hasten(destination_id, since=before.failing_since)
        wake()


def reset_health(*, destination_id: int) -> None:
    """Switch a destination on with a clean record, and send what was held. Needs its row locked by the caller."""
    row = Destination.objects.filter(pk=destination_id)
    since = row.values_list("failing_since", flat=True).get()
    row.update(**{**asdict(Health()), "given_up_untold": F("given_up_untold")})
    if since:
        _hasten(destination_id, since=since)
    wake()


_HASTEN = """
    UPDATE automations_delivery SET due_at = greatest(created_at, %(since)s - interval '1 day')
    WHERE id IN (
        SELECT id FROM automations_delivery
        WHERE destination_id = %(destination)s AND state = 'pending' AND leased_until IS NULL AND NOT awaits_check
        AND run_attempts > 0
        ORDER BY id
        FOR NO KEY UPDATE SKIP LOCKED
    )
"""


def _hasten(destination_id: int, *, since: datetime) -> None:
    """Let what waits for a retry go first and in order: it is older than what was held untried behind it.

    What was made long before, for a later day, goes first of all, but keeps most of the 14 days it may be held.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HASTEN, {"destination": destination_id, "since": since})


@transaction.atomic
def probe_now(*, destination_id: int, now: datetime) -> bool:
    """End the pause of a failing destination; False where there is none."""
    failing = Destination.objects.present().filter(pk=destination_id, status=Destination.Status.FAILING)
    if not failing.filter(probe_at__gt=now).update(probe_at=now):
        return False
    wake()
    return True


@transaction.atomic
def mend_clock(*, now: datetime) -> int:
    """Bring back what a clock that ran ahead has left in the future; returns at how many destinations.

    A pause can end no later than its length from now, and nothing can have begun to fail later than now.
    """
    failing = Destination.objects.filter(status=Destination.Status.FAILING).order_by("pk")
    rows = failing.select_for_update(no_key=True).values_list("pk", *_COLUMNS)
    mended = 0
    for destination_id, *columns in rows:
        before = Health(*columns)
        after = _in_our_time(before, now=now)
        if after != before:
            _write(destination_id, before=before, after=after)
            mended += 1
    return mended


def _in_our_time(health: Health, *, now: datetime) -> Health:
    probe_at, since = health.probe_at, health.failing_since
    if probe_at and probe_at > now + pause_after(health.failures_in_row):
        probe_at = now
    return replace(health, probe_at=probe_at, failing_since=min(since, now) if since else None)


_GIVE_UP = """
    WITH held AS (
        SELECT delivery.id FROM automations_destination AS destination
        CROSS JOIN LATERAL (
            SELECT id FROM automations_delivery
            WHERE destination_id = destination.id AND state = 'pending' AND leased_until IS NULL
            AND NOT awaits_check AND due_at <= %(before)s
            ORDER BY due_at
            LIMIT %(batch)s
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS delivery
        WHERE destination.status <> 'active' AND destination.deleted_at IS NULL
        LIMIT %(batch)s
    )
    UPDATE automations_delivery AS delivery SET state = 'failed', reason = %(reason)s, due_at = %(now)s
    FROM held WHERE delivery.id = held.id
    RETURNING delivery.destination_id, delivery.deal_id
"""


def give_up_held(*, now: datetime) -> int:
    """Give up what has been held for 14 days since it was due; returns how many deliveries that were.

    They count as due now, so that recovering what was given up lately finds them.
    """
    given_up = 0
    while count := _give_up_batch(now=now):
        given_up += count
    return given_up


@transaction.atomic
def _give_up_batch(*, now: datetime) -> int:
    with connection.cursor() as cursor:
        before = now - HELD_AT_MOST
        cursor.execute(_GIVE_UP, {"before": before, "now": now, "batch": _BATCH, "reason": HELD_TOO_LONG})
        rows = cursor.fetchall()
    by_destination = Counter(destination_id for destination_id, _deal in rows)
    for destination_id, count in sorted(by_destination.items()):
        note_given_up(destination_id=destination_id, count=count)
    announce_bolts({deal_id for _destination, deal_id in rows if deal_id})
    return by_destination.total()


def note_given_up(*, destination_id: int, count: int = 1) -> None:
    """Remember that people are to be told of deliveries given up without an attempt."""
    row = Destination.objects.filter(pk=destination_id)
    row.update(given_up_untold=F("given_up_untold") + count)


def note_unsendable(deliveries: Iterable[Delivery]) -> None:
    """Remember after the commit which of the new deliveries were given up for their payload's sake.

    Not before it: a destination's row held by whoever moves a thousand deals is one that no claim can take.
    """
    given_up = Counter(row.destination_id for row in deliveries if row.state == Delivery.State.FAILED)
    for destination_id, count in sorted(given_up.items()):
        transaction.on_commit(partial(note_given_up, destination_id=destination_id, count=count))
