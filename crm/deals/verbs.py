"""What can be done to a deal. Each verb is one transaction; see the package for what they have in common."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from crm import signals
from crm.activities import create_activity
from crm.actors import Actor, current_actor
from crm.announcements import announce_deals
from crm.deals.closing import closing_time
from crm.deals.door import (
    begin_edit,
    lock_deals,
    lock_stage,
    next_event,
    rank_in,
    record_changes,
    tell,
    write,
)
from crm.deals.edits import PLAIN_FIELDS, RELATED_FIELDS, Edit
from crm.deals.entrance import Entrance
from crm.deals.errors import InvalidFields, NotAChange, NotAMove
from crm.edits import change_row, fields_of_new
from crm.mentions import tell_mentioned
from crm.models import Activity, Change, Deal, LostReason, Stage
from crm.models.deals import open_door
from crm.ranks import ranks_between


@transaction.atomic
def create_deal(*, actor: Actor, stage: Stage, title: str, fields: Mapping[str, Any] | None = None) -> Deal:
    """Make an open deal on top of a stage. `fields` are those of `update_deal`.

    Raises InvalidFields, and what an Entrance refuses.
    """
    return _insert(Deal(title=title, stage=stage), actor=actor, fields=fields or {})


@transaction.atomic
def update_deal(
    *,
    deal_id: int,
    actor: Actor,
    fields: Mapping[str, Any] | None = None,
    stage: Stage | None = None,
    status: Deal.Status | None = None,
    version: int | None = None,
) -> Deal:
    """Change any part of a deal at once and return it. Values it has already change nothing.

    `fields`: title, value, currency, expected_close_on, owner, contact, company, source and lost_reason (instances
    or None), tags (all of their names), custom_fields and external_ids (merged; None removes a key).
    Raises UnknownDeals, StaleVersion, InvalidFields, and what an Entrance refuses.
    """
    edit = begin_edit(deal_id, version=version)
    edit.take(fields or {})
    if stage is not None and stage.pk != edit.deal.stage_id:
        stage = lock_stage(stage.pk)
        Entrance.to(stage, actor=actor).admit(edit)
        edit.enter(stage, rank=rank_in(stage, before=None, after=None))
    if status is not None and status != edit.deal.status:
        edit.become(status)
    write([edit], actor=actor)
    return edit.deal


@transaction.atomic
def move_deal(
    *,
    deal_id: int,
    stage: Stage,
    actor: Actor,
    before: int | None = None,
    after: int | None = None,
    version: int | None = None,
    fields: Mapping[str, Any] | None = None,
) -> Deal:
    """Move a deal to another stage, or to another place in its own, and return it.

    `before` and `after` are the ids of the deals it is put before and after; without them it goes on top. A
    neighbour that has left meanwhile is passed over. `fields`, as in `update_deal`, are what the stage asks for.
    Raises UnknownDeals, StaleVersion, NotAMove, InvalidFields, and what an Entrance refuses.
    """
    edit = begin_edit(deal_id, version=version)
    edit.take(fields or {})
    stays = stage.pk == edit.deal.stage_id
    if stays and before is None and after is None:
        raise NotAMove(edit.deal)
    stage = lock_stage(stage.pk)
    rank = rank_in(stage, before=before, after=after)
    if stays:
        edit.place(rank)
    else:
        Entrance.to(stage, actor=actor).admit(edit)
        edit.enter(stage, rank=rank)
    write([edit], actor=actor)
    return edit.deal


@transaction.atomic
def bulk_move(*, deal_ids: Collection[int], stage: Stage, actor: Actor) -> int:
    """Move many deals on top of a stage, all or none, and return how many were not there already.

    Listeners hear of them in one signal. Raises UnknownDeals, and what an Entrance refuses.
    """
    at = timezone.now()
    moving = [deal for deal in lock_deals(deal_ids) if deal.stage_id != stage.pk]
    stage = lock_stage(stage.pk)
    top = Deal.objects.filter(stage=stage).order_by("rank").values_list("rank", flat=True).first()
    edits, entrance = [Edit(row=deal, at=at) for deal in moving], Entrance.to(stage, actor=actor)
    for edit, rank in zip(edits, ranks_between(None, top, count=len(edits)), strict=True):
        entrance.admit(edit)
        edit.enter(stage, rank=rank)
    write(edits, actor=actor)
    return len(edits)


@transaction.atomic
def win_deal(
    *,
    deal_id: int,
    actor: Actor,
    version: int | None = None,
    value: Decimal | None = None,
    closed_on: date | None = None,
) -> Deal:
    """Close a deal as won, for what it was worth in the end and on an earlier day where they are given.

    Raises UnknownDeals, StaleVersion, NotAChange, InvalidFields.
    """
    fields = {"lost_reason": None} | ({} if value is None else {"value": value})
    closed_at = closing_time(closed_on, now=timezone.now())
    return _close(deal_id, Deal.Status.WON, actor=actor, version=version, fields=fields, at=closed_at)


@transaction.atomic
def lose_deal(
    *,
    deal_id: int,
    lost_reason: LostReason | None,
    actor: Actor,
    note: str = "",
    version: int | None = None,
) -> Deal:
    """Close a deal as lost, with a note for the timeline where there is one.

    Raises UnknownDeals, StaleVersion, NotAChange.
    """
    deal = _close(
        deal_id, Deal.Status.LOST, actor=actor, version=version, fields={"lost_reason": lost_reason}
    )
    if note:
        add_note(deal=deal, body=note, actor=actor)
    return deal


@transaction.atomic
def reopen_deal(*, deal_id: int, actor: Actor, version: int | None = None) -> Deal:
    """Open a closed deal again, in the stage it was in. Raises UnknownDeals, StaleVersion, NotAChange."""
    return _close(deal_id, Deal.Status.OPEN, actor=actor, version=version, fields={"lost_reason": None})


@transaction.atomic
def delete_deal(*, deal_id: int, actor: Actor, version: int | None = None) -> None:
    """Delete a deal; its history stays. Raises UnknownDeals, StaleVersion."""
    deal = begin_edit(deal_id, version=version).deal
    record_changes([change_row(deal, actor=actor, at=timezone.now(), verb=Change.Verb.DELETED)])
    tell({signals.deal_deleted: [next_event(deal, before={})]}, actor=actor)
    announce_deals(pipelines=[deal.pipeline_id], stages=[deal.stage_id], deals=[deal.pk], actor=actor)
    with open_door():
        deal.delete()


def add_note(*, deal: Deal, body: str, actor: Actor, subject: str = "") -> Activity:
    """Write a note into a deal's timeline, and tell those who are named in it. For within a transaction."""
    fields = {"deal": deal, "kind": Activity.Kind.NOTE, "subject": subject, "body": body}
    note = create_activity(fields={**fields, "done_at": timezone.now()}, actor=actor)
    tell_mentioned(note=note, deal=deal, actor=actor)
    return note


def _close(
    deal_id: int,
    status: Deal.Status,
    *,
    actor: Actor,
    version: int | None,
    fields: Mapping[str, Any],
    at: datetime | None = None,
) -> Deal:
    edit = begin_edit(deal_id, version=version)
    if edit.deal.status == status:
        raise NotAChange(edit.deal)
    edit.take(fields)
    edit.become(status, at=at)
    write([edit], actor=actor)
    return edit.deal


def _insert(deal: Deal, *, actor: Actor, fields: Mapping[str, Any]) -> Deal:
    at = timezone.now()
    deal.stage_entered_at = deal.created_at = deal.updated_at = at
    now, later = fields_of_new(fields)
    edit = Edit(row=deal, at=at, is_new=True)
    edit.take(now)
    try:
        deal.clean_fields(exclude={"rank", "pipeline", "stage", *RELATED_FIELDS})
    except ValidationError as error:
        raise InvalidFields(error.message_dict) from error
    stage = lock_stage(deal.stage_id)
    deal.stage, deal.pipeline = stage, stage.pipeline
    entrance = Entrance.to(stage, actor=actor)
    deal.rank = rank_in(stage, before=None, after=None)
    event = next_event(deal, before={})
    with open_door():
        deal.save(force_insert=True)
    if later:
        edit.take(later)
    entrance.admit(edit)
    record_changes([change_row(deal, actor=actor, at=at, verb=Change.Verb.CREATED)])
    tell({signals.deal_created: [event]}, actor=actor)
    announce_deals(pipelines=[deal.pipeline_id], stages=[deal.stage_id], deals=[deal.pk], actor=actor)
    return deal


_SAVED_FIELDS = (*PLAIN_FIELDS, *RELATED_FIELDS, "custom_fields", "stage", "status")


class SaveDoor:
    """What `deal.save()` and `deal.delete()` come to when called from outside: the same writes, as the current actor.

    We refuse to save a deal that was changed since it was loaded, because its other fields would bring back old values.
    """

    @transaction.atomic
    def save(self, deal: Deal, update_fields: Iterable[str] | None) -> None:
        if deal._state.adding:
            _insert(deal, actor=current_actor(), fields={})
            return
        wanted = {name.removesuffix("_id") for name in update_fields or _SAVED_FIELDS}
        fields = {name: getattr(deal, name) for name in _SAVED_FIELDS if name in wanted}
        if "custom_fields" in fields:
            present = Deal.objects.values_list("custom_fields", flat=True).get(pk=deal.pk)
            fields["custom_fields"] = {**dict.fromkeys(present), **deal.custom_fields}
        saved = update_deal(
            deal_id=deal.pk,
            actor=current_actor(),
            stage=fields.pop("stage", None),
            status=fields.pop("status", None),
            fields=fields,
            version=deal.version,
        )
        deal.__dict__.update(saved.__dict__)

    def delete(self, deal: Deal) -> None:
        delete_deal(deal_id=deal.pk, actor=current_actor())


Deal.door = SaveDoor()
