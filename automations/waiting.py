"""Deliveries that wait for time to pass: a rule's delay, and the hours in which it may send.

A waiting delivery is looked at once more when it comes due, because the deal may have moved on meanwhile. Until then
it is out of the claim's sight. All of it is in the rows, so a worker that ends forgets nothing.

A sending window is `{"weekdays": [1, …, 7], "from": "09:00", "to": "18:00"}`: Monday is 1, the hours are those of the
organisation. One that ends before it begins goes on past midnight and belongs to the day it begins on; one that ends
when it begins lasts for 24 hours. `{}` is always open.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from automations.models import Delivery, Event, Rule
from crm.announcements import announce_bolts
from crm.models import Change, Deal

AT_A_TIME = 500
LEFT_STAGE = "left_stage"
_ONE_DAY = timedelta(days=1)
_WEEKDAYS = (1, 2, 3, 4, 5, 6, 7)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


def organisation_zone() -> ZoneInfo:
    return ZoneInfo(settings.TIME_ZONE)


def window_problems(window: Any) -> list[str]:
    """What is wrong with a sending window that somebody wants to save; empty where nothing is."""
    if window == {}:
        return []
    if not isinstance(window, dict) or window.keys() != {"weekdays", "from", "to"}:
        return [_("A sending window has weekdays, from and to.")]
    problems = []
    weekdays = window["weekdays"]
    if not isinstance(weekdays, list) or not weekdays or not all(day in _WEEKDAYS for day in weekdays):
        problems.append(_("Weekdays are numbers from 1 (Monday) to 7 (Sunday), at least one of them."))
    if not all(_CLOCK.fullmatch(str(window[name])) for name in ("from", "to")):
        problems.append(_("Hours are written like 09:00."))
    return problems


def sending_time(rule: Rule, *, now: datetime) -> datetime:
    """When what a rule makes of an event that happens now may be sent first: `now` where it need not wait."""
    at = now + timedelta(seconds=rule.delay_seconds)
    return next_opening(rule.sending_window, at, organisation_zone())


def next_opening(window: Mapping[str, Any], at: datetime, zone: ZoneInfo) -> datetime:
    """`at` where the window is open then, else when it opens next."""
    if not window:
        return at
    return min(max(opening, at) for opening, closing in _openings(window, at, zone) if closing > at)


def _openings(window: Mapping[str, Any], at: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """The window's turns from the day before `at` on, as moments in UTC.

    We compare in UTC, because two times of one zone are compared by what their clocks show, which is wrong in the
    nights when clocks change. An hour that such a night has twice is open both times; a turn that it leaves nothing
    of is left out, and the next week has it again.
    """
    opens, closes = time.fromisoformat(window["from"]), time.fromisoformat(window["to"])
    first = at.astimezone(zone).date() - _ONE_DAY
    for day in (first + days * _ONE_DAY for days in range(16)):
        if day.isoweekday() in window["weekdays"]:
            last = day + _ONE_DAY if closes <= opens else day
            opening = datetime.combine(day, opens, zone).astimezone(UTC)
            closing = max(
                datetime.combine(last, closes.replace(fold=n), zone).astimezone(UTC) for n in (0, 1)
            )
            if opening < closing:
                yield opening, closing


def stage_to_stay_in(rule: Rule, deal: Deal) -> datetime | None:
    """When the deal entered the stage that it must still be in when a waiting delivery comes due; None for any.

    A rule is about a stage where it names one or waits for a move or a long stay. What is told of a deleted deal
    cannot be about where it is.
    """
    about_a_stage = rule.stage_id is not None or rule.event in (Event.DEAL_STAGE_CHANGED, Event.DEAL_STALE)
    if rule.event == Event.DEAL_DELETED or rule.if_left == Rule.IfLeft.KEEP or not about_a_stage:
        return None
    return deal.stage_entered_at


@transaction.atomic
def release_due(*, now: datetime) -> int:
    """Look at the oldest waiting deliveries that have come due, and return how many there were.

    Each is let go to be claimed, put off until its rule's window opens, or skipped because its deal has left the
    stage. Two that do this at once share the rows between them; one that ends half way has changed nothing.
    """
    waiting = Delivery.objects.filter(state=Delivery.State.PENDING, awaits_check=True, due_at__lte=now)
    locked = waiting.select_for_update(of=("self",), no_key=True, skip_locked=True)
    due = list(locked.select_related("rule").defer("body").order_by("due_at")[:AT_A_TIME])
    left = _that_have_left(due)
    staying = [delivery for delivery in due if delivery.pk not in left]
    openings = {delivery.pk: _opening(delivery, now=now) for delivery in staying}
    _update(left, state=Delivery.State.SKIPPED, reason=LEFT_STAGE, awaits_check=False)
    announce_bolts({delivery.deal_id for delivery in due if delivery.pk in left and delivery.deal_id})
    _update((pk for pk, at in openings.items() if at <= now), awaits_check=False)
    for opening in {at for at in openings.values() if at > now}:
        _update((pk for pk, at in openings.items() if at == opening), due_at=opening)
    return len(due)


def _opening(delivery: Delivery, *, now: datetime) -> datetime:
    """The rule's window as it is now: who narrows it expects what waits to keep to it."""
    return next_opening(delivery.rule.sending_window, now, organisation_zone()) if delivery.rule else now


def _that_have_left(deliveries: Iterable[Delivery]) -> set[str]:
    """The ids of those whose deal has moved, was closed since, or is gone."""
    bound = {delivery.pk: delivery for delivery in deliveries if delivery.stage_entered_at is not None}
    deals = Deal.objects.in_bulk({delivery.deal_id for delivery in bound.values()})
    return {pk for pk, delivery in bound.items() if _has_left(delivery, deals.get(delivery.deal_id))}


def _has_left(delivery: Delivery, deal: Deal | None) -> bool:
    if deal is None or deal.stage_entered_at != delivery.stage_entered_at:
        return True
    return deal.status != Deal.Status.OPEN and _was_closed_since(deal, delivery.created_at)


def _was_closed_since(deal: Deal, moment: datetime) -> bool:
    """By the history, because `closed_at` may be set to an earlier day."""
    closings = Change.objects.filter(entity=Change.Entity.DEAL, object_id=deal.pk, field="status")
    return closings.filter(at__gt=moment).exists()


def _update(delivery_ids: Iterable[str], **fields: Any) -> None:
    Delivery.objects.filter(pk__in=list(delivery_ids)).update(**fields)
