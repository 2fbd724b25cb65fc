from collections.abc import Callable

import pytest

from automations.models import Delivery, Rule
from crm import deals
from crm.actors import Actor
from crm.models import Stage
from tests.automations.conftest import actor, alice, deal, destination, pipeline, rule, sending, stages
from tests.receivers import Receiver

__all__ = ["actor", "alice", "deal", "destination", "pipeline", "rule", "sending", "stages"]

Offer = Callable[[int], None]


@pytest.fixture
def offer(stages: list[Stage], actor: Actor, rule: Rule) -> Offer:
    """Makes that many new deals and moves them into the rule's stage: a delivery each."""

    def make_and_move(count: int) -> None:
        for number in range(count):
            deal = deals.create_deal(actor=actor, stage=stages[0], title=f"Deal {number}")
            deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)

    return make_and_move


def are_delivered(count: int) -> Callable[[], bool]:
    """Whether there are `count` deliveries and each is delivered; to be polled."""
    return lambda: list(Delivery.objects.values_list("state", flat=True)) == ["delivered"] * count


def in_flight() -> bool:
    """Whether a drain has anything in hand; to be polled."""
    return Delivery.objects.filter(leased_until__isnull=False).exists()


def assert_nothing_lost(receiver: Receiver) -> None:
    """Each delivery came in at least once, and each time as the bytes that are on record."""
    came = {(request.headers["webhook-id"], request.body) for request in receiver.requests}
    assert came == {(pk, bytes(body)) for pk, body in Delivery.objects.values_list("pk", "body")}
