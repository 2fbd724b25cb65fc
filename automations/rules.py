"""The door for rules, and the answer to "would it run?"."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from automations.deliveries import cancel_waiting
from automations.models import Delivery, Destination, Event, Rule
from automations.payloads import PREFETCHED, standard_document
from automations.wake import drain_is_at_work
from crm.actors import Actor, current_actor
from crm.models import Deal, User
from crm.refusals import InvalidFields

EDITABLE = frozenset(
    {
        "name",
        "enabled",
        "event",
        "pipeline",
        "stage",
        "from_stage",
        "destination",
        "conditions",
        "payload",
        "delay_seconds",
        "position",
    }
)


class RuleError(InvalidFields):
    """What the rule would be makes no sense."""


@dataclass(frozen=True, slots=True)
class Check:
    """One question on the way from an event to a request, in words, and its answer."""

    check: str
    passed: bool


@transaction.atomic
def create_rule(*, fields: Mapping[str, Any], by: User | None = None) -> Rule:
    """Make a rule, last in order. Raises RuleError."""
    rule = Rule(created_by=by)
    take(rule, {"position": Rule.objects.present().count(), **fields})
    rule.save()
    return rule


@transaction.atomic
def update_rule(*, rule_id: int, fields: Mapping[str, Any]) -> Rule:
    """Change a rule; what it has sent or is about to send stays as it was. Raises Rule.DoesNotExist, RuleError."""
    rule = Rule.objects.present().select_for_update(of=("self",)).get(pk=rule_id)
    take(rule, fields)
    rule.save()
    return rule


@transaction.atomic
def delete_rule(*, rule_id: int) -> int:
    """Delete a rule, call off what waits, keep the log. Returns how many were called off."""
    rule = Rule.objects.present().select_for_update(of=("self",)).get(pk=rule_id)
    Rule.objects.filter(pk=rule.pk).update(deleted_at=timezone.now(), enabled=False)
    return cancel_waiting(Delivery.objects.filter(rule=rule), reason="rule_deleted")


def take(rule: Rule, fields: Mapping[str, Any]) -> None:
    """Give an unsaved or locked rule new values. Raises RuleError where it would make no sense."""
    unknown = fields.keys() - EDITABLE
    if unknown:
        raise RuleError({name: [_("A rule has no such field.")] for name in sorted(unknown)})
    for name, value in fields.items():
        setattr(rule, name, value)
    errors: dict[str, list[str]] = {}
    try:
        rule.full_clean()
    except ValidationError as error:
        errors.update(error.message_dict)
    errors.update(_problems(rule))
    if errors:
        raise RuleError(errors)


def _problems(rule: Rule) -> dict[str, list[str]]:
    problems = {}
    for name in ("stage", "from_stage"):
        stage = getattr(rule, name)
        if stage is not None and rule.pipeline_id not in (None, stage.pipeline_id):
            problems[name] = [_("This stage belongs to another pipeline.")]
    if rule.from_stage_id is not None and rule.event != Event.DEAL_STAGE_CHANGED:
        problems["from_stage"] = [_("Only a change of stage leaves a stage.")]
    if rule.conditions:
        problems["conditions"] = [_("Conditions are not available yet.")]
    if rule.payload not in ({}, {"mode": "standard"}):
        problems["payload"] = [_("Only the standard payload is available yet.")]
    if rule.delay_seconds:
        problems["delay_seconds"] = [_("A delay is not available yet.")]
    return problems


def preview_rule(*, rule: Rule, deal: Deal) -> dict[str, Any]:
    """What a rule, saved or not, would do with a deal now: {"matches", "checks": [Check], "payload"}."""
    checks = checks_of(rule, deal)
    return {"matches": all(check.passed for check in checks), "checks": checks, "payload": sample(rule, deal)}


def checks_of(rule: Rule, deal: Deal) -> list[Check]:
    """Every question in order, for an event of this rule's kind happening to the deal as it is."""
    destination = rule.destination
    return [
        Check(_("The rule is switched on"), rule.enabled),
        Check(_("The deal is in the rule's pipeline"), rule.pipeline_id in (None, deal.pipeline_id)),
        Check(_("The deal is in the rule's stage"), rule.stage_id in (None, deal.stage_id)),
        Check(
            _("The destination “%(name)s” is active") % {"name": destination.name},
            destination.status == Destination.Status.ACTIVE,
        ),
        Check(_("The worker is running"), drain_is_at_work()),
    ]


def sample(rule: Rule, deal: Deal, *, actor: Actor | None = None, test: bool = False) -> dict[str, Any]:
    """The document that an event of the rule's kind would send for the deal as it is."""
    prefetch_related_objects([deal], *PREFETCHED)
    former = rule.from_stage
    return standard_document(
        event=rule.event,
        deal=deal,
        before={"stage": {"id": former.pk, "name": former.name}} if former else {},
        actor=actor or current_actor(),
        sequence=deal.last_sequence,
        rule=rule if rule.pk else None,
        at=timezone.now(),
        test=test,
    )
