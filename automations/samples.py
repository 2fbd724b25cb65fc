"""The document that an event of a rule's kind would give for a deal as it is, for looking ahead and for saving."""

from typing import Any

from django.db.models import prefetch_related_objects
from django.utils import timezone

from automations.models import Event, Rule
from automations.occurrences import subscription_document
from automations.payloads import PREFETCHED, standard_document
from crm.actors import Actor, current_actor
from crm.calls import call_document
from crm.models import Call, Change, Deal, Subscription

_CHANGED: dict[str, tuple[str, ...]] = {
    Event.DEAL_STAGE_CHANGED: ("stage",),
    Event.DEAL_WON: ("status", "lost_reason"),
    Event.DEAL_LOST: ("status", "lost_reason"),
    Event.DEAL_REOPENED: ("status", "lost_reason"),
}


def sample(rule: Rule, deal: Deal, *, actor: Actor | None = None, test: bool = False) -> dict[str, Any]:
    """As if the deal's last change of that kind had been the event."""
    prefetch_related_objects([deal], *PREFETCHED)
    return standard_document(
        event=rule.event,
        deal=deal,
        before=last_before(rule, deal),
        actor=actor or current_actor(),
        sequence=deal.last_sequence,
        rule=rule if rule.pk else None,
        at=timezone.now(),
        about=_about(rule, deal),
        test=test,
    )


def last_before(rule: Rule, deal: Deal) -> dict[str, Any]:
    """What the deal's last change of the rule's kind replaced, by field; empty where there was none."""
    event = rule.event
    if event not in {*_CHANGED, Event.DEAL_UPDATED}:
        return {}
    changes = Change.objects.filter(
        entity=Change.Entity.DEAL, object_id=deal.pk, verb=Change.Verb.CHANGED
    ).order_by("-at", "-id")
    if event in _CHANGED:
        changes = changes.filter(field__in=_CHANGED[event])
    else:
        changes = changes.exclude(field__in=("stage", "status"))
    last = changes.first()
    rows = changes.filter(at=last.at) if last else changes.none()
    return {change.field: change.before for change in rows}


def _about(rule: Rule, deal: Deal) -> dict[str, Any]:
    if rule.event == Event.CALL_RECORDED:
        call = Call.objects.filter(deal=deal).order_by("-pk").first()
        return {"call": call_document(call) if call else None}
    if rule.event == Event.SUBSCRIPTION_RENEWAL_DUE:
        plan = Subscription.objects.filter(deal=deal).order_by("renews_on", "pk").first()
        return {"subscription": subscription_document(plan) if plan else None}
    return {}


# For an installation that has no deal yet.
SAMPLE: dict[str, Any] = {
    "type": "deal.stage_changed",
    "version": 1,
    "timestamp": "2026-11-24T12:00:00.123Z",
    "data": {
        "deal": {
            "id": 7,
            "title": "Plan for a company",
            "value": "1500.00",
            "currency": "BRL",
            "status": "open",
            "pipeline": {"id": 1, "name": "Sales"},
            "stage": {"id": 3, "name": "Proposal"},
            "owner": {"id": 2, "name": "Bruna", "email": "bruna@example.com"},
            "contact": {
                "id": 9,
                "name": "Helena",
                "emails": ["helena@example.com"],
                "phones": ["+5511955500100"],
            },
            "company": {"id": 4, "name": "Padaria Aurora", "tax_id": "90100000000156"},
            "tags": ["VIP"],
            "source": "Site",
            "lost_reason": None,
            "custom_fields": {},
            "external_ids": {},
            "version": 12,
            "created_at": "2026-11-02T14:57:42.820Z",
            "updated_at": "2026-11-24T12:00:00.120Z",
            "stage_entered_at": "2026-11-24T12:00:00.120Z",
            "closed_at": None,
            "expected_close_on": "2026-12-15",
        },
        "previous": {"stage": {"id": 2, "name": "Contacted"}},
        "changed_by": {"kind": "user", "id": 2, "name": "Bruna"},
        "sequence": 12,
        "rule": None,
    },
    "test": False,
}
