"""Locks deals, writes edited ones with their history, and tells the world inside the same transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.dispatch import Signal
from django.utils import timezone

from crm import signals
from crm.actors import Actor
from crm.announcements import announce_deals
from crm.deals.edits import Edit
from crm.deals.errors import StaleVersion, UnknownDeals
from crm.models import Change, Deal, Stage
from crm.models.deals import open_door
from crm.ranks import rank_between, ranks_between
from crm.signals import DealEvent

RELATED = ("stage", "pipeline", "owner", "contact", "company", "source", "lost_reason")
_LONGEST_RANK = 100  # past this a column is spread anew; reached by hundreds of moves into the same gap
_STATUS_SIGNALS = {
    Deal.Status.WON: signals.deal_won,
    Deal.Status.LOST: signals.deal_lost,
    Deal.Status.OPEN: signals.deal_reopened,
}


def lock_deals(deal_ids: Collection[int]) -> list[Deal]:
    """Lock deals as `lock_present` does. Raises UnknownDeals where one of them is not there."""
    deals = lock_present(deal_ids)
    unknown = sorted(set(deal_ids) - {deal.pk for deal in deals})
    if unknown:
        raise UnknownDeals(unknown)
    return deals


def lock_present(deal_ids: Collection[int]) -> list[Deal]:
    """Lock those of the deals that are there, in the order of their ids, so that two callers never wait for each other.

    The locking query joins nothing: a joined row that changed while we waited would make the deal vanish.
    """
    rows = Deal.objects.filter(pk__in=deal_ids).order_by("pk")
    locked = list(rows.select_for_update(no_key=True).values_list("pk", flat=True))
    return list(rows.filter(pk__in=locked).select_related(*RELATED))


def begin_edit(deal_id: int, *, version: int | None = None) -> Edit:
    """Lock one deal to change it. Raises StaleVersion where it is no longer the version the caller saw."""
    (deal,) = lock_deals([deal_id])
    if version is not None and version != deal.version:
        raise StaleVersion(deal)
    return Edit(row=deal, at=timezone.now())


def lock_stage(stage_id: int) -> Stage:
    """Whoever gives out ranks in a stage holds its lock, always after the locks of the deals."""
    return (
        Stage.objects.select_for_update(of=("self",), no_key=True).select_related("pipeline").get(pk=stage_id)
    )


def rank_in(stage: Stage, *, before: int | None, after: int | None) -> str:
    """A rank in a locked stage: between the neighbours named, as far as they are (still) there; else on top."""
    cards = Deal.objects.filter(stage=stage)
    high = cards.filter(pk=before).values_list("rank", flat=True).first() if before else None
    low = cards.filter(pk=after).values_list("rank", flat=True).first() if after else None
    if low is not None:
        high = cards.filter(rank__gt=low).order_by("rank").values_list("rank", flat=True).first()
    elif high is not None:
        low = cards.filter(rank__lt=high).order_by("-rank").values_list("rank", flat=True).first()
    else:
        high = cards.order_by("rank").values_list("rank", flat=True).first()
    rank = rank_between(low, high)
    if len(rank) <= _LONGEST_RANK:
        return rank
    _spread(stage)
    return rank_in(stage, before=before, after=after)


def _spread(stage: Stage) -> None:
    """Give every deal of a locked stage a short rank again, in the same order."""
    deals = list(Deal.objects.filter(stage=stage).only("rank").order_by("rank"))
    with open_door():
        for old in deals:  # the new ranks may collide with old ones, so step aside first
            old.rank = f"~{old.rank}"
        Deal.objects.bulk_update(deals, ["rank"], batch_size=1000)
        for deal, rank in zip(deals, ranks_between(None, None, count=len(deals)), strict=True):
            deal.rank = rank
        Deal.objects.bulk_update(deals, ["rank"], batch_size=1000)


def write(edits: Sequence[Edit], *, actor: Actor) -> None:
    """Save edited deals, their history and their events. Edits that change nothing are left out."""
    edits = [edit for edit in edits if edit.changes_anything]
    if not edits:
        return
    told: dict[Signal, list[DealEvent]] = {}
    for edit in edits:
        for signal, event in _events(edit):
            told.setdefault(signal, []).append(event)
    _save(edits)
    record_changes([row for edit in edits for row in edit.history(actor=actor)])
    tell(told, actor=actor)
    announce_deals(
        pipelines={edit.deal.pipeline_id for edit in edits},
        stages={stage for edit in edits for stage in _touched_stages(edit)},
        deals=[edit.deal.pk for edit in edits],
        actor=actor,
    )


def tell(told: dict[Signal, list[DealEvent]], *, actor: Actor) -> None:
    for signal, events in told.items():
        signal.send(sender=Deal, events=events, actor=actor)


def next_event(
    deal: Deal,
    *,
    before: Mapping[str, Any],
    about: Mapping[str, Any] | None = None,
    undoes: datetime | None = None,
) -> DealEvent:
    deal.last_sequence += 1
    return DealEvent(deal=deal, before=before, sequence=deal.last_sequence, about=about or {}, undoes=undoes)


def number_events(happened: Sequence[tuple[Deal, Mapping[str, Any]]]) -> list[DealEvent]:
    """An event of each locked deal that changes nothing of it, with what it is about.

    The deal's version stays, so that nobody who is editing it is told of a change that is none.
    """
    events = [next_event(deal, before={}, about=about) for deal, about in happened]
    if events:
        _write_columns(list({deal.pk: deal for deal, _about in happened}.values()), ["last_sequence"])
    return events


def _events(edit: Edit) -> Iterable[tuple[Signal, DealEvent]]:
    """At most one event of each kind: fields first, then the stage, then won, lost or reopened."""
    apart = {"stage"} | ({"status", "lost_reason"} if "status" in edit.before else set())
    rest = {name: value for name, value in edit.before.items() if name not in apart}
    if rest:
        yield signals.deal_updated, next_event(edit.deal, before=rest)
    if "stage" in edit.before:
        former_stage = {"stage": edit.before["stage"]}
        event = next_event(edit.deal, before=former_stage, undoes=edit.undoes)
        yield signals.deal_stage_changed, event
    if "status" in edit.before:
        former = {name: value for name, value in edit.before.items() if name in apart - {"stage"}}
        yield _STATUS_SIGNALS[Deal.Status(edit.deal.status)], next_event(edit.deal, before=former)


def _save(edits: Sequence[Edit]) -> None:
    columns = {"version", "last_sequence", "updated_at"}.union(*(edit.columns for edit in edits))
    for edit in edits:
        edit.deal.version += 1
        edit.deal.updated_at = edit.at
    _write_columns([edit.deal for edit in edits], columns)


def _write_columns(deals: Sequence[Deal], columns: Collection[str]) -> None:
    """Save columns of locked deals.

    Many are written by an insert that meets the rows themselves: Django's `bulk_update` makes a CASE of every row and
    column, which took 2.5 of the 3 seconds of a move of 1,000 deals.
    """
    with open_door():
        if len(deals) == 1:
            deals[0].save(update_fields=columns)
        else:
            Deal.objects.bulk_create(
                deals, batch_size=1000, update_conflicts=True, unique_fields=["id"], update_fields=columns
            )


def record_changes(rows: Sequence[Change]) -> None:
    Change.objects.bulk_create(rows, batch_size=1000)


def _touched_stages(edit: Edit) -> set[int]:
    former = edit.before.get("stage")
    return {edit.deal.stage_id} | ({former["id"]} if former else set())
