"""Erasing a person from what is sent: what waits is called off, of what was sent the bodies and answers go."""

from collections.abc import Collection

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from automations.deliveries import cancel_waiting
from automations.models import Attempt, Delivery
from crm.models import Contact
from crm.traces import Traces

_FINISHED = ~Q(state=Delivery.State.PENDING)
# A look at every body that is kept, which an erasure is worth: bodies are cut after a month.
_NAMES_ONE_OF = """
    body <> '' AND EXISTS (
        SELECT 1 FROM unnest(%s::text[]) AS word WHERE strpos(lower(encode(body, 'escape')), word) > 0
    )
"""


def deliveries_that_say_who(*, contact: Contact, deal_ids: Collection[int]) -> QuerySet[Delivery]:
    """Those that wait or still have their body: of these deals, and of others, perhaps deleted ones, whose body has an
    address or a number of the contact in it.
    """
    own = list(Traces.of(contact).own)
    naming = Delivery.objects.annotate(names_one=RawSQL(_NAMES_ONE_OF, [own]))  # noqa: S611  # a constant
    about = Q(deal__in=deal_ids) | (Q(names_one=True) if own else Q())
    return naming.filter(about, ~_FINISHED | ~Q(body=b""))


@transaction.atomic
def erase_deliveries(*, contact: Contact, deal_ids: Collection[int]) -> None:
    """That something was sent, when and with what outcome stays. What is in flight takes its course; its body goes
    with age, like any other.
    """
    found = list(deliveries_that_say_who(contact=contact, deal_ids=deal_ids).values_list("pk", flat=True))
    rows = Delivery.objects.filter(pk__in=found)
    cancel_waiting(rows, reason="erased")
    finished = rows.filter(_FINISHED)
    Attempt.objects.filter(delivery__in=finished.values("pk")).update(
        response_body="", request_headers=[], response_headers=[]
    )
    finished.update(body=b"")
    titled = Delivery.objects.filter(Q(pk__in=found) | Q(deal__in=deal_ids))
    titled.filter(deal_title__icontains=contact.name).update(deal_title="")
