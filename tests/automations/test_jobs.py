import contextlib
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from automations import jobs
from automations.claims import Wish, claim
from automations.deliveries import DeliveryError, resend_delivery
from automations.jobs import cancel_job, recover, start_resend, work_batch
from automations.models import Delivery, ResendJob, Rule, new_delivery_id
from crm.actors import Actor
from crm.deals import move_deal
from crm.models import Deal, Stage, User


@pytest.fixture
def failed(rule: Rule, deal: Deal, stages: list[Stage], actor: Actor) -> list[Delivery]:
    """Five given up deliveries of one deal, oldest first."""
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    first = Delivery.objects.get()
    for sequence in range(10, 14):
        first.pk, first.sequence = new_delivery_id(), sequence
        first.save(force_insert=True)
    Delivery.objects.update(state="failed", status_code=503, attempts_made=2, run_attempts=2)
    return list(Delivery.objects.order_by("id"))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "BATCH", 2)


def start() -> ResendJob:
    return start_resend(chosen={"filter": {"state": "failed"}}, by=None)


def pending() -> int:
    return Delivery.objects.filter(state="pending", trigger="manual", run_attempts=0).count()


def test_a_job_goes_batch_by_batch_and_ends(failed: list[Delivery], small_batches: None) -> None:
    job = start()
    assert (job.total, job.looked_at, job.resent, job.state) == (5, 2, 2, "running")
    assert work_batch()
    assert pending() == 4
    assert work_batch()
    assert not work_batch()
    job.refresh_from_db()
    assert (job.looked_at, job.resent, job.state, job.after) == (5, 5, "done", failed[-1].pk)


def test_what_fails_again_while_a_job_runs_is_not_sent_twice(
    failed: list[Delivery], small_batches: None
) -> None:
    start()
    Delivery.objects.filter(pk=failed[0].pk).update(state="failed")
    while work_batch():
        pass
    assert Delivery.objects.get(pk=failed[0].pk).state == "failed"
    assert ResendJob.objects.get().resent == 5


def test_a_crash_in_a_batch_loses_nothing_and_repeats_nothing(
    failed: list[Delivery], small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    start()

    def crash(*_args: object, **_fields: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ResendJob, "save", crash)
        with pytest.raises(KeyboardInterrupt):
            work_batch()
    assert (ResendJob.objects.get().looked_at, pending()) == (2, 2)
    while work_batch():
        pass
    assert (ResendJob.objects.get().resent, pending()) == (5, 5)


def test_a_cancelled_job_stops_where_it_is(failed: list[Delivery], small_batches: None) -> None:
    job = start()
    assert cancel_job(job_id=job.pk).state == "cancelled"
    assert not work_batch()
    assert pending() == 2
    with pytest.raises(DeliveryError):
        cancel_job(job_id=job.pk)


def test_a_job_leaves_alone_what_came_after_it_began(failed: list[Delivery], small_batches: None) -> None:
    start()
    later = failed[-1]
    later.pk, later.sequence = new_delivery_id(), 20
    later.save(force_insert=True)
    while work_batch():
        pass
    assert Delivery.objects.get(pk=later.pk).state == "failed"


def test_what_has_no_body_any_more_is_counted_and_not_sent(failed: list[Delivery]) -> None:
    Delivery.objects.filter(pk=failed[0].pk).update(body=b"")
    job = start()
    assert (job.total, job.resent, job.without_body) == (5, 4, 1)
    with pytest.raises(DeliveryError, match="not kept"):
        resend_delivery(delivery_id=failed[0].pk)
    assert Delivery.objects.get(pk=failed[0].pk).state == "failed"


def test_tests_are_never_sent_again_by_a_job(failed: list[Delivery]) -> None:
    Delivery.objects.filter(pk=failed[0].pk).update(rule=None, trigger="test", reason="test")
    job = start_resend(chosen={"ids": [row.pk for row in failed]}, by=None)
    assert (job.total, job.resent) == (4, 4)
    assert Delivery.objects.get(pk=failed[0].pk).trigger == "test"


def test_what_is_in_flight_takes_its_course(failed: list[Delivery]) -> None:
    held = Delivery.objects.filter(pk=failed[0].pk)
    held.update(state="pending", leased_until=timezone.now(), leased_by=1)
    job = start_resend(chosen={"ids": [row.pk for row in failed]}, by=None)
    assert (job.total, job.resent) == (5, 4)
    assert held.get().leased_by == 1


def test_recovering_takes_what_was_given_up_since_a_time(failed: list[Delivery], rule: Rule) -> None:
    now = timezone.now()
    Delivery.objects.filter(pk=failed[0].pk).update(due_at=now - timedelta(hours=3))
    job = recover(destination_id=rule.destination_id, since=now - timedelta(hours=1), by=None)
    assert (job.total, job.resent, job.trigger) == (4, 4, "recover")
    assert set(Delivery.objects.filter(state="pending").values_list("trigger", flat=True)) == {"recover"}
    with pytest.raises(DeliveryError):
        recover(destination_id=rule.destination_id, since=now - timedelta(days=15), by=None)
    assert Delivery.objects.get(pk=failed[0].pk).state == "failed"


def test_what_is_sent_again_keeps_its_place_in_the_order_of_its_deal(failed: list[Delivery]) -> None:
    start_resend(chosen={"ids": [failed[3].pk]}, by=None)
    start_resend(chosen={"ids": [failed[1].pk]}, by=None)
    now = timezone.now() + timedelta(seconds=1)
    assert [row.id for row in claim(Wish(places=9, sick_places=9), holder=1, now=now)] == [failed[1].pk]


def test_the_log_polls_a_job_until_it_ends_and_can_stop_it(
    failed: list[Delivery], small_batches: None, client: Client, alice: User
) -> None:
    client.force_login(alice)
    job = start()
    url = f"/automations/deliveries/jobs/{job.pk}/"
    shown = client.get(url).content.decode()
    assert 'hx-trigger="every 1s"' in shown
    assert '<progress max="5" value="2"' in shown
    stopped = client.post(f"{url}stop/").content.decode()
    assert "every 1s" not in stopped
    assert "Stopped" in stopped
    assert ResendJob.objects.get().state == "cancelled"


def test_two_workers_never_do_the_same_batch(
    transactional_db: None, failed: list[Delivery], small_batches: None
) -> None:
    start()
    turns: list[bool] = []
    threads = [_thread(turns) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while work_batch():
        pass
    assert (ResendJob.objects.get().resent, ResendJob.objects.get().looked_at) == (5, 5)


def _thread(turns: list[bool]) -> threading.Thread:
    def work() -> None:
        with contextlib.closing(connection):
            while work_batch():
                turns.append(True)

    return threading.Thread(target=work)
