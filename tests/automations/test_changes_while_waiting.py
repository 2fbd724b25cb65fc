"""What becomes of a delivery that waits while what it came from, or where it goes, changes."""

from collections.abc import Callable

import pytest
from standardwebhooks import Webhook

from automations.destinations import rotate_secret
from automations.models import Delivery, Rule
from automations.rules import update_rule
from crm.actors import Actor
from crm.deals import move_deal
from crm.models import Deal, Stage
from tests.processes import eventually
from tests.receivers import Receiver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("change", [{"enabled": False}, {"name": "Another name", "position": 7}])
def test_a_rule_that_is_disabled_or_edited_leaves_what_waits_as_it_is(
    rule: Rule,
    deal: Deal,
    stages: list[Stage],
    actor: Actor,
    receiver: Receiver,
    sending: Callable[..., None],
    change: dict[str, object],
) -> None:
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    body = bytes(Delivery.objects.get().body)
    update_rule(rule_id=rule.pk, fields=change)
    sending()
    (request,) = receiver.wait_for(1)
    assert request.body == body
    assert request.json()["data"]["rule"]["name"] == "To the ERP"


def test_a_retry_after_a_rotation_is_signed_with_the_new_secret_too(
    rule: Rule,
    deal: Deal,
    stages: list[Stage],
    actor: Actor,
    receiver: Receiver,
    sending: Callable[..., None],
) -> None:
    receiver.answer(500, 200)
    former = rule.destination.secret
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    sending()
    receiver.wait_for(1)
    present = rotate_secret(destination_id=rule.destination_id, overlap_seconds=3600).secret
    first, second = receiver.wait_for(2)
    assert first.body == second.body
    for secret in (former, present):
        Webhook(secret).verify(second.body, second.headers)
    eventually(lambda: Delivery.objects.get().state == "delivered")
