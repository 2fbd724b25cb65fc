"""The worker as real processes: whatever is killed, deliveries go on within 30 seconds and none is lost."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.utils import timezone

from automations.models import Attempt, Delivery, Destination, Rule, WorkerHeartbeat
from config.worker import SILENT_AFTER, SILENT_AT_MOST, Pulse, Watch
from crm import deals
from crm.actors import Actor
from crm.models import Deal, Stage
from tests.automations.conftest import actor, alice, deal, destination, pipeline, rule, stages
from tests.processes import PROJECT, eventually
from tests.receivers import Receiver, hang, slow
from tests.workers import RECOVERY, Worker, drain_beats, environment

__all__ = ["actor", "alice", "deal", "destination", "pipeline", "rule", "stages"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]


@pytest.fixture
def move(deal: Deal, stages: list[Stage], actor: Actor, rule: Rule) -> Callable[[], Any]:
    """Moves the deal into the rule's stage, which makes one delivery."""

    def into_the_stage() -> None:
        if Deal.objects.get().stage == stages[1]:
            deals.move_deal(deal_id=deal.pk, stage=stages[0], actor=actor)
        deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)

    return into_the_stage


@pytest.mark.parametrize("number", range(7))
def test_deliveries_go_on_after_any_process_of_an_idle_worker_is_killed(
    number: int, start_worker: Callable[[], Worker], move: Callable[[], Any], receiver: Receiver
) -> None:
    worker = start_worker()
    move()
    eventually(lambda: len(receiver.requests) == 1)
    worker.members()[number].kill()
    move()
    eventually(lambda: len(receiver.requests) >= 2, seconds=RECOVERY)
    eventually(lambda: Delivery.objects.filter(state="delivered").count() == 2, seconds=RECOVERY)
    eventually(drain_beats, seconds=RECOVERY)
    move()
    eventually(lambda: Delivery.objects.filter(state="delivered").count() == 3, seconds=RECOVERY)


def test_a_delivery_whose_sender_is_killed_in_mid_request_is_sent_again_with_the_same_id(
    start_worker: Callable[[], Worker], move: Callable[[], Any], receiver: Receiver
) -> None:
    receiver.answer(hang, 200)
    worker = start_worker()
    move()
    eventually(lambda: len(receiver.requests) == 1)
    for process in worker.members()[2:]:
        process.kill()
    eventually(lambda: Delivery.objects.filter(state="delivered").exists(), seconds=RECOVERY)
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert Attempt.objects.get(number=1).error_code == "interrupted"


def test_nothing_is_lost_when_the_whole_worker_is_killed_and_started_again(
    start_worker: Callable[[], Worker], move: Callable[[], Any], receiver: Receiver, destination: Destination
) -> None:
    receiver.answer(hang, 200)
    worker = start_worker()
    move()
    eventually(lambda: len(receiver.requests) == 1)
    processes = worker.members()
    worker.kill_group()
    _gone, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []
    move()
    start_worker()
    eventually(lambda: Delivery.objects.filter(state="delivered").count() == 2, seconds=RECOVERY)
    assert [request.headers["stagehook-attempt"] for request in receiver.requests] == ["1", "2", "1"]


def test_what_a_process_committed_but_died_before_queueing_is_sent(
    start_worker: Callable[[], Worker], deal: Deal, stages: list[Stage], rule: Rule, receiver: Receiver
) -> None:
    start_worker()
    dying = f"""
import os, signal, django
django.setup()
from automations import wake
from crm import actors, deals, models
wake.queue_drain = lambda: os.kill(os.getpid(), signal.SIGKILL)
stage = models.Stage.objects.get(pk={stages[1].pk})
deals.move_deal(deal_id={deal.pk}, stage=stage, actor=actors.Actor.system())
"""
    process = subprocess.run([sys.executable, "-c", dying], cwd=PROJECT, env=environment(), check=False)
    assert process.returncode == -signal.SIGKILL
    receiver.wait_for(1, within=RECOVERY)


def test_a_killed_watch_takes_its_cluster_with_it(start_worker: Callable[[], Worker]) -> None:
    worker = start_worker()
    processes = worker.members()
    worker.process.kill()
    _gone, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []


def test_a_worker_told_to_end_finishes_what_is_in_flight_and_leaves_nobody_behind(
    start_worker: Callable[[], Worker], move: Callable[[], Any], receiver: Receiver
) -> None:
    receiver.answer(slow(1.5))
    worker = start_worker()
    move()
    eventually(lambda: len(receiver.requests) == 1)
    processes = worker.members()
    worker.process.terminate()
    assert worker.process.wait(timeout=20) == 0
    _gone, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []
    assert list(Delivery.objects.values_list("state", "attempts_made")) == [("delivered", 1)]
    assert not WorkerHeartbeat.objects.exists()


def test_a_worker_outlives_a_redis_that_cannot_be_reached_and_says_so(
    transactional_db: None, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[
            1
        ]  # bound and not asked for connections: nobody else gets it, and it refuses
    with log.open("wb") as stderr:
        away = {**environment(), "REDIS_URL": f"redis://127.0.0.1:{port}/0", "LOG_LEVEL": "WARNING"}
        worker = Worker(away, stderr=stderr)
        try:
            eventually(lambda: not worker.members(), seconds=60)
            said = log.read_text().count("Redis did not answer")
            eventually(lambda: log.read_text().count("Redis did not answer") >= said + 2, seconds=60)
            assert worker.process.poll() is None
            assert "is restarted" not in log.read_text()  # a cluster is not started in vain again and again
            worker.process.terminate()
            assert worker.process.wait(timeout=60) == 0
        finally:
            worker.process.kill()
            worker.process.wait()


def test_a_cluster_that_has_not_begun_in_time_is_given_twice_as_long_the_next_time() -> None:
    watch = Watch()

    def is_silent(seconds: float) -> bool:
        """Whether a cluster that was started so long ago, and of which nothing was heard, counts as silent."""
        watch._pulse = Pulse(now=time.monotonic() - seconds)
        return bool(watch._silence())

    assert [is_silent(seconds) for seconds in (14, 16, 16, 31, 31, 61, 61, 121, 121)] == [
        *(False, True, False, True, False, True, False, True, True)
    ]
    WorkerHeartbeat.objects.create(name=watch._name, beat_at=timezone.now())
    assert not is_silent(200)
    assert watch._patience == SILENT_AT_MOST  # that was the last beat of the one before
    WorkerHeartbeat.objects.update(beat_at=timezone.now())
    assert not watch._silence()
    assert watch._patience == SILENT_AFTER


def test_a_heartbeat_is_judged_by_whether_it_changes_and_not_by_what_the_clock_shows() -> None:
    beat = datetime(2026, 11, 24, 12, tzinfo=UTC)
    pulse = Pulse(now=100)
    assert pulse.feel(None, now=103) == 3
    assert pulse.feel(beat, now=104) == 0
    assert pulse.feel(beat - timedelta(hours=1), now=106) == 0
    assert pulse.feel(beat - timedelta(hours=1), now=130) == 24
    pulse.forgive(now=131)
    assert pulse.feel(beat - timedelta(hours=1), now=133) == 2
