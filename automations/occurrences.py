"""What comes with time and not with a change: a deal that stays in its stage, a subscription that is about to renew.

A sweep looks for what has come due, also for what did so while nothing ran. That a rule has acted is written down in
the transaction of its delivery, with the deal locked, so that two sweeps at once act once.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, Exists, OuterRef, QuerySet
from django.db.models.functions import Cast

from automations.matching import deliver_events
from automations.models import Event, Occurrence, Rule
from automations.waiting import organisation_zone
from crm.actors import Actor
from crm.deals import lock_present, number_events
from crm.edits import as_history
from crm.models import Deal, Subscription

AT_A_TIME = 200
_RENEWING = (Subscription.Status.TRIAL, Subscription.Status.ACTIVE, Subscription.Status.PAST_DUE)


@dataclass(frozen=True, slots=True)
class _Due:
    """One thing that a rule is to act on: of which deal, for which moment, and what the event is about."""

    subject_id: int
    deal_id: int
    moment: datetime
    about: Mapping[str, Any] = field(default_factory=dict)


def fire_due(*, now: datetime) -> int:
    """Let every rule act on what has come due for it, and return on how much it was."""
    rules = Rule.objects.present().filter(enabled=True, event__in=_FINDERS, days__isnull=False)
    return sum(_fire(rule, now=now) for rule in rules.select_related("destination"))


def _fire(rule: Rule, *, now: datetime) -> int:
    find = _FINDERS[Event(rule.event)]
    fired = 0
    while deal_ids := {due.deal_id for due in find(rule, now, None)}:
        fired += _fire_for(rule, deal_ids, now=now)
    return fired


@transaction.atomic
def _fire_for(rule: Rule, deal_ids: set[int], *, now: datetime) -> int:
    """What is due is asked anew once the deals are locked: another sweep may have been faster."""
    deals = {deal.pk: deal for deal in lock_present(deal_ids)}
    found = _FINDERS[Event(rule.event)](rule, now, deals.keys())
    Occurrence.objects.bulk_create(
        Occurrence(rule=rule, subject_id=due.subject_id, moment=due.moment) for due in found
    )
    events = number_events([(deals[due.deal_id], due.about) for due in found])
    deliver_events(Event(rule.event), events=events, actor=Actor.system(), rules=[rule])
    return len(found)


def _stale(rule: Rule, now: datetime, among: Collection[int] | None) -> list[_Due]:
    """Open deals that have been in their stage for the rule's days."""
    deals = Deal.objects.open().filter(
        stage_entered_at__lte=now - timedelta(days=rule.days or 0), **_place(rule, "")
    )
    if among is not None:
        deals = deals.filter(pk__in=among)
    due = deals.filter(~Exists(_acted(rule, subject=OuterRef("pk"), moment=OuterRef("stage_entered_at"))))
    rows = due.order_by("pk").values_list("pk", "stage_entered_at")
    return [_Due(subject_id=pk, deal_id=pk, moment=at) for pk, at in rows[:AT_A_TIME]]


def _renewing(rule: Rule, now: datetime, among: Collection[int] | None) -> list[_Due]:
    """Subscriptions of a deal that renew within the rule's days.

    Renewals that are over are told of as far as they came due under this rule, while nothing ran: an old date that
    nobody ever brought up to date is no news.
    """
    zone, ahead = organisation_zone(), timedelta(days=rule.days or 0)
    today = now.astimezone(zone).date()
    earliest = min(today, rule.created_at.astimezone(zone).date() + ahead)
    plans = Subscription.objects.filter(
        deal__isnull=False,
        status__in=_RENEWING,
        renews_on__range=(earliest, today + ahead),
        **_place(rule, "deal__"),
    )
    if among is not None:
        plans = plans.filter(deal__in=among)
    midnight = Cast(OuterRef("renews_on"), DateTimeField())
    due = plans.filter(~Exists(_acted(rule, subject=OuterRef("pk"), moment=midnight))).order_by("pk")
    return [
        _Due(
            subject_id=plan.pk,
            deal_id=plan.deal_id,
            moment=datetime.combine(plan.renews_on, time(), UTC),
            about={"subscription": subscription_document(plan)},
        )
        for plan in due[:AT_A_TIME]
        if plan.deal_id is not None and plan.renews_on is not None
    ]


def _place(rule: Rule, prefix: str) -> dict[str, int]:
    places = {f"{prefix}pipeline": rule.pipeline_id, f"{prefix}stage": rule.stage_id}
    return {name: pk for name, pk in places.items() if pk is not None}


def _acted(rule: Rule, *, subject: OuterRef, moment: Any) -> QuerySet[Occurrence]:
    return Occurrence.objects.filter(rule=rule, subject_id=subject, moment=moment)


def subscription_document(plan: Subscription) -> dict[str, Any]:
    """A subscription as JSON values, as payloads show it."""
    return {
        "id": plan.pk,
        "plan": plan.plan,
        "status": plan.status,
        "amount": as_history(plan.amount),
        "currency": plan.currency,
        "renews_on": as_history(plan.renews_on),
        "external_id": plan.external_id,
    }


_FINDERS: dict[Event, Callable[[Rule, datetime, Collection[int] | None], list[_Due]]] = {
    Event.DEAL_STALE: _stale,
    Event.SUBSCRIPTION_RENEWAL_DUE: _renewing,
}
