"""Writes the activity, the call and the subscription that a document reports of a deal."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from crm.activities import create_activity
from crm.actors import Actor
from crm.announcements import announce_deals
from crm.calls import report_call
from crm.models import Activity, Deal, Subscription, User
from webhooks.documents import Document, InvalidDocument, problem
from webhooks.filling import without_filled
from webhooks.snapshots import Changes


def write_records(document: Document, *, deal: Deal, system: str, actor: Actor) -> Changes:
    """Write what is there and return it as changes. A call or subscription already known by its external id is
    completed, so that the reports of its start, end and recording become one. Raises InvalidDocument.
    """
    changes: Changes = {}
    if "activity" in document:
        changes["activity"] = [None, str(_write_activity(document["activity"], deal=deal, actor=actor))]
    if "call" in document:
        call = report_call(
            system=system,
            facts=_with_agent(document["call"]),
            deal=deal,
            actor=actor,
            occurred_at=document.get("occurred_at"),
        )
        changes["call"] = [None, str(call)]
    if "subscription" in document:
        plan = _write_subscription(document, deal=deal, system=system)
        changes["subscription"] = [None, str(plan)]
    if changes:
        announce_deals(pipelines=[deal.pipeline_id], stages=[], deals=[deal.pk], actor=actor)
    return changes


def _with_agent(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts with our user for the agent's e-mail. Who is none of us took the call all the same."""
    if "agent" not in told:
        return told
    return {**told, "agent": User.objects.filter(email__iexact=told["agent"]).first()}


def _write_activity(told: Mapping[str, Any], *, deal: Deal, actor: Actor) -> Activity:
    kind = told.get("kind", Activity.Kind.NOTE)
    fields = {
        "deal": deal,
        "kind": kind,
        "subject": told.get("subject", ""),
        "body": told.get("body", ""),
        "due_at": told.get("due_at"),
        "done_at": timezone.now() if kind == Activity.Kind.NOTE else None,
        "assignee": deal.owner,
    }
    return create_activity(fields=fields, actor=actor)


def _write_subscription(document: Document, *, deal: Deal, system: str) -> Subscription:
    told = document["subscription"]
    plan = _known(told, system=system) or Subscription(
        system=system if "external_id" in told else "",
        deal=deal,
        company=deal.company,
        currency=deal.currency,
    )
    for name, value in without_filled(told, document, part="subscription", row=plan).items():
        setattr(plan, name, value)
    if not plan.plan:
        raise InvalidDocument([problem("required", "subscription.plan", _("A new one needs this."))])
    plan.save()
    return plan


def _known(told: Mapping[str, Any], *, system: str) -> Subscription | None:
    if "external_id" not in told:
        return None
    plans = Subscription.objects.select_for_update()
    return plans.filter(system=system, external_id=told["external_id"]).first()
