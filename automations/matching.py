"""From an event to deliveries, inside the transaction of whoever caused it: kept together or not at all."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import prefetch_related_objects
from django.utils import timezone

from automations.models import Delivery, Rule
from automations.payloads import PREFETCHED, freeze, standard_document
from automations.wake import wake
from crm.actors import Actor, ActorKind
from crm.signals import DealEvent


def deliver_events(kind: str, *, events: Sequence[DealEvent], actor: Actor) -> list[Delivery]:
    """Write a delivery for each rule that an event matches, its bytes frozen now, and wake the sender on commit."""
    rules = list(Rule.objects.present().filter(enabled=True, event=kind).select_related("destination"))
    matches = [(event, rule) for event in events for rule in rules if concerns(rule, event, actor=actor)]
    if not matches:
        return []
    prefetch_related_objects([event.deal for event, _rule in matches], *PREFETCHED)
    now = timezone.now()
    deliveries = [_delivery(kind, event, rule, actor=actor, now=now) for event, rule in matches]
    Delivery.objects.bulk_create(deliveries, batch_size=500)
    wake()
    return deliveries


def concerns(rule: Rule, event: DealEvent, *, actor: Actor) -> bool:
    """Whether a rule for this kind of event acts on this one: pipeline, stage, and no echo to a paired system."""
    former = event.before.get("stage")
    return (
        rule.pipeline_id in (None, event.deal.pipeline_id)
        and rule.stage_id in (None, event.deal.stage_id)
        and (rule.from_stage_id is None or (former is not None and former["id"] == rule.from_stage_id))
        and not _is_echo(rule, actor)
    )


def _is_echo(rule: Rule, actor: Actor) -> bool:
    paired = rule.destination.paired_endpoint_id
    return actor.kind == ActorKind.INBOUND and paired is not None and paired == actor.id


def _delivery(kind: str, event: DealEvent, rule: Rule, *, actor: Actor, now: datetime) -> Delivery:
    document = standard_document(
        event=kind,
        deal=event.deal,
        before=event.before,
        actor=actor,
        sequence=event.sequence,
        rule=rule,
        at=now,
        about=event.about,
    )
    silent = settings.SILENT_MODE
    return Delivery(
        event=kind,
        rule=rule,
        destination=rule.destination,
        deal=event.deal,
        deal_title=event.deal.title,
        sequence=event.sequence,
        state=Delivery.State.SKIPPED if silent else Delivery.State.PENDING,
        reason="silent_mode" if silent else "",
        body=freeze(document),
        chain=actor.chain,
        depth=actor.depth,
        due_at=now,
        created_at=now,
    )
