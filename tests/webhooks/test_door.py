"""What stands in front of Django: in its threads, with connections of their own, as the web server calls it."""

import json
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from threading import Barrier, Event
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.db import connection
from pytest_django import Settings

from crm.models import Deal
from tests.loops import run
from webhooks import door, lane
from webhooks.door import APPLYING, STORING, Door
from webhooks.limits import LimitBodies
from webhooks.models import InboundEndpoint, InboundRequest

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Front:
    """A door as the web server has it."""

    def __init__(self) -> None:
        self.door = Door(ASGIHandler())

    def post(self, path: str, document: Any, *, host: str = "localhost", **headers: str) -> Answer:
        body = json.dumps(document).encode()
        given = {
            "host": host,
            "content-type": "application/json",
            "content-length": str(len(body)),
            **headers,
        }
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [(name.replace("_", "-").encode(), text.encode()) for name, text in given.items()],
            "client": ("127.0.0.1", 50000),
        }
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        async def call() -> None:
            await LimitBodies(self.door)(scope, receive, send)

        run(call())
        start, *rest = sent
        told = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], told, b"".join(part["body"] for part in rest))

    def close(self) -> None:
        """End all threads and their connections."""
        for threads, count in ((self.door._storing, STORING), (self.door._applying, APPLYING)):
            _in_all(threads, count)
            threads.shutdown()


def _in_all(threads: Executor, count: int) -> None:
    meeting = Barrier(count)

    def close() -> None:
        meeting.wait()
        connection.close()

    for done in [threads.submit(close) for _thread in range(count)]:
        done.result()


@pytest.fixture
def front(transactional_db: None) -> Iterator[Front]:
    front = Front()
    yield front
    front.close()


@pytest.fixture
def path(endpoint: InboundEndpoint) -> str:
    return f"/in/{endpoint.key}/"


def test_a_request_is_applied_and_the_answer_is_guarded_like_a_page(
    front: Front, path: str, deal: Deal
) -> None:
    answer = front.post(path, {"match": {"deal_id": deal.pk}, "deal": {"title": "paid"}})
    assert (answer.status, answer.json()["changes"]) == (200, {"deal.title": ["ERP for a bakery", "paid"]})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Length"] == str(len(answer.body))


def test_a_refusal_is_told_in_the_senders_language(front: Front, path: str, deal: Deal) -> None:
    document = {"match": {"deal_id": deal.pk}, "deal": {"lost_reason": "price"}}
    texts = [
        front.post(path, {**document, "event_id": language}, accept_language=language).json()["errors"]
        for language in ("pt-BR", "en")
    ]
    assert [errors[0]["message"] for errors in texts] == [
        "O motivo de perda “price” não existe.",
        "There is no lost reason “price”.",
    ]


def test_who_would_wait_too_long_for_a_turn_is_left_to_a_task(
    front: Front, path: str, deal: Deal, settings: Settings
) -> None:
    settings.ANSWER_WITHIN_MS = 0
    document = {"match": {"deal_id": deal.pk}, "deal": {"title": "paid"}}
    release = Event()
    for _turn in range(APPLYING):
        front.door._applying.submit(release.wait, 60)
    answer = front.post(path, document)
    assert (answer.status, answer.json()["status"]) == (202, "received")
    assert front.post(path, document).json() == {"id": answer.json()["id"], "status": "duplicate"}
    release.set()
    deal.refresh_from_db()
    assert deal.title == "ERP for a bakery"
    lane.work(linger=0)
    deal.refresh_from_db()
    assert (deal.title, InboundRequest.objects.get(state="applied").tries) == ("paid", 1)


def test_a_connection_that_was_cut_while_idle_is_replaced(
    front: Front, path: str, deal: Deal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_IDLE", 0.0)

    def posted(number: int) -> int:
        return front.post(path, {"match": {"deal_id": deal.pk}, "deal": {"title": f"{number}"}}).status

    assert posted(1) == 200
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
    assert posted(2) == 200


def test_what_goes_wrong_and_what_names_another_host_is_answered_as_everywhere(
    front: Front, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_given: Any) -> None:
        raise RuntimeError("broken on purpose")

    assert front.post(path, {}, host="evil.example").status == 400
    assert front.post("/in/" + "x" * 30, {}).status == 404
    assert front.post(path, {}, content_type="application/json; charset*=none''utf-8").status == 415
    monkeypatch.setattr(door, "take_in", fail)
    assert front.post(path, {}).status == 500
    assert "broken on purpose" in caplog.text
    assert InboundRequest.objects.count() == 0
