"""Writes the activity, the call and the subscription that a document reports of a deal."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.actors import Actor
from crm.announcements import announce_deals
from crm.calls import save_call
from crm.models import Activity, Call, Deal, Subscription
from webhooks.documents import Document, InvalidDocument, problem
from webhooks.snapshots import Changes

Record = TypeVar("Record", Call, Subscription)


def write_records(document: Document, *, deal: Deal, system: str, actor: Actor) -> Changes:
    """Write what is there and return it as changes. A call or subscription already known by its external id is
    completed, so that the reports of its start, end and recording become one. Raises InvalidDocument.
    """
    changes: Changes = {}
    if "activity" in document:
        changes["activity"] = [None, str(_write_activity(document["activity"], deal=deal, actor=actor))]
    if "call" in document:
        changes["call"] = [None, str(_write_call(document["call"], deal=deal, system=system, actor=actor))]
    if "subscription" in document:
        plan = _write_subscription(document["subscription"], deal=deal, system=system)
        changes["subscription"] = [None, str(plan)]
    if changes:
        announce_deals(pipelines=[deal.pipeline_id], stages=[], deals=[deal.pk], actor=actor)
    return changes


def _write_activity(told: Mapping[str, Any], *, deal: Deal, actor: Actor) -> Activity:
    kind = told.get("kind", Activity.Kind.NOTE)
    return Activity.objects.create(
        deal=deal,
        kind=kind,
        subject=told.get("subject", ""),
        body=told.get("body", ""),
        due_at=told.get("due_at"),
        done_at=timezone.now() if kind == Activity.Kind.NOTE else None,
        assignee=deal.owner,
        created_by=actor.as_json(),
    )


def _write_call(told: Mapping[str, Any], *, deal: Deal, system: str, actor: Actor) -> Call:
    known = _known(Call.objects.all(), told, system=system)
    call = known or Call(system=system if "external_id" in told else "", deal=deal, contact=deal.contact)
    return save_call(_completed(call, told, part="call", required="direction"), actor=actor)


def _write_subscription(told: Mapping[str, Any], *, deal: Deal, system: str) -> Subscription:
    known = _known(Subscription.objects.all(), told, system=system)
    plan = known or Subscription(
        system=system if "external_id" in told else "",
        deal=deal,
        company=deal.company,
        currency=deal.currency,
    )
    plan = _completed(plan, told, part="subscription", required="plan")
    plan.save()
    return plan


def _known(records: QuerySet[Record], told: Mapping[str, Any], *, system: str) -> Record | None:
    if "external_id" not in told:
        return None
    return records.select_for_update().filter(system=system, external_id=told["external_id"]).first()


def _completed(record: Record, told: Mapping[str, Any], *, part: str, required: str) -> Record:
    for name, value in told.items():
        setattr(record, name, value)
    if not getattr(record, required):
        message = _("A new one needs this.")
        raise InvalidDocument([problem("required", f"{part}.{required}", message)])
    return record
