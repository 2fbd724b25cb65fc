"""Races and crashes: each request is applied once, whatever happens in between."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from crm.models import Activity, Call, Change, Contact, Deal, Pipeline
from crm.signals import deal_updated
from tests.processes import eventually
from tests.webhooks.conftest import Sender, states
from webhooks import lane, receiving, wakes
from webhooks.models import InboundEndpoint, InboundRequest
from webhooks.replays import NotReplayable, replay
from webhooks.requests import apply_due, apply_request, oldest_due

NothingChanges = Callable[[], None]


def at_once(count: int, post: Callable[[int], Any]) -> list[Any]:
    """Call `post` with 0 to count - 1 in as many threads as a server would use."""

    def in_thread(number: int) -> Any:
        try:
            return post(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=16) as threads:
        return list(threads.map(in_thread, range(count)))


@contextmanager
def broken() -> Iterator[None]:
    """While it lasts, every update of a deal fails in one of our own receivers."""

    def fail(**_signal: Any) -> None:
        raise RuntimeError("broken on purpose")

    deal_updated.connect(fail)
    try:
        yield
    finally:
        deal_updated.disconnect(fail)


def die(**_arguments: Any) -> None:
    raise SystemExit


@pytest.mark.django_db(transaction=True)
def test_fifty_identical_requests_at_once_are_applied_once(endpoint: InboundEndpoint, deal: Deal) -> None:
    document = {"event_id": "e1", "match": {"deal_id": deal.pk}, "activity": {"body": "paid"}}
    answers = at_once(50, lambda _number: Sender(endpoint).post(document).json())
    assert sorted(answer["status"] for answer in answers) == ["applied"] + ["duplicate"] * 49
    assert len({answer["id"] for answer in answers}) == 1
    assert Activity.objects.count() == 1
    assert InboundRequest.objects.count() == 50


@pytest.mark.django_db(transaction=True)
def test_two_first_requests_of_one_contact_make_one_contact_and_one_deal(endpoint: InboundEndpoint) -> None:
    def post(number: int) -> Any:
        phone = ("+5511912345678", "+551112345678")[number % 2]
        contact = {"name": "Ana", "emails": ["ana@example.com"], "phones": [phone]}
        return Sender(endpoint).post({"event_id": f"e{number}", "contact": contact}).json()

    answers = at_once(12, post)
    assert [answer["status"] for answer in answers] == ["applied"] * 12
    assert len({answer["deal"] for answer in answers}) == 1
    assert (Contact.objects.count(), Deal.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_request_and_the_sweeper_at_once_apply_it_once(
    endpoint: InboundEndpoint, deal: Deal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _store_and_die(endpoint, deal, monkeypatch)
    later = timezone.now() + timedelta(seconds=6)
    taken = at_once(8, lambda _number: apply_due(now=later))
    assert sum(taken) == 1
    assert Activity.objects.count() == 1


def _store_and_die(endpoint: InboundEndpoint, deal: Deal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request whose process dies between the two commits."""
    document = {"match": {"deal_id": deal.pk}, "activity": {"body": "paid"}, "deal": {"title": "paid"}}
    with monkeypatch.context() as patch:
        patch.setattr(receiving, "apply_request", die)
        with pytest.raises(SystemExit):
            Sender(endpoint).post(document)


def test_a_request_whose_process_died_is_finished_by_the_sweeper(
    endpoint: InboundEndpoint, deal: Deal, monkeypatch: pytest.MonkeyPatch, nothing_changes: NothingChanges
) -> None:
    _store_and_die(endpoint, deal, monkeypatch)
    assert states() == [("received", "")]
    nothing_changes()
    now = timezone.now()
    assert (oldest_due(now=now), apply_due(now=now)) == (None, 0)
    later = now + timedelta(seconds=5)
    assert oldest_due(now=later) == InboundRequest.objects.get().next_try_at
    assert apply_due(now=later) == 1
    assert (oldest_due(now=later), states()) == (None, [("applied", "")])
    assert (Deal.objects.get().title, Activity.objects.count()) == ("paid", 1)


def test_what_was_finished_by_another_meanwhile_is_undone(
    endpoint: InboundEndpoint, deal: Deal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _store_and_die(endpoint, deal, monkeypatch)
    slow = InboundRequest.objects.get()
    assert apply_due(now=timezone.now() + timedelta(seconds=6)) == 1
    version = Deal.objects.get().version
    assert apply_request(request=slow, now=timezone.now()).state == "applied"
    assert (Activity.objects.count(), Deal.objects.get().version) == (1, version)
    assert "could not be applied" not in caplog.text


def test_what_goes_wrong_on_our_side_is_tried_again_five_times_and_then_failed(
    sender: Sender, deal: Deal, nothing_changes: NothingChanges
) -> None:
    document = {"event_id": "e1", "match": {"deal_id": deal.pk}, "deal": {"title": "paid"}}
    with broken():
        response = sender.post(document)
        assert (response.status_code, response.json()["status"]) == (202, "received")
        waits = list(_sweep_until_given_up())
    assert waits == [30, 120, 600, 3600]
    request = InboundRequest.objects.get()
    assert (request.state, request.reason, request.tries, request.holds_key) == ("failed", "error", 6, False)
    nothing_changes()
    assert Change.objects.filter(actor_kind="inbound").count() == 0
    replayed = replay(request_id=request.pk, now=timezone.now())
    assert (replayed.state, replayed.errors, Deal.objects.get().title) == ("applied", [], "paid")


def _sweep_until_given_up() -> Iterator[int]:
    """Sweep whenever the one request is due, and yield how long it was put off: for seconds, counted from then."""
    while (due_at := InboundRequest.objects.get().next_try_at) is not None:
        assert apply_due(now=due_at) == 1
        put_off_to = InboundRequest.objects.get().next_try_at
        if put_off_to is not None:
            yield round((put_off_to - due_at).total_seconds())


def test_a_request_that_kills_its_process_is_given_up(
    endpoint: InboundEndpoint, deal: Deal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _store_and_die(endpoint, deal, monkeypatch)
    InboundRequest.objects.update(tries=6)
    assert apply_due(now=timezone.now() + timedelta(seconds=6)) == 0
    assert states() == [("failed", "error")]


def test_a_queued_task_may_run_twice(sender: Sender, deal: Deal) -> None:
    sender.endpoint.response_mode = "accept"
    sender.endpoint.save()
    sender.post({"match": {"deal_id": deal.pk}, "activity": {"body": "paid"}})
    assert [lane.work(linger=0) for _turn in range(2)] == [True, True]
    assert Activity.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_task_is_queued_only_where_none_is_at_work_and_it_takes_what_comes_meanwhile(
    endpoint: InboundEndpoint, deal: Deal
) -> None:
    endpoint.response_mode = "accept"
    endpoint.save()

    def post(number: int) -> str:
        document = {"event_id": f"e{number}", "match": {"deal_id": deal.pk}, "activity": {"body": "paid"}}
        return str(Sender(endpoint).post(document).json()["status"])

    def is_at_work() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT NOT {wakes.IS_IDLE}")
            return bool(cursor.fetchone()[0])

    def work(_number: int) -> bool:
        return lane.work(linger=3)

    post(0)
    assert OrmQ.objects.count() == 1
    OrmQ.objects.all().delete()
    with ThreadPoolExecutor(max_workers=1) as thread:
        worked = thread.submit(at_once, 1, work)
        eventually(is_at_work)
        assert lane.work() is False
        assert at_once(5, lambda number: post(number + 1)) == ["received"] * 5
        eventually(lambda: Activity.objects.count() == 6)
        assert worked.result() == [True]
    assert OrmQ.objects.count() == 0
    assert not is_at_work()
    assert set(states()) == {("applied", "")}


def test_a_rejected_request_applies_when_replayed_after_the_cause_is_mended(
    sender: Sender, pipeline: Pipeline, deal: Deal
) -> None:
    document = {"match": {"deal_id": deal.pk}, "deal": {"stage": "Paid"}}
    rejected = sender.post(document).json()
    pipeline.stages.filter(name="Won").update(name="Paid")
    replayed = replay(request_id=rejected["id"], now=timezone.now())
    assert (replayed.state, replayed.changes) == ("applied", {"deal.stage": ["New", "Paid"]})
    with pytest.raises(NotReplayable):
        replay(request_id=rejected["id"], now=timezone.now())


def test_a_request_whose_content_came_again_and_was_applied_is_not_replayed(
    sender: Sender, pipeline: Pipeline, deal: Deal
) -> None:
    document = {"match": {"deal_id": deal.pk}, "deal": {"stage": "Paid"}, "activity": {"body": "paid"}}
    rejected = sender.post(document).json()
    pipeline.stages.filter(name="Won").update(name="Paid")
    assert sender.post(document).json()["status"] == "applied"
    with pytest.raises(NotReplayable):
        replay(request_id=rejected["id"], now=timezone.now())
    assert Activity.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_halves_of_a_new_call_at_once_are_one_call_and_one_deal(endpoint: InboundEndpoint) -> None:
    parts: list[dict[str, Any]] = [
        {"direction": "in", "from_number": "+5511987654321"},
        {"duration_seconds": 61, "from_number": "+5511987654321"},
        {"recording_url": "https://calls.example/1.mp3", "from_number": "+551187654321"},
        {"status": "answered", "from_number": "+5511987654321"},
    ]
    answers = at_once(
        len(parts), lambda number: Sender(endpoint).post({"call": {"external_id": "c1", **parts[number]}})
    )
    assert {answer.json()["status"] for answer in answers} == {"applied"}
    call = Call.objects.get()
    assert (call.direction, call.duration_seconds, call.status) == ("in", 61, "answered")
    assert call.recording_url == "https://calls.example/1.mp3"
    assert Deal.objects.count() == 1
