"""What several deals match, where the endpoint leaves the choice to a person: that person's choices.

A choice is kept with the request, by the number of the record it is about, and the request is applied with it. Which
deals there are to choose from is found out anew each time, because the board goes on changing.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from crm.models import Deal, User
from crm.refusals import Refused
from webhooks.applying import NeedsDecision, NothingToDo
from webhooks.documents import InvalidDocument
from webhooks.mapping import NotWanted
from webhooks.models import InboundRequest
from webhooks.requests import apply_request, attempt, dismiss, restart

Reason, State = InboundRequest.Reason, InboundRequest.State


class NothingToDecide(Refused):
    """The request does not wait for a choice any more, or not for this one."""

    code = "nothing_to_decide"


@dataclass(frozen=True, slots=True)
class Question:
    """Which of `deals` is meant by record `number` of the request (from 0; 0 also where there is but one)."""

    number: int
    deals: list[Deal]


def question_of(request: InboundRequest) -> Question | None:
    """What has to be decided of a request; None where it could be applied, or refused, without a decision."""
    try:
        with transaction.atomic():
            attempt(request)
            transaction.set_rollback(True)
    except NeedsDecision as several:
        rows = Deal.objects.select_related("stage", "pipeline", "owner", "contact", "company")
        found = rows.in_bulk(several.candidates)
        deals = [found[pk] for pk in several.candidates if pk in found]
        return Question(several.number or 0, deals)
    except (InvalidDocument, NotWanted, NothingToDo):
        return None
    return None


def decide(*, request_id: str, number: int, deal_id: int | None, now: datetime) -> InboundRequest:
    """Apply a request to the deal that somebody chose for a record, or to a new one where it is None.

    Returns it as it then is, which may be waiting for the next choice. Raises NothingToDecide.
    """
    with transaction.atomic():
        request = _locked(request_id)
        if deal_id is not None and not Deal.objects.filter(pk=deal_id).exists():
            raise NothingToDecide(_("This deal is not there any more."))
        restart(request, now=now, decisions={**request.decisions, str(number): deal_id})
    return apply_request(request=InboundRequest.objects.get(pk=request_id), now=now)


def set_aside(*, request_id: str, by: User, now: datetime) -> InboundRequest:
    """Do nothing about a request that waits for a choice. Raises NothingToDecide."""
    with transaction.atomic():
        request = _locked(request_id)
        dismiss(request, now=now, detail=_("Set aside by %(name)s.") % {"name": by.name})
    return request


def _locked(request_id: str) -> InboundRequest:
    request = InboundRequest.objects.select_for_update().get(pk=request_id)
    if request.state != State.RECEIVED or request.reason != Reason.REVIEW:
        raise NothingToDecide(_("Nothing is to be decided about this request any more."))
    return request
