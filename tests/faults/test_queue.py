"""The queue only wakes: emptied or spoiled, it costs time and no event."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from tests.faults.conftest import Offer, are_delivered, assert_nothing_lost
from tests.processes import eventually
from tests.receivers import Receiver
from tests.workers import Worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]


def test_a_queue_that_is_emptied_before_and_during_work_loses_no_event(
    start_worker: Callable[[], Worker], offer: Offer, receiver: Receiver
) -> None:
    offer(5)
    OrmQ.objects.all().delete()
    start_worker()
    for _ in range(20):
        offer(1)
        OrmQ.objects.all().delete()
    eventually(are_delivered(25), seconds=60)
    assert_nothing_lost(receiver)


def test_tasks_that_another_secret_key_signed_are_dropped_and_their_work_is_done(
    start_worker: Callable[[], Worker], offer: Offer, receiver: Receiver
) -> None:
    offer(5)
    OrmQ.objects.update(payload="signed:by:another-key")
    OrmQ.objects.create(key="stagehook", payload="nonsense", lock=timezone.now())
    start_worker()
    eventually(are_delivered(5), seconds=60)
    assert_nothing_lost(receiver)
    eventually(lambda: not OrmQ.objects.filter(payload__in=["nonsense", "signed:by:another-key"]).exists())
