"""Applies the documents of a request to the CRM: finds the deal that each one means, or decides that there is nothing
to do. What is then written stands in `webhooks.writing`.

The caller holds a transaction and undoes it where this raises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.utils.translation import gettext as _

from crm.actors import Actor
from crm.deals import lock_present
from crm.models import Deal
from webhooks.documents import Document, InvalidDocument, problem
from webhooks.handling import matching_of, writing_of
from webhooks.mapping.reading import numbered
from webhooks.matching import find_contact, find_deals, identity_of, lock_identities
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.order import CONTENT, note_event, parts_by_thing, thing_of
from webhooks.places import named_pipeline, own_pipeline_id
from webhooks.writing import Applied, Work, keep_part_of_call, write

Reason = InboundRequest.Reason
Decisions = Mapping[str, int | None]


_BESIDE_A_CALL = {"event_id", "occurred_at", "if_missing", "call"}


class NothingToDo(Exception):
    """The document asks for nothing that should be done now. `reason` says why, `deal` which deal it is about."""

    def __init__(self, reason: InboundRequest.Reason, *, deal: Deal | None = None, detail: str = "") -> None:
        self.reason, self.deal, self.detail = reason, deal, detail
        super().__init__(reason.label)


class NeedsDecision(Exception):
    """Several deals match, and a person shall choose. `number` is the record's, `candidates` the deals' ids."""

    def __init__(self, *, number: int | None, candidates: Sequence[int]) -> None:
        self.number, self.candidates = number, list(candidates)
        super().__init__(f"{len(candidates)} deals match")


def apply_documents(
    documents: Sequence[tuple[int | None, Document]],
    *,
    endpoint: InboundEndpoint,
    actor: Actor,
    decisions: Decisions | None = None,
) -> list[Applied]:
    """Apply the numbered documents of one request, all or none. Those that ask for nothing are passed over.

    `decisions` has the deal that a person chose for a record, None for a new one. Raises InvalidDocument,
    NeedsDecision, and NothingToDo where none of them asks for anything; the caller then rolls back.
    """
    identities = [identity_of(document, system=endpoint.system) for _number, document in documents]
    lock_identities(identities)
    writing = writing_of(endpoint.writing)
    applied, idle = [], []
    for (number, document), identity in zip(documents, identities, strict=True):
        try:
            pipeline = named_pipeline(document)
            contact = find_contact(identity)
            work = Work(document, identity, pipeline, contact, endpoint, actor, writing)
            applied.append(_apply(work, number=number, decisions=decisions or {}))
        except NothingToDo as nothing:
            idle.append(nothing)
        except InvalidDocument as error:
            raise InvalidDocument(numbered(error.problems, number)) from error
    if not applied and idle:
        raise idle[0]
    return applied


def _apply(work: Work, *, number: int | None, decisions: Decisions) -> Applied:
    deal = _meant_deal(work, number=number, decisions=decisions)
    if deal is None and str(number or 0) not in decisions:
        if _is_part_of_call(work.document):
            return keep_part_of_call(work)
        _refuse_missing(work)
    applied = write(_still_news(work, deal), deal)
    occurred_at = work.document.get("occurred_at")
    if applied.created and applied.deal and occurred_at is not None:
        note_event(endpoint_id=work.endpoint.pk, thing=thing_of(applied.deal), occurred_at=occurred_at)
    return applied


def _meant_deal(work: Work, *, number: int | None, decisions: Decisions) -> Deal | None:
    """The deal under a lock, so that "is this event the newest" stays true until we are done."""
    settings = matching_of(work.endpoint.matching)
    decided = str(number or 0)
    if decided in decisions:
        chosen = decisions[decided]
        return _locked([chosen] if chosen else [])
    if settings["within"] == "all":
        pipeline_id = work.pipeline.pk if work.pipeline else None
    else:
        pipeline_id = work.pipeline.pk if work.pipeline else own_pipeline_id(work.endpoint)
    candidates = find_deals(work.identity, contact=work.contact, pipeline_id=pipeline_id)
    if len(candidates) > 1 and settings["when_several"] == "review":
        open_ones = list(Deal.objects.open().filter(pk__in=candidates).values_list("pk", flat=True))
        if len(open_ones) != 1:
            raise NeedsDecision(number=number, candidates=candidates)
    return _locked(candidates[:1])


def _locked(deal_ids: Sequence[int]) -> Deal | None:
    return next(iter(lock_present(deal_ids)), None) if deal_ids else None


def _is_part_of_call(document: Document) -> bool:
    """Whether it is about a call alone and says no more of it than its name and, say, where the recording is.

    Such a part may come before the one with the numbers, by which the deal is found.
    """
    call = document.get("call", {})
    is_named = "external_id" in call and not {"from_number", "to_number"} & call.keys()
    return is_named and document.keys() <= _BESIDE_A_CALL and document.get("if_missing") != "reject"


def _refuse_missing(work: Work) -> None:
    if_missing = work.document.get("if_missing") or matching_of(work.endpoint.matching)["if_missing"]
    if if_missing == "ignore":
        raise NothingToDo(Reason.NO_MATCH)
    if if_missing == "reject":
        raise InvalidDocument([problem("no_match", "match", _("No deal matches."))])


def _still_news(work: Work, deal: Deal | None) -> Work:
    """What of the document is to be applied beside newer events. Raises NothingToDo where that is nothing.

    What is told of a deal and its people is compared with what was told of that deal, a subscription with its own
    events. The reports of a call arrive in any order: an older one still completes the call.
    """
    is_closed = deal is not None and deal.status != Deal.Status.OPEN
    if is_closed and work.told("deal").get("status") == "open" and work.writing["status"] == "forward":
        raise NothingToDo(Reason.STALE, deal=deal, detail=_("The status would go backwards."))
    document, occurred_at = work.document, work.document.get("occurred_at")
    if occurred_at is None:
        return work
    for parts, thing in parts_by_thing(document, deal):
        if not note_event(endpoint_id=work.endpoint.pk, thing=thing, occurred_at=occurred_at):
            document = {name: part for name, part in document.items() if name not in parts}
    if not CONTENT & document.keys():
        raise NothingToDo(Reason.STALE, deal=deal)
    return replace(work, document=document)
