"""Test sends: a real request through the same engine, marked as a test, that counts for nothing."""

from django.db import transaction
from django.utils import timezone

from automations.claims import Claimed
from automations.models import Attempt, Delivery, Destination, Event, Rule
from automations.oauth import send
from automations.outcomes import record
from automations.rendering import FORM, JSON, encode, value_of
from automations.requests import blueprint_of, build_request, masked_headers
from automations.rules import sends_form
from automations.samples import sample
from automations.verdicts import Outcome
from crm.actors import Actor
from crm.models import Deal


def send_test(
    *, destination_id: int, event: Event, deal: Deal, actor: Actor, rule: Rule | None = None
) -> Delivery:
    """Send `event` for the deal as it is, now and once, and return the delivery with its one attempt.

    The body is what `rule`, saved or not, makes of it, else the standard one. Raises PayloadError where it makes none.

    The attempt is on record before the request leaves, and no transaction is open while it is under way. It
    bypasses pauses and order, is not retried and does not change the destination's state.
    """
    destination = Destination.objects.present().get(pk=destination_id)
    rule = rule or Rule(event=event)
    rule.destination = destination
    document = sample(rule, deal, actor=actor, test=True)
    form = sends_form(rule)
    body = encode(value_of(rule, document=document), form=form)
    delivery, attempt = _begin(
        destination, event, deal, actor=actor, body=body, content_type=FORM if form else JSON
    )
    blueprint, claimed = blueprint_of(destination), _as_claimed(delivery, attempt)
    request = build_request(blueprint, claimed, now=attempt.started_at)
    exchange = send(request)
    outcome = Outcome(
        claimed=claimed,
        exchange=exchange,
        request_headers=masked_headers(request, blueprint),
        finished_at=timezone.now(),
        state=Delivery.State.DELIVERED if exchange.succeeded else Delivery.State.FAILED,
        due_at=None,
    )
    record([outcome], counts=False)
    delivery.refresh_from_db()
    return delivery


@transaction.atomic
def _begin(  # a delivery is all of this, and most by name
    destination: Destination, event: Event, deal: Deal, *, actor: Actor, body: bytes, content_type: str
) -> tuple[Delivery, Attempt]:
    now = timezone.now()
    delivery = Delivery.objects.create(
        event=event,
        destination=destination,
        deal=deal,
        deal_title=deal.title,
        sequence=deal.last_sequence,
        state=Delivery.State.FAILED,
        reason="test",
        trigger=Delivery.Trigger.TEST,
        body=body,
        content_type=content_type,
        chain=actor.chain,
        depth=actor.depth,
        attempts_made=1,
        run_attempts=1,
        due_at=now,
        created_at=now,
    )
    attempt = Attempt.objects.create(
        delivery=delivery, number=1, trigger=Delivery.Trigger.TEST, url=destination.url, started_at=now
    )
    return delivery, attempt


def _as_claimed(delivery: Delivery, attempt: Attempt) -> Claimed:
    return Claimed(
        id=delivery.pk,
        destination_id=delivery.destination_id,
        event=delivery.event,
        chain=delivery.chain,
        depth=delivery.depth,
        body=bytes(delivery.body),
        content_type=delivery.content_type,
        number=attempt.number,
        run_attempts=delivery.run_attempts,
        trigger=attempt.trigger,
        due_at=delivery.due_at,
    )
