"""Whether a deal may enter a stage: what the stage asks of the deal, of whoever moves it, and of its own room.

A deal that is reopened has been let in before, and one whose move is undone never really left; neither is asked.
"""

from dataclasses import dataclass

from crm.actors import Actor, ActorKind
from crm.deals.edits import Edit
from crm.deals.errors import EntryNotAllowed, MissingFields, NoWayBack, StageIsFull
from crm.models import Deal, Stage, User


@dataclass(slots=True)
class Entrance:
    """The way into one locked stage for one verb; `room` is how many deals still fit, None for any number."""

    stage: Stage
    room: int | None

    @classmethod
    def to(cls, stage: Stage, *, actor: Actor) -> "Entrance":
        """Raises EntryNotAllowed where `actor` may not move anything into the stage."""
        if stage.may_enter and not _lets_in(stage, actor):
            raise EntryNotAllowed(stage)
        return cls(stage=stage, room=_room(stage))

    def admit(self, edit: Edit) -> None:
        """Let one deal in that has not entered yet. Raises NoWayBack, MissingFields, StageIsFull."""
        self._check_direction(edit)
        missing = [name for name in self.stage.required_fields if edit.is_empty(name)]
        if missing:
            raise MissingFields(missing, stage_name=self.stage.name)
        if self.room is None or edit.deal.status != Deal.Status.OPEN:
            return
        if self.room < 1:
            raise StageIsFull(self.stage)
        self.room -= 1

    def _check_direction(self, edit: Edit) -> None:
        """In another pipeline there is neither back nor forth."""
        left, entered = edit.deal.stage, self.stage
        goes_back = left.pipeline_id == entered.pipeline_id and left.position > entered.position
        if goes_back and not left.may_go_back:
            raise NoWayBack(left)


def _room(stage: Stage) -> int | None:
    if stage.card_limit is None or not stage.limit_is_hard:
        return None
    return stage.card_limit - Deal.objects.open().filter(stage=stage).count()


def _lets_in(stage: Stage, actor: Actor) -> bool:
    """Administrators always; other systems as well, because an administrator has set them up."""
    if actor.kind in (ActorKind.INBOUND, ActorKind.SYSTEM):
        return True
    owner = {"pk": actor.id} if actor.kind == ActorKind.USER else {"api_tokens": actor.id}
    user = User.objects.filter(**owner).first()
    return user is not None and (
        user.is_admin
        or user.role in stage.may_enter.get("roles", [])
        or user.team_id in stage.may_enter.get("teams", [])
    )
