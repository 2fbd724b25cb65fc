"""Takes a move back: the deal is where it was, and since when it was.

The move stays in the history and so does its undoing. Receivers that have heard of the move hear of the way back; those
whose rule still held it back hear of neither (`DealEvent.undoes`).
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from crm.actors import Actor
from crm.deals.door import begin_edit, lock_stage, rank_in, write
from crm.deals.errors import NothingToUndo
from crm.models import Change, Deal, Stage

WITHIN = timedelta(
    minutes=2
)  # the board offers it for 10 s; the rest is for a connection that was lost meanwhile


@transaction.atomic
def undo_move(*, deal_id: int, actor: Actor, before: int | None = None, after: int | None = None) -> Deal:
    """Take back the actor's own last move of a deal, and return the deal.

    `before` and `after` are its neighbours there, as in `move_deal`. Raises UnknownDeals, and NothingToUndo where
    another has moved it since, where it is too long ago, or where it was closed or its old stage is gone.
    """
    edit = begin_edit(deal_id)
    former: dict[str, Any] = _last_move(edit.deal, actor).before or {}
    stage = Stage.objects.filter(pk=former.get("id", 0)).first()
    if stage is None:
        raise NothingToUndo(edit.deal)
    stage = lock_stage(stage.pk)
    edit.take_back(stage, rank=rank_in(stage, before=before, after=after))
    write([edit], actor=actor)
    return edit.deal


def _last_move(deal: Deal, actor: Actor) -> Change:
    moves = Change.objects.filter(entity=Change.Entity.DEAL, object_id=deal.pk, field="stage")
    last = moves.order_by("-at", "-id").first()
    if last is None or last.at != deal.stage_entered_at or deal.status != Deal.Status.OPEN:
        raise NothingToUndo(deal)
    if (last.actor_kind, last.actor_id) != (actor.kind, actor.id) or timezone.now() - last.at > WITHIN:
        raise NothingToUndo(deal)
    return last
