"""From an event to deliveries, inside the transaction of whoever caused it: kept together or not at all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import prefetch_related_objects
from django.utils import timezone

from automations.conditions import meets
from automations.health import note_unsendable
from automations.loops import LoopGuard, tell_of_loops
from automations.models import Delivery, Destination, Event, Rule, new_delivery_id
from automations.payloads import PREFETCHED, standard_document
from automations.rendering import render
from automations.undoing import untold_of_undoing
from automations.waiting import sending_time, stage_to_stay_in
from automations.wake import wake
from crm.actors import Actor, ActorKind
from crm.signals import DealEvent

# As text, because every event of every deal asks, and mostly in vain: the ORM takes 2.9 ms to write and read this with
# its join, 1.7 ms without, and 0.7 ms where there is nothing to write.
_WAITING = """
    SELECT * FROM automations_rule WHERE event = %s AND enabled AND deleted_at IS NULL ORDER BY position, id
"""


@dataclass(frozen=True, slots=True)
class _Moment:
    """What all deliveries of one signal have in common."""

    kind: Event
    actor: Actor
    guard: LoopGuard
    now: datetime


def deliver_events(
    kind: Event, *, events: Sequence[DealEvent], actor: Actor, rules: Sequence[Rule] | None = None
) -> list[Delivery]:
    """Write a delivery for each rule that an event matches, its bytes frozen now, and wake the sender on commit.

    Rules act in the order of their position: all that wait for this kind of event, or `rules`.
    """
    if rules is None:
        rules = list(Rule.objects.raw(_WAITING, [kind]).prefetch_related("destination"))
    now = timezone.now()
    untold = untold_of_undoing(rules, events, now=now)
    matches = [
        (event, rule)
        for event in events
        for rule in rules
        if concerns(rule, event, actor=actor) and (rule.pk, event.deal.pk) not in untold
    ]
    if not matches:
        return []
    deals = [event.deal for event, _rule in matches]
    prefetch_related_objects(deals, *PREFETCHED)
    moment = _Moment(kind, actor, LoopGuard.of(rules=rules, deals=deals, actor=actor, now=now), now)
    deliveries = list(_deliveries(matches, moment))
    _number(deliveries)
    Delivery.objects.bulk_create(deliveries, batch_size=500)
    tell_of_loops(deliveries, now=now)
    note_unsendable(deliveries)
    if any(delivery.state == Delivery.State.PENDING for delivery in deliveries):
        wake()
    return deliveries


def concerns(rule: Rule, event: DealEvent, *, actor: Actor) -> bool:
    """Whether a rule for this kind of event acts on this one: pipeline, stage, fields, no echo to a paired system."""
    former = event.before.get("stage")
    return (
        rule.pipeline_id in (None, event.deal.pipeline_id)
        and rule.stage_id in (None, event.deal.stage_id)
        and (rule.from_stage_id is None or (former is not None and former["id"] == rule.from_stage_id))
        and (not rule.fields or any(_names(rule.fields, changed) for changed in event.before))
        and not _is_echo(rule, actor)
    )


def _names(fields: Sequence[str], changed: str) -> bool:
    """Whether a changed field is named: as it is, or by the group it belongs to ("custom_fields")."""
    return changed in fields or changed.partition(".")[0] in fields


def _is_echo(rule: Rule, actor: Actor) -> bool:
    paired = rule.destination.paired_endpoint_id
    return actor.kind == ActorKind.INBOUND and paired is not None and paired == actor.id


def _deliveries(matches: Sequence[tuple[DealEvent, Rule]], moment: _Moment) -> Iterator[Delivery]:
    for event, rule in matches:
        document = standard_document(
            event=moment.kind,
            deal=event.deal,
            before=event.before,
            actor=moment.actor,
            sequence=event.sequence,
            rule=rule,
            at=moment.now,
            about=event.about,
        )
        if meets(rule.conditions, document=document):
            form = rule.destination.body_format == Destination.BodyFormat.FORM
            rendered = render(rule, document=document, form=form)
            delivery = _delivery(event, rule, moment)
            delivery.body, delivery.content_type = rendered.body, rendered.content_type
            if rendered.problem and delivery.state == Delivery.State.PENDING:
                delivery.state, delivery.error_code = Delivery.State.FAILED, rendered.problem
                delivery.awaits_check = False
            yield delivery


def _delivery(event: DealEvent, rule: Rule, moment: _Moment) -> Delivery:
    """The delivery, still without its bytes: on its way, waiting, or skipped with the reason why."""
    reason = "silent_mode" if settings.SILENT_MODE else moment.guard.problem(rule=rule, deal=event.deal)
    due_at = moment.now if reason else sending_time(rule, now=moment.now)
    waits = due_at > moment.now
    return Delivery(
        event=moment.kind,
        rule=rule,
        destination=rule.destination,
        deal=event.deal,
        deal_title=event.deal.title,
        sequence=event.sequence,
        state=Delivery.State.SKIPPED if reason else Delivery.State.PENDING,
        reason=reason,
        chain=moment.actor.chain,
        depth=moment.actor.depth,
        due_at=due_at,
        awaits_check=waits,
        stage_entered_at=stage_to_stay_in(rule, event.deal) if waits else None,
        created_at=moment.now,
    )


def _number(deliveries: Sequence[Delivery]) -> None:
    """Give them ids in their own order, by which what belongs to one event of a deal is sent; chance had its say."""
    ids = sorted(new_delivery_id() for _delivery in deliveries)
    for delivery, delivery_id in zip(deliveries, ids, strict=True):
        delivery.pk = delivery_id
