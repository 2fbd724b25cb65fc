"""What the log of deliveries still says of a person who was erased: nothing."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from automations.models import Attempt, Delivery, Rule
from crm.actors import Actor
from crm.contacts import create_contact
from crm.deals import create_deal, delete_deal, move_deal, update_deal
from crm.erasure import erase_contact, what_erasing_touches
from crm.models import Contact, Stage

Send = Callable[..., Delivery]


@pytest.fixture
def maria(actor: Actor) -> Contact:
    return create_contact(actor=actor, fields={"name": "Maria", "emails": ["maria@example.com"]})


@pytest.fixture
def send(rule: Rule, actor: Actor, stages: list[Stage]) -> Send:
    """Makes a delivery about a new deal of a contact."""

    def send(title: str, contact: Contact, *, state: str = "delivered") -> Delivery:
        deal = create_deal(actor=actor, stage=stages[0], title=title, fields={"contact": contact})
        move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
        delivery = Delivery.objects.get(deal=deal.pk)
        Delivery.objects.filter(pk=delivery.pk).update(state=state)
        Attempt.objects.create(
            delivery=delivery, number=1, started_at=timezone.now(), response_body="Hello Maria"
        )
        return delivery

    return send


def test_bodies_and_answers_go_that_are_about_a_deal_of_the_person_or_name_the_person(
    actor: Actor, maria: Contact, send: Send
) -> None:
    rui = create_contact(actor=actor, fields={"name": "Rui", "emails": ["rui@example.com"]})
    theirs, waits = send("Maria: chairs", maria), send("Desk", maria, state="pending")
    given_away, of_deleted = send("Lamp", maria), send("Bed", maria)
    others = send("Shelf", rui)
    update_deal(deal_id=given_away.deal_id or 0, actor=actor, fields={"contact": rui})
    delete_deal(deal_id=of_deleted.deal_id or 0, actor=actor)
    touched = {part.text: part.count for part in what_erasing_touches(maria)}
    assert (touched["Deliveries that wait"], touched["Bodies of deliveries"]) == (1, 3)

    erase_contact(contact_id=maria.pk, actor=actor)
    for delivery in (theirs, waits, given_away, of_deleted, others):
        delivery.refresh_from_db()
    assert [bytes(each.body) for each in (theirs, waits, given_away, of_deleted)] == [b""] * 4
    assert (theirs.deal_title, theirs.state) == ("", "delivered")
    assert (waits.state, waits.reason) == ("cancelled", "erased")
    assert b"rui@example.com" in bytes(others.body)
    kept = Attempt.objects.exclude(response_body="").values_list("delivery", flat=True)
    assert list(kept) == [others.pk]
