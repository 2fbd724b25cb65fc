"""The answer to "would it run?": every question between an event and a request, in their order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from automations.checks import Check
from automations.conditions import condition_checks, meets
from automations.fields import changing_fields, labels_of, offered_fields
from automations.loops import CHAIN_REPEATED, CHAIN_TOO_DEEP, loop_problem
from automations.models import Destination, Event, Rule
from automations.rendering import PayloadError, encode, value_of
from automations.samples import sample
from automations.waiting import next_opening, organisation_zone, sending_time
from automations.wake import drain_is_at_work
from crm.actors import ActorKind, current_actor
from crm.models import Change, Deal, Subscription

_STATUSES: dict[str, Deal.Status] = {
    Event.DEAL_WON: Deal.Status.WON,
    Event.DEAL_LOST: Deal.Status.LOST,
    Event.DEAL_REOPENED: Deal.Status.OPEN,
    Event.DEAL_STALE: Deal.Status.OPEN,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """`matches` says whether the rule would act; further checks say what may hold up its request."""

    matches: bool
    checks: list[Check]


def explain_rule(*, rule: Rule, deal: Deal, document: Mapping[str, Any] | None = None) -> Answer:
    """Whether an event of the rule's kind, happening to the deal as it is, would be sent; `document` is its own."""
    document = document or sample(rule, deal)
    concerned = list(_place_checks(rule, deal, document))
    labels = labels_of(offered_fields()) if rule.conditions.get("rows") else {}
    conditions = condition_checks(rule.conditions, document=document, labels=labels)
    guards = list(_guard_checks(rule, deal))
    matches = all(check.passed for check in (*concerned, *guards)) and meets(
        rule.conditions, document=document
    )
    way = list(_way_checks(rule, document))
    return Answer(matches=matches, checks=[*concerned, *conditions, *guards, *way])


def _place_checks(rule: Rule, deal: Deal, document: Mapping[str, Any]) -> Iterator[Check]:
    yield Check(_("The rule is switched on"), rule.enabled)
    yield Check(_("The deal is in the rule's pipeline"), rule.pipeline_id in (None, deal.pipeline_id))
    yield Check(_("The deal is in the rule's stage"), rule.stage_id in (None, deal.stage_id))
    if rule.from_stage is not None:
        former = document["data"]["previous"].get("stage") or {}
        yield Check(
            _("The deal came from the stage “%(name)s”") % {"name": rule.from_stage.name},
            former.get("id") == rule.from_stage_id,
        )
    yield from _event_checks(rule, deal, document)


def _event_checks(rule: Rule, deal: Deal, document: Mapping[str, Any]) -> Iterator[Check]:
    event = rule.event
    if event in _STATUSES:
        status = _STATUSES[event]
        yield Check(_("The deal's status is “%(name)s”") % {"name": status.label}, deal.status == status)
    if event == Event.DEAL_STALE and rule.days is not None:
        stayed = timezone.now() - deal.stage_entered_at
        less = _("Days the deal has been in its stage: less than one, of %(days)d")
        days = _("Days the deal has been in its stage: %(n)d, of %(days)d") if stayed.days else less
        yield Check(days % {"n": stayed.days, "days": rule.days}, stayed >= timedelta(days=rule.days))
    if event == Event.SUBSCRIPTION_RENEWAL_DUE and rule.days is not None:
        today = timezone.now().astimezone(organisation_zone()).date()
        plans = Subscription.objects.filter(
            deal=deal, renews_on__range=(today, today + timedelta(days=rule.days))
        )
        yield Check(
            _("A subscription of the deal renews within %(days)d days") % {"days": rule.days}, plans.exists()
        )
    if rule.fields:
        changed = document["data"]["previous"]
        named = any(name in rule.fields or name.partition(".")[0] in rule.fields for name in changed)
        labels = dict(changing_fields())
        fields = ", ".join(str(labels.get(name, name)) for name in rule.fields)
        yield Check(_("The last change was of one of: %(fields)s") % {"fields": fields}, named)


def _guard_checks(rule: Rule, deal: Deal) -> Iterator[Check]:
    actor, paired = current_actor(), rule.destination.paired_endpoint_id
    if paired is not None:
        last = Change.objects.filter(entity=Change.Entity.DEAL, object_id=deal.pk).first()
        echo = last is not None and last.actor_kind == ActorKind.INBOUND and last.actor_id == paired
        yield Check(_("The last change did not come from the destination's own system"), not echo)
    problem = loop_problem(rule=rule, deal=deal, actor=actor, now=timezone.now())
    of_the_chain = problem in (CHAIN_REPEATED, CHAIN_TOO_DEEP)
    yield Check(_("The rule has not acted in this run of cause and effect yet"), not of_the_chain)
    yield Check(_("Programs have not moved the deal too often lately"), not problem or of_the_chain)


def _way_checks(rule: Rule, document: Mapping[str, Any]) -> Iterator[Check]:
    """What stands between a rule that acts and its request."""
    yield _payload_check(rule, document)
    now = timezone.now()
    if rule.delay_seconds or rule.sending_window:
        at = sending_time(rule, now=now)
        when = date_format(timezone.localtime(at, organisation_zone()), "SHORT_DATETIME_FORMAT")
        yield Check(_("It would be sent at %(when)s") % {"when": when}, True)
    if rule.sending_window:
        is_open = next_opening(rule.sending_window, now, organisation_zone()) == now
        yield Check(_("The sending window is open now"), is_open)
    yield _destination_check(rule.destination)
    yield Check(_("This installation is not in silent mode"), not settings.SILENT_MODE)
    yield Check(_("The worker is running"), drain_is_at_work())


def _payload_check(rule: Rule, document: Mapping[str, Any]) -> Check:
    form = rule.destination.body_format == Destination.BodyFormat.FORM
    try:
        encode(value_of(rule, document=document), form=form)
    except PayloadError as error:
        return Check(_("The payload can be made: %(problem)s") % {"problem": error}, False)
    return Check(_("The payload can be made"), True)


def _destination_check(destination: Destination) -> Check:
    active = destination.status == Destination.Status.ACTIVE
    text = _("The destination “%(name)s” is active") % {"name": destination.name}
    if not active:
        state = str(destination.get_status_display())
        text = _("%(question)s; it is: %(state)s") % {"question": text, "state": state}
    return Check(text, active)
