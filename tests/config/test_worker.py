"""The worker as real processes: whatever is killed, deliveries go on within 30 seconds and none is lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from django.db import connection
from django.utils import timezone

from automations.models import Attempt, Delivery, Destination, Rule, WorkerHeartbeat
from crm import deals
from crm.actors import Actor
from crm.models import Deal, Stage
from tests.automations.conftest import actor, alice, deal, destination, pipeline, rule, stages
from tests.processes import PROJECT, eventually
from tests.receivers import Receiver, hang, slow

__all__ = ["actor", "alice", "deal", "destination", "pipeline", "rule", "stages"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

RECOVERY = 30.0  # seconds


class Worker:
    """`python manage.py worker` on the test database, and the processes that belong to it."""

    def __init__(self, environment: dict[str, str]) -> None:
        command = [sys.executable, "manage.py", "worker"]
        self.process = subprocess.Popen(command, cwd=PROJECT, env=environment, start_new_session=True)

    def wait_until_ready(self) -> None:
        eventually(lambda: len(self.members()) >= 7 and drain_beats(), seconds=RECOVERY)

    def members(self) -> list[psutil.Process]:
        """The cluster's main process, its sentinel, then workers, monitor and pusher."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill_group(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def drain_beats() -> bool:
    fresh = timezone.now() - timedelta(seconds=3)
    return WorkerHeartbeat.objects.filter(beat_at__gt=fresh).exists()


def url_of_test_database() -> str:
    settings = connection.settings_dict
    host, port = quote(str(settings["HOST"]), safe=""), settings["PORT"] or ""
    return (
        f"postgresql://{settings['USER']}:{settings['PASSWORD']}@/{settings['NAME']}?host={host}&port={port}"
    )


def environment() -> dict[str, str]:
    """That of a real process on the test database."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": url_of_test_database(),
        "LOG_LEVEL": "ERROR",
    }


@pytest.fixture
def start_worker(transactional_db: None) -> Iterator[Callable[[], Worker]]:
    started: list[Worker] = []

    def start() -> Worker:
        started.append(Worker(environment()))
        started[-1].wait_until_ready()
        return started[-1]

    yield start
    for worker in started:
        if worker.process.poll() is None:
            worker.kill_group()


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
