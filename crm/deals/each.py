"""Many deals at once, each with values of its own: one transaction, one signal of each kind, one word to the boards.

An import writes through here. What is refused is left out and returned, so that the caller decides about the rest.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from crm import signals
from crm.actors import Actor
from crm.announcements import announce_deals
from crm.deals.bulk import Outcome
from crm.deals.closing import closing_time
from crm.deals.door import lock_present, lock_stage, next_event, record_changes, tell, write
from crm.deals.edits import RELATED_FIELDS, Edit
from crm.deals.entrance import Entrance
from crm.deals.errors import DealError, InvalidFields
from crm.edits import attach, change_row, check_later, fields_of_new
from crm.models import Change, Deal, Stage
from crm.models.deals import open_door
from crm.ranks import ranks_between
from crm.signals import DealEvent


@dataclass(frozen=True, slots=True)
class Draft:
    """What a deal is to become: `fields` are those of `update_deal`; None leaves the stage or the status alone."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    stage: Stage | None = None
    status: Deal.Status | None = None
    closed_on: date | None = None


@transaction.atomic
def create_each(*, drafts: Sequence[Draft], actor: Actor) -> list[Deal | DealError]:
    """Make deals on top of their stages, the first on top of all; each draft's deal, or why there is none.

    Every draft has a stage, and a title among its fields.
    """
    at = timezone.now()
    way = _Way(drafts, actor=actor)
    answers: dict[int, Deal | DealError] = {}
    newcomers: list[_Newcomer] = []
    for place, draft in enumerate(drafts):
        try:
            newcomers.append(_newcomer(draft, place=place, way=way, at=at))
        except DealError as refusal:
            answers[place] = refusal
    with open_door():
        Deal.objects.bulk_create([each.edit.deal for each in newcomers], batch_size=500)
    attach([(each.edit.deal, each.later) for each in newcomers])
    for each in newcomers:
        try:
            if each.closes_at is None:
                way.entrance(each.edit.deal.stage).admit(each.edit)
            answers[each.place] = each.edit.deal
        except DealError as refusal:
            answers[each.place] = refusal
            with open_door():
                each.edit.deal.delete()
    settled = [each for each in newcomers if isinstance(answers[each.place], Deal)]
    _tell_of(settled, actor=actor, at=at)
    write(list(filter(None, map(_closing, settled))), actor=actor)
    return [answers[place] for place in range(len(drafts))]


@transaction.atomic
def change_each(*, drafts: Mapping[int, Draft], actor: Actor) -> Outcome:
    """Change deals by their ids. Those that are not there (any more) are left out of the outcome."""
    at = timezone.now()
    edits = [Edit(row=deal, at=at) for deal in lock_present(drafts)]
    way = _Way(drafts.values(), actor=actor)
    changed, refused = list[Edit](), list[tuple[Deal, DealError]]()
    for edit in edits:
        try:
            _change(edit, drafts[edit.deal.pk], way=way)
        except DealError as refusal:
            refused.append((edit.deal, refusal))
        else:
            changed.append(edit)
    write(changed, actor=actor)
    return Outcome(changed=[edit.deal for edit in changed], refused=refused)


@transaction.atomic
def delete_many(*, deal_ids: Collection[int], actor: Actor) -> int:
    """Delete deals, as far as they are there, and return how many; their history stays."""
    deals = lock_present(deal_ids)
    at = timezone.now()
    record_changes([change_row(deal, actor=actor, at=at, verb=Change.Verb.DELETED) for deal in deals])
    tell({signals.deal_deleted: [next_event(deal, before={}) for deal in deals]}, actor=actor)
    _announce(deals, actor=actor)
    with open_door():
        Deal.objects.filter(pk__in=[deal.pk for deal in deals]).delete()
    return len(deals)


class _Way:
    """The locked stages that deals are on their way into, with a rank for each deal that may come."""

    def __init__(self, drafts: Iterable[Draft], *, actor: Actor) -> None:
        wanted = Counter(draft.stage.pk for draft in drafts if draft.stage)
        self._actor = actor
        self._stages = {pk: lock_stage(pk) for pk in sorted(wanted)}
        self._ranks = {pk: iter(_ranks_on_top(pk, count=count)) for pk, count in wanted.items()}
        self._entrances: dict[int, Entrance] = {}

    def stage(self, stage: Stage) -> Stage:
        return self._stages[stage.pk]

    def rank(self, stage: Stage) -> str:
        return next(self._ranks[stage.pk])

    def entrance(self, stage: Stage) -> Entrance:
        """Looked up before deals are saved that are to go in: it counts those in the stage. Raises EntryNotAllowed."""
        if stage.pk not in self._entrances:
            self._entrances[stage.pk] = Entrance.to(self._stages[stage.pk], actor=self._actor)
        return self._entrances[stage.pk]


def _ranks_on_top(stage_id: int, *, count: int) -> list[str]:
    top = Deal.objects.filter(stage=stage_id).order_by("rank").values_list("rank", flat=True).first()
    return ranks_between(None, top, count=count)


@dataclass(frozen=True, slots=True)
class _Newcomer:
    """A deal about to be made; `later` is what needs its id, `closes_at` is None where it stays open."""

    place: int
    draft: Draft
    edit: Edit
    later: Mapping[str, Any]
    event: DealEvent
    closes_at: datetime | None


def _newcomer(draft: Draft, *, place: int, way: _Way, at: datetime) -> _Newcomer:
    """The deal with all that it can take before it is saved."""
    if draft.stage is None:
        raise ValueError("a new deal needs a stage")
    stage = way.stage(draft.stage)
    deal = Deal(stage=stage, pipeline=stage.pipeline, stage_entered_at=at, created_at=at, updated_at=at)
    edit = Edit(row=deal, at=at, is_new=True)
    now, later = fields_of_new(draft.fields)
    check_later(later)
    edit.take(now)
    try:
        deal.clean_fields(exclude={"rank", "pipeline", "stage", *RELATED_FIELDS})
    except ValidationError as error:
        raise InvalidFields(error.message_dict) from error
    closes = draft.status not in (None, Deal.Status.OPEN)
    closes_at = closing_time(draft.closed_on, now=at) if closes else None
    if not closes:
        way.entrance(stage)
    deal.rank = way.rank(stage)
    event = next_event(deal, before={})
    return _Newcomer(place=place, draft=draft, edit=edit, later=later, event=event, closes_at=closes_at)


def _tell_of(newcomers: Sequence[_Newcomer], *, actor: Actor, at: datetime) -> None:
    if not newcomers:
        return
    deals = [each.edit.deal for each in newcomers]
    record_changes([change_row(deal, actor=actor, at=at, verb=Change.Verb.CREATED) for deal in deals])
    tell({signals.deal_created: [each.event for each in newcomers]}, actor=actor)
    _announce(deals, actor=actor)


def _closing(newcomer: _Newcomer) -> Edit | None:
    """The edit that closes a new deal which was won or lost already."""
    if newcomer.closes_at is None or newcomer.draft.status is None:
        return None
    edit = Edit(row=newcomer.edit.deal, at=newcomer.edit.at)
    edit.become(newcomer.draft.status, at=newcomer.closes_at)
    return edit


def _change(edit: Edit, draft: Draft, *, way: _Way) -> None:
    edit.take(draft.fields)
    if draft.stage is not None and draft.stage.pk != edit.deal.stage_id:
        way.entrance(draft.stage).admit(edit)
        edit.enter(way.stage(draft.stage), rank=way.rank(draft.stage))
    if draft.status is not None and draft.status != edit.deal.status:
        edit.become(draft.status, at=closing_time(draft.closed_on, now=edit.at))


def _announce(deals: Sequence[Deal], *, actor: Actor) -> None:
    if deals:
        announce_deals(
            pipelines={deal.pipeline_id for deal in deals},
            stages={deal.stage_id for deal in deals},
            deals=[deal.pk for deal in deals],
            actor=actor,
        )
