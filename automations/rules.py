"""The door for rules: what may be saved, and a look ahead at what a rule would do."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from automations.answers import explain_rule
from automations.conditions import positioned, problems_of
from automations.deliveries import cancel_waiting
from automations.models import Delivery, Destination, Event, Rule
from automations.rendering import PayloadError, encode, value_of
from automations.rule_history import note_change, state_of
from automations.samples import SAMPLE, sample
from automations.waiting import window_problems
from crm import expressions
from crm.deals.edits import PLAIN_FIELDS, RELATED_FIELDS
from crm.expressions import ExpressionError
from crm.models import Change, Deal, Pipeline, Stage, User
from crm.refusals import InvalidFields
from crm.timeline import Ending

_LONGEST_NAME = 120
LONGEST_DELAY = 30 * 24 * 60 * 60
TIMED = (Event.DEAL_STALE, Event.SUBSCRIPTION_RENEWAL_DUE)
CHANGING = frozenset({*PLAIN_FIELDS, *RELATED_FIELDS, "tags", "custom_fields", "external_ids"})
EDITABLE = frozenset(
    {
        "name",
        "enabled",
        "event",
        "pipeline",
        "stage",
        "from_stage",
        "destination",
        "fields",
        "days",
        "conditions",
        "payload",
        "delay_seconds",
        "if_left",
        "sending_window",
        "position",
    }
)


class RuleError(InvalidFields):
    """What the rule would be makes no sense."""


@transaction.atomic
def create_rule(*, fields: Mapping[str, Any], by: User | None = None) -> Rule:
    """Make a rule, last in order. Raises RuleError."""
    rule = Rule(created_by=by)
    take(rule, {"position": Rule.objects.present().count(), **fields})
    rule.save()
    note_change(rule, Change.Verb.CREATED, after=_state(rule))
    return rule


@transaction.atomic
def update_rule(*, rule_id: int, fields: Mapping[str, Any]) -> Rule:
    """Change a rule; what it has sent or is about to send stays as it was. Raises Rule.DoesNotExist, RuleError."""
    rule = Rule.objects.present().select_for_update(of=("self",)).get(pk=rule_id)
    before = _state(rule)
    take(rule, fields)
    rule.save()
    note_change(rule, Change.Verb.CHANGED, before=before, after=_state(rule))
    return rule


def _state(rule: Rule) -> dict[str, Any]:
    """What its history tells of: all that can be changed, but for its place among the others."""
    return state_of(rule, EDITABLE - {"position"})


@transaction.atomic
def copy_rule(*, rule_id: int, by: User) -> Rule:
    """A rule that is like another but for its name, switched off and last in order. Raises as `update_rule`."""
    rule = Rule.objects.present().select_related("destination").get(pk=rule_id)
    name = Truncator(_("Copy of %(name)s") % {"name": rule.name}).chars(_LONGEST_NAME)
    fields = {field: getattr(rule, field) for field in EDITABLE - {"position"}}
    return create_rule(fields={**fields, "name": name, "enabled": False}, by=by)


@transaction.atomic
def order_rules(*, ids: Sequence[int]) -> None:
    """Put some rules in a new order, in the places that they have among all; those not named keep theirs."""
    rules = {rule.pk: rule for rule in Rule.objects.present().order_by("pk").select_for_update(of=("self",))}
    before = sorted(rules.values(), key=lambda rule: (rule.position, rule.pk))
    moved = iter([rules[pk] for pk in dict.fromkeys(ids) if pk in rules])
    named = set(ids)
    for position, rule in enumerate([next(moved) if rule.pk in named else rule for rule in before]):
        if rule.position != position:
            rule.position = position
            rule.save(update_fields=["position", "updated_at"])


@transaction.atomic
def delete_rule(*, rule_id: int) -> int:
    """Delete a rule, call off what waits, keep the log. Returns how many were called off."""
    rule = Rule.objects.present().select_for_update(of=("self",)).get(pk=rule_id)
    Rule.objects.filter(pk=rule.pk).update(deleted_at=timezone.now(), enabled=False)
    note_change(rule, Change.Verb.DELETED, after={})
    return cancel_waiting(Delivery.objects.filter(rule=rule), reason="rule_deleted")


@transaction.atomic
def leave_stage(*, stage: Stage, successor: Stage | None) -> Ending:
    """Before a stage goes: have its rules act on `successor`, and delete those that cannot, or all where there is none.

    Deleted rules forget the stage, so that it can go; what they have sent stays in the log.
    """
    of_stage = Q(stage=stage) | Q(from_stage=stage)
    ending = Ending()
    for rule in Rule.objects.present().filter(of_stage):
        if successor is not None and _follow(rule, stage, successor):
            ending += Ending(moved=1)
        else:
            ending += Ending(deleted=1, called_off=delete_rule(rule_id=rule.pk))
    deleted = Rule.objects.filter(deleted_at__isnull=False)
    for name in ("stage", "from_stage"):
        deleted.filter(**{name: stage}).update(**{name: None})
    return ending


@transaction.atomic
def leave_pipeline(*, pipeline: Pipeline) -> None:
    """Before a pipeline without stages goes: delete its rules, which forget it."""
    for rule_id in Rule.objects.present().filter(pipeline=pipeline).values_list("pk", flat=True):
        delete_rule(rule_id=rule_id)
    Rule.objects.filter(deleted_at__isnull=False, pipeline=pipeline).update(pipeline=None)


def _follow(rule: Rule, stage: Stage, successor: Stage) -> bool:
    """False where the rule would make no sense there: from a stage into the same one, say."""
    fields: dict[str, Any] = {
        name: successor for name in ("stage", "from_stage") if getattr(rule, name) == stage
    }
    if successor in (rule.stage, rule.from_stage):
        return False
    if rule.pipeline_id is not None:
        fields["pipeline"] = successor.pipeline
    try:
        with transaction.atomic():
            update_rule(rule_id=rule.pk, fields=fields)
    except RuleError:
        return False
    return True


def take(rule: Rule, fields: Mapping[str, Any]) -> None:
    """Give an unsaved or locked rule new values. Raises RuleError where it would make no sense."""
    unknown = fields.keys() - EDITABLE
    if unknown:
        raise RuleError({name: [_("A rule has no such field.")] for name in sorted(unknown)})
    for name, value in fields.items():
        setattr(rule, name, value)
    if fields == {"enabled": False}:
        return  # what makes no sense any more can be stopped all the same
    errors: dict[str, list[str]] = {}
    try:
        rule.full_clean()
    except ValidationError as error:
        errors.update(error.message_dict)
    errors.update(problems_with(rule))
    if errors:
        raise RuleError(errors)


def problems_with(rule: Rule) -> dict[str, list[str]]:
    """What makes no sense about a rule as a whole, by field; its single values are looked at by `full_clean`."""
    problems = {}
    for name in ("stage", "from_stage"):
        stage = getattr(rule, name)
        if stage is not None and rule.pipeline_id not in (None, stage.pipeline_id):
            problems[name] = [_("This stage belongs to another pipeline.")]
    if rule.from_stage_id is not None and rule.event != Event.DEAL_STAGE_CHANGED:
        problems["from_stage"] = [_("Only a change of stage leaves a stage.")]
    problems |= _time_problems(rule)
    if found := problems_of(rule.conditions):
        problems["conditions"] = found
    if found := _payload_problems(rule):
        problems["payload"] = found
    return problems


def _time_problems(rule: Rule) -> dict[str, list[str]]:
    problems = {}
    if rule.fields and rule.event != Event.DEAL_UPDATED:
        problems["fields"] = [_("Only a change of fields can be about named ones.")]
    elif unknown := [name for name in rule.fields if name.partition(".")[0] not in CHANGING]:
        problems["fields"] = [_("A deal has no field “%(name)s”.") % {"name": unknown[0]}]
    if (rule.days is None) == (rule.event in TIMED):
        needs = _("Say after or before how many days.")
        problems["days"] = [needs if rule.days is None else _("Days are not known to this event.")]
    if rule.delay_seconds > LONGEST_DELAY:
        problems["delay_seconds"] = [_("A rule waits for 30 days at most.")]
    if found := window_problems(rule.sending_window):
        problems["sending_window"] = found
    return problems


def _payload_problems(rule: Rule) -> list[str]:
    """What is wrong with the payload: as such, or with the newest deal that the rule may be about."""
    if rule.payload in ({}, {"mode": "standard"}):
        return []
    payload = rule.payload if isinstance(rule.payload, dict) else {}
    if payload.keys() != {"mode", "expression"} or payload["mode"] != "custom":
        return [_("A payload has the mode standard, or the mode custom and an expression.")]
    if not isinstance(payload["expression"], str):
        return [_("An expression is text.")]
    try:
        expressions.compile(payload["expression"])
        if rule.destination_id is not None:
            _check_rendering(rule)
    except ExpressionError as error:
        return [positioned(error)]
    except PayloadError as error:
        return [str(error)]
    return []


def _check_rendering(rule: Rule) -> None:
    """Raises PayloadError."""
    places = {"pipeline": rule.pipeline_id, "stage": rule.stage_id}
    deals = Deal.objects.filter(**{name: pk for name, pk in places.items() if pk is not None})
    deal = deals.order_by("-pk").first() or Deal.objects.order_by("-pk").first()
    document = sample(rule, deal) if deal else SAMPLE
    encode(value_of(rule, document=document), form=sends_form(rule))


def sends_form(rule: Rule) -> bool:
    return rule.destination.body_format == Destination.BodyFormat.FORM


def preview_rule(*, rule: Rule, deal: Deal) -> dict[str, Any]:
    """What a rule, saved or not, would do with a deal now: {"matches", "checks": [Check], "payload"}.

    The payload is a JSON value also where it is sent as a form; null where it cannot be made, which a check says.
    """
    document = sample(rule, deal)
    try:
        payload = value_of(rule, document=document)
        encode(payload, form=sends_form(rule))
    except PayloadError:
        payload = None
    found = explain_rule(rule=rule, deal=deal, document=document)
    return {"matches": found.matches, "checks": found.checks, "payload": payload}
