"""The shape of the board: the order of pipelines and stages, and the end of a stage, whose deals move first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.db import transaction
from django.db.models import ProtectedError, QuerySet
from django.utils.translation import gettext as _

from crm.actors import Actor
from crm.deals import bulk_move
from crm.deals.edits import PLAIN_FIELDS, RELATED_FIELDS
from crm.models import CustomField, Deal, Pipeline, Stage
from crm.refusals import Refused
from crm.signals import pipeline_ending, sending_requested, stage_ending
from crm.timeline import Ending, Sending, answers_to

_Row = TypeVar("_Row", Pipeline, Stage)


class StageInUse(Refused):
    code = "in_use"


def requirable_fields() -> dict[str, str]:
    """What a stage may ask for: fields of a deal by their names in the API, added ones as `custom_fields.<key>`."""
    own = (*PLAIN_FIELDS, *RELATED_FIELDS, "tags")
    fields = {field.name: field for field in (*Deal._meta.fields, *Deal._meta.many_to_many)}
    names = {name: str(fields[name].verbose_name) for name in own}
    added = CustomField.objects.filter(entity=CustomField.Entity.DEAL)
    return names | {f"custom_fields.{field.key}": field.label for field in added}


@transaction.atomic
def put_in_order(rows: QuerySet[_Row], *, ids: Sequence[int]) -> None:
    """Give rows the places of their ids; those not named stand behind, as they were."""
    places = {pk: place for place, pk in enumerate(ids)}
    found = sorted(rows.select_for_update(), key=lambda row: places.get(row.pk, len(places) + row.position))
    for place, row in enumerate(found):
        if row.position != place:
            row.position = place
            row.save(update_fields=["position"])


@dataclass(frozen=True, slots=True)
class Deletion:
    """What follows from deleting a stage: how many deals move, what that sends, and what becomes of its rules."""

    moved: int
    sending: Sending
    ending: Ending


@transaction.atomic
def delete_stage(
    *, stage: Stage, move_to: Stage | None, actor: Actor, rules_follow: bool = False
) -> Deletion:
    """Move all deals of a stage, closed ones too, and delete it. Its rules end, or act on `move_to` from then on.

    All or nothing. Raises StageInUse where deals have nowhere to go, and what an Entrance refuses.
    """
    ids = list(Deal.objects.filter(stage=stage).values_list("pk", flat=True))
    moved = _empty(stage, ids, move_to=move_to, actor=actor)
    successor = move_to if rules_follow else None
    endings = answers_to(stage_ending, Stage, stage=stage, successor=successor)
    told = answers_to(sending_requested, Deal, deal_ids=ids, chain=actor.chain)
    try:
        stage.delete()
    except ProtectedError as error:
        raise StageInUse(_("Something else still refers to this stage.")) from error
    return Deletion(
        moved=moved,
        sending=Sending(rules=sum(part.rules for part in told), requests=sum(part.requests for part in told)),
        ending=sum(endings, Ending()),
    )


@transaction.atomic
def delete_pipeline(*, pipeline: Pipeline, actor: Actor) -> None:
    """Delete a pipeline with its stages; the rules of both end. Raises StageInUse while a deal is in one of them."""
    for stage in pipeline.stages.order_by("pk"):
        delete_stage(stage=stage, move_to=None, actor=actor)
    pipeline_ending.send(sender=Pipeline, pipeline=pipeline)
    pipeline.delete()


def rehearse_deletion(
    *, stage: Stage, move_to: Stage | None, actor: Actor, rules_follow: bool = False
) -> Deletion:
    """What `delete_stage` would do. It is done and taken back, so that it cannot differ. Raises what that raises."""
    with transaction.atomic():
        again = Stage.objects.get(pk=stage.pk)  # the caller's one keeps its id
        deletion = delete_stage(stage=again, move_to=move_to, actor=actor, rules_follow=rules_follow)
        transaction.set_rollback(True)
    return deletion


def ending_of(stage: Stage) -> Ending:
    """What hangs on a stage and would end with it."""
    with transaction.atomic():
        endings = answers_to(stage_ending, Stage, stage=stage, successor=None)
        transaction.set_rollback(True)
    return sum(endings, Ending())


def _empty(stage: Stage, ids: Sequence[int], *, move_to: Stage | None, actor: Actor) -> int:
    if not ids:
        return 0
    if move_to is None or move_to.pk == stage.pk:
        raise StageInUse(_("Choose another stage for the deals that are here."))
    return bulk_move(deal_ids=ids, stage=move_to, actor=actor)
