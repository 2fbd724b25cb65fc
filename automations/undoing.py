"""Moves that are taken back: what still waits of them is withdrawn, and a rule that had told nobody says nothing.

A rule that holds back for a minute sends neither the move nor its undoing, as though there had been none. One that
sends at once has told of the move, so it tells of the way back as of any other move.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from automations.models import Delivery, Event, Rule
from crm.signals import DealEvent

UNDONE = "undone"


def untold_of_undoing(
    rules: Iterable[Rule], events: Sequence[DealEvent], *, now: datetime
) -> set[tuple[int, int]]:
    """Rule and deal, by their ids, of those undoings among `events` that the rule must not tell."""
    untold = set[tuple[int, int]]()
    for event in events:
        if event.undoes is not None:
            held_back_for = now - event.undoes
            silent = {rule.pk for rule in rules if held_back_for < timedelta(seconds=rule.delay_seconds)}
            silent |= _withdraw(event.deal.pk, since=event.undoes)
            untold |= {(rule, event.deal.pk) for rule in silent}
    return untold


def _withdraw(deal_id: int, *, since: datetime) -> set[int]:
    """Let what waits of the deal's last move go unsent, and return its rules."""
    waiting = Delivery.objects.filter(
        deal=deal_id,
        event=Event.DEAL_STAGE_CHANGED,
        state=Delivery.State.PENDING,
        awaits_check=True,
        created_at__gte=since,
    )
    found = dict(waiting.select_for_update(no_key=True).values_list("pk", "rule"))
    Delivery.objects.filter(pk__in=found).update(
        state=Delivery.State.SKIPPED, reason=UNDONE, awaits_check=False
    )
    return set(found.values())
