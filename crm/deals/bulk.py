"""One verb for many deals at once: one transaction, one signal of each kind.

Unlike `bulk_move`, which moves all or none, these leave out what is refused and say why: a person who has chosen many
cards wants the others done.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from crm.actors import Actor
from crm.deals.closing import closing_time
from crm.deals.door import lock_present, lock_stage, write
from crm.deals.edits import Edit
from crm.deals.entrance import Entrance
from crm.deals.errors import DealError, NotAChange, NotAMove
from crm.models import Deal, Stage
from crm.ranks import ranks_between


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the deals that were there: changed ones, and refused ones with the refusal."""

    changed: list[Deal]
    refused: list[tuple[Deal, DealError]]


@transaction.atomic
def move_many(*, deal_ids: Collection[int], stage: Stage, actor: Actor) -> Outcome:
    """Move deals on top of a stage, in the order of their ids. Raises EntryNotAllowed."""
    edits = _edits(deal_ids)
    stage = lock_stage(stage.pk)
    entrance = Entrance.to(stage, actor=actor)
    top = Deal.objects.filter(stage=stage).order_by("rank").values_list("rank", flat=True).first()
    ranks = iter(ranks_between(None, top, count=len(edits)))

    def move(edit: Edit) -> None:
        if edit.deal.stage_id == stage.pk:
            raise NotAMove(edit.deal)
        entrance.admit(edit)
        edit.enter(stage, rank=next(ranks))

    return _change(edits, move, actor=actor)


@transaction.atomic
def update_many(
    *, deal_ids: Collection[int], actor: Actor, fields: Mapping[str, Any], add_tags: Sequence[str] = ()
) -> Outcome:
    """Give deals the same values (see `update_deal`), and tags beside those they have."""

    def change(edit: Edit) -> None:
        present = edit.deal.tags.values_list("name", flat=True) if add_tags else ()
        edit.take({**fields, **({"tags": [*present, *add_tags]} if add_tags else {})})

    return _change(_edits(deal_ids), change, actor=actor)


@transaction.atomic
def close_many(
    *,
    deal_ids: Collection[int],
    actor: Actor,
    status: Deal.Status,
    fields: Mapping[str, Any],
    closed_on: date | None = None,
) -> Outcome:
    """Close deals as won or lost. Raises InvalidFields for a day that is still to come."""
    closed_at = closing_time(closed_on, now=timezone.now())

    def close(edit: Edit) -> None:
        if edit.deal.status == status:
            raise NotAChange(edit.deal)
        edit.take(fields)
        edit.become(status, at=closed_at)

    return _change(_edits(deal_ids), close, actor=actor)


def _edits(deal_ids: Collection[int]) -> list[Edit]:
    at = timezone.now()
    return [Edit(row=deal, at=at) for deal in lock_present(deal_ids)]


def _change(edits: Sequence[Edit], change: Callable[[Edit], None], *, actor: Actor) -> Outcome:
    changed, refused = list[Edit](), list[tuple[Deal, DealError]]()
    for edit in edits:
        try:
            change(edit)
        except DealError as refusal:
            refused.append((edit.deal, refusal))
        else:
            changed.append(edit)
    write(changed, actor=actor)
    return Outcome(changed=[edit.deal for edit in changed], refused=refused)
