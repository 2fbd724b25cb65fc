"""Listens to the CRM: its facts become deliveries, its questions are answered from the log."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Count, OuterRef, Subquery
from django.dispatch import Signal
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automations.erasure import deliveries_that_say_who, erase_deliveries
from automations.manual import rules_for
from automations.matching import deliver_events
from automations.models import Delivery, Event, Rule
from automations.rules import leave_pipeline, leave_stage
from crm import signals
from crm.actors import Actor
from crm.models import Contact, Deal, Pipeline, Stage
from crm.signals import DealEvent
from crm.timeline import (
    CardBadge,
    DealAction,
    Ending,
    EntryKind,
    Sending,
    StageBadge,
    TimelineEntry,
    Tone,
    Touched,
)

FACTS: dict[Signal, Event] = {
    signals.deal_created: Event.DEAL_CREATED,
    signals.deal_updated: Event.DEAL_UPDATED,
    signals.deal_stage_changed: Event.DEAL_STAGE_CHANGED,
    signals.deal_won: Event.DEAL_WON,
    signals.deal_lost: Event.DEAL_LOST,
    signals.deal_reopened: Event.DEAL_REOPENED,
    signals.deal_deleted: Event.DEAL_DELETED,
    signals.call_recorded: Event.CALL_RECORDED,
}
_TONES = {
    Delivery.State.DELIVERED: Tone.OK,
    Delivery.State.FAILED: Tone.BAD,
    Delivery.State.CANCELLED: Tone.NEUTRAL,
    Delivery.State.SKIPPED: Tone.NEUTRAL,
}
_NAMED = 5  # rules in the tooltip of a column
_SHOWN = 50  # deliveries in a timeline; the log has them all


def connect() -> None:
    """Called once, when the applications are loaded."""
    for signal in FACTS:
        signal.connect(on_fact, dispatch_uid="automations")
    signals.timeline_requested.connect(timeline_of, dispatch_uid="automations")
    signals.traffic_requested.connect(traffic_of, dispatch_uid="automations")
    signals.contact_erased.connect(erase_contact, dispatch_uid="automations")
    signals.erasure_requested.connect(touched_by_erasing, dispatch_uid="automations")
    signals.card_badges_requested.connect(badges_of_cards, dispatch_uid="automations")
    signals.deal_actions_requested.connect(buttons_of, dispatch_uid="automations")
    signals.sending_requested.connect(sending_of, dispatch_uid="automations")
    signals.stage_ending.connect(end_stage, dispatch_uid="automations")
    signals.pipeline_ending.connect(end_pipeline, dispatch_uid="automations")
    signals.stage_badges_requested.connect(badges_of_stages, dispatch_uid="automations")


def on_fact(signal: Signal, events: Sequence[DealEvent], actor: Actor, **_sender: Any) -> None:
    if not actor.quiet:
        deliver_events(FACTS[signal], events=events, actor=actor)


def timeline_of(deal: Deal, **_sender: Any) -> list[TimelineEntry]:
    rows = (
        Delivery.objects.filter(deal=deal).select_related("destination", "rule").defer("body").order_by("-id")
    )
    return [
        TimelineEntry(
            at=delivery.created_at,
            icon="bolt",
            text=_("Sent to “%(destination)s”") % {"destination": delivery.destination.name},
            detail=_summary(delivery),
            url=delivery.get_absolute_url(),
            tone=tone_of(delivery),
            kind=EntryKind.SENDING,
            by=_("Rule “%(rule)s”") % {"rule": delivery.rule.name} if delivery.rule else "",
        )
        for delivery in rows[:_SHOWN]
    ]


def traffic_of(deal_ids: Collection[int], **_sender: Any) -> list[TimelineEntry]:
    """The newest deliveries of several deals."""
    rows = Delivery.objects.filter(deal__in=deal_ids).select_related("destination").defer("body")
    return [
        TimelineEntry(
            at=delivery.created_at,
            icon="bolt",
            text=f"{delivery.deal_title} → {delivery.destination.name}",
            detail=_summary(delivery),
            url=delivery.get_absolute_url(),
            tone=tone_of(delivery),
            kind=EntryKind.SENDING,
        )
        for delivery in rows.order_by("-id")[:_SHOWN]
    ]


def erase_contact(contact: Contact, deal_ids: Collection[int], **_signal: Any) -> None:
    erase_deliveries(contact=contact, deal_ids=deal_ids)


def touched_by_erasing(contact: Contact, deal_ids: Collection[int], **_sender: Any) -> list[Touched]:
    rows = deliveries_that_say_who(contact=contact, deal_ids=deal_ids)
    waiting = rows.filter(state=Delivery.State.PENDING).count()
    return [
        Touched(_("Deliveries that wait"), _("are cancelled"), waiting),
        Touched(
            _("Bodies of deliveries"),
            _("are deleted here; what the receivers keep is theirs to delete"),
            rows.count() - waiting,
        ),
    ]


def badges_of_cards(deal_ids: Sequence[int], **_sender: Any) -> dict[int, CardBadge]:
    """The newest delivery of each card."""
    newest = Delivery.objects.filter(deal__in=deal_ids).order_by("deal_id", "-id").distinct("deal_id")
    return {
        deal_id: CardBadge(tone=tone_of(row), text=_summary(row), url=row.get_absolute_url())
        for row in newest.defer("body")
        if (deal_id := row.deal_id) is not None
    }


def buttons_of(deal: Deal, **_sender: Any) -> list[DealAction]:
    """A button for each rule that is run by hand and concerns the deal."""
    return [DealAction(text=rule.name, url=reverse("run-rule", args=[rule.pk])) for rule in rules_for(deal)]


def sending_of(deal_ids: Sequence[int], chain: UUID, **_sender: Any) -> Sending:
    """The requests that wait to be sent because of one change to many deals."""
    made = Delivery.objects.filter(deal__in=deal_ids, chain=chain, state=Delivery.State.PENDING)
    counts = made.aggregate(rules=Count("rule", distinct=True), requests=Count("pk"))
    return Sending(rules=counts["rules"], requests=counts["requests"])


def end_stage(stage: Stage, successor: Stage | None, **_sender: Any) -> Ending:
    return leave_stage(stage=stage, successor=successor)


def end_pipeline(pipeline: Pipeline, **_sender: Any) -> None:
    leave_pipeline(pipeline=pipeline)


def badges_of_stages(pipeline: Pipeline, **_sender: Any) -> dict[int, StageBadge]:
    """Which rules act when a deal enters each stage, and whether what one of them sent last has gone wrong."""
    newest = Delivery.objects.filter(rule=OuterRef("pk")).order_by("-id")
    rules = Rule.objects.present().filter(enabled=True, stage__pipeline=pipeline)
    fared = rules.annotate(
        state=Subquery(newest.values("state")[:1]), attempts=Subquery(newest.values("attempts_made")[:1])
    )
    of_stages: dict[int, list[tuple[str, Tone]]] = defaultdict(list)
    for stage, name, state, attempts in fared.values_list("stage", "name", "state", "attempts"):
        of_stages[stage].append((name, _tone(state, attempts) if state else Tone.NEUTRAL))
    return {stage: _badge(stage, those) for stage, those in of_stages.items()}


def _badge(stage: int, rules: Sequence[tuple[str, Tone]]) -> StageBadge:
    count, tones = len(rules), [tone for _name, tone in rules]
    said = ngettext("%(n)d automatic action", "%(n)d automatic actions", count) % {"n": count}
    names = ", ".join(name for name, _tone in rules[:_NAMED]) + (" …" if count > _NAMED else "")
    return StageBadge(
        count=count,
        text=f"{said}: {names}",
        url=f"{reverse('rules')}?{urlencode({'stage': stage})}",
        tone=next((tone for tone in (Tone.BAD, Tone.WARN) if tone in tones), Tone.NEUTRAL),
    )


def tone_of(delivery: Delivery) -> Tone:
    return _tone(delivery.state, delivery.attempts_made)


def _tone(state: str, attempts: int) -> Tone:
    """Green once delivered, red once given up, amber while it is being retried."""
    if state == Delivery.State.PENDING:
        return Tone.WARN if attempts else Tone.NEUTRAL
    return _TONES[Delivery.State(state)]


def _summary(delivery: Delivery) -> str:
    state = str(delivery.get_state_display())
    answer = str(delivery.status_code or delivery.error_code or "")
    return f"{state} · {answer}" if answer else state
