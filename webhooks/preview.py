"""What a request would do, without doing it."""

from typing import Any

from django.db import transaction

from crm.actors import Actor, acting_as
from webhooks.applying import NothingToDo, apply_document
from webhooks.documents import InvalidDocument
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.requests import document_of

State = InboundRequest.State


def preview(*, endpoint: InboundEndpoint, body: bytes, content_type: str) -> dict[str, Any]:
    """`{"status", "reason", "deal", "changes", "errors"}` as if `body` had come in.

    It is applied for real in a transaction that is then taken back, with all that our signals' receivers wrote;
    what they meant to do on commit is dropped with it. `deal` is None for one that would be made.
    """
    actor = Actor.inbound(endpoint_id=endpoint.pk, name=endpoint.name)
    try:
        document = document_of(body=body, content_type=content_type)
        with transaction.atomic(), acting_as(actor):
            applied = apply_document(document, endpoint=endpoint, actor=actor)
            transaction.set_rollback(True)
        deal_id = None if applied.created else applied.deal.pk
        return _result(State.APPLIED, deal=deal_id, changes=applied.changes)
    except NothingToDo as error:
        return _result(State.IGNORED, reason=error.reason.value, deal=error.deal and error.deal.pk)
    except InvalidDocument as error:
        return _result(State.REJECTED, errors=error.problems)


def _result(state: InboundRequest.State, **known: Any) -> dict[str, Any]:
    return {"status": state.value, "reason": "", "deal": None, "changes": {}, "errors": [], **known}
