"""What a request would do, without doing it."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from crm.actors import Actor, acting_as
from webhooks.applying import NeedsDecision, NothingToDo, apply_documents
from webhooks.contents import judged, records_in
from webhooks.documents import InvalidDocument
from webhooks.landing import landing_of
from webhooks.mapping import NotWanted
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.requests import changes_of

State, Reason = InboundRequest.State, InboundRequest.Reason


def preview(
    *, endpoint: InboundEndpoint, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """`{"status", "reason", "detail", "deal", "candidates", "changes", "errors", "documents"}` as if `body` had come
    in. `endpoint` may hold what is not saved yet.

    It is applied for real in a transaction that is then taken back, with all that our signals' receivers wrote;
    what they meant to do on commit is dropped with it. `deal` is None for one that would be made; `documents` are
    the native documents as the mapping makes them.
    """
    actor = Actor.inbound(endpoint_id=endpoint.pk, name=endpoint.name)
    documents: list[Any] = []
    try:
        records = records_in(
            mapping=endpoint.mapping,
            page=landing_of(endpoint),
            body=body,
            content_type=content_type,
            headers=headers or {},
        )
        documents += [record.document for record in records]
        with transaction.atomic(), acting_as(actor):
            applied = apply_documents(judged(records), endpoint=endpoint, actor=actor)
            transaction.set_rollback(True)
    except NotWanted as unwanted:
        return _result(State.IGNORED, reason=Reason.NOT_WANTED.value, detail=unwanted.why)
    except NothingToDo as nothing:
        told = {"reason": nothing.reason.value, "detail": nothing.detail, "documents": documents}
        return _result(State.IGNORED, deal=nothing.deal and nothing.deal.pk, **told)
    except NeedsDecision as several:
        told = {"candidates": several.candidates, "documents": documents}
        return _result(State.RECEIVED, reason=Reason.REVIEW.value, **told)
    except InvalidDocument as error:
        return _result(State.REJECTED, errors=error.problems, documents=documents)
    deal = applied[0].deal.pk if applied and applied[0].deal and not applied[0].created else None
    return _result(State.APPLIED, deal=deal, changes=changes_of(applied), documents=documents)


def _result(state: InboundRequest.State, **known: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"reason": "", "detail": "", "deal": None, "candidates": [], "changes": {}}
    return {"status": state.value, **empty, "errors": [], "documents": [], **known}
