"""Erasing a person from stored requests: all that named them goes, that a request came and when stays."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import F, Q, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat

from crm.models import Contact
from crm.traces import Traces
from webhooks.models import InboundRequest
from webhooks.requests import drop

# In a look at every body that is kept, which an erasure is worth: bodies are cut after a month.
_NAMES_ONE_OF = """
    EXISTS (
        SELECT 1 FROM unnest(%s::text[]) AS word
        WHERE strpos(lower(encode(body, 'escape')), word) > 0 OR strpos(lower(dedupe_key || query), word) > 0
    )
"""


def erase_bodies_of(*, contact: Contact, deal_ids: Collection[int], now: datetime) -> int:
    """Clean every request that was applied to these deals or whose body names the contact by an e-mail address, a
    phone or a tax id; returns how many. What still waits to be applied is dropped.
    """
    words = list(Traces.of(contact).own)
    found = dict(requests_about(contact=contact, deal_ids=deal_ids).values_list("pk", "dedupe_key"))
    drop(request_ids=found.keys(), now=now)
    cleaned = InboundRequest.objects.filter(pk__in=found.keys())
    cleaned.update(body=b"", headers={}, query="", changes={}, errors=[], detail="")
    # Other keys stay, so that a repeat is still recognised and does not bring the person back.
    naming = [pk for pk, key in found.items() if any(word in key.lower() for word in words)]
    cleaned.filter(pk__in=naming).update(dedupe_key=Concat(Value("erased:"), F("id")))
    return len(found)


def requests_about(*, contact: Contact, deal_ids: Collection[int]) -> QuerySet[InboundRequest]:
    """Every request that was applied to these deals or that names the contact."""
    words = list(Traces.of(contact).own)
    about = Q(deal__in=deal_ids) | Q(deals__overlap=list(deal_ids))
    if words:
        about |= Q(names_one=True)
    rows = InboundRequest.objects.annotate(names_one=RawSQL(_NAMES_ONE_OF, [words]))  # noqa: S611  # a constant
    return rows.filter(about)
