"""Several workers at once: what a destination takes at a time, they keep between them."""

import threading
from collections.abc import Callable

import pytest

from automations.destinations import update_destination
from automations.models import Delivery, Rule
from tests.faults.conftest import Offer, are_delivered, assert_nothing_lost
from tests.processes import eventually
from tests.receivers import Receiver, Wire, status
from tests.workers import Worker, drain_beats

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

LIMIT = 3


class Counter:
    """Answers slowly and counts how many wait for their answer at a time; the first wait until all places are taken."""

    def __init__(self) -> None:
        self.most = 0
        self._present = 0
        self._changed = threading.Condition()

    def __call__(self, wire: Wire) -> None:
        with self._changed:
            self._present += 1
            self.most = max(self.most, self._present)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most >= LIMIT, timeout=30)
        wire.pause(0.05)
        with self._changed:  # before the answer, because whoever has it may send the next request
            self._present -= 1
        status(200)(wire)


def test_two_workers_keep_the_limit_of_a_destination_between_them(
    start_worker: Callable[[], Worker], offer: Offer, rule: Rule, receiver: Receiver
) -> None:
    update_destination(destination_id=rule.destination_id, fields={"max_in_flight": LIMIT})
    counter = Counter()
    receiver.answer(counter)
    for _ in range(2):
        start_worker()
    eventually(lambda: drain_beats() == 2)
    holders: set[int | None] = set()

    def both_had_their_hands_full() -> bool:
        offer(LIMIT)
        flying = Delivery.objects.filter(leased_until__isnull=False)
        holders.update(flying.values_list("leased_by", flat=True))
        return len(holders) == 2

    eventually(both_had_their_hands_full, seconds=60)
    offer(4 * LIMIT)
    eventually(are_delivered(Delivery.objects.count()), seconds=60)
    assert counter.most == LIMIT
    assert_nothing_lost(receiver)
