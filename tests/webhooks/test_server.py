"""What only the real web server with its processes shows: races between them, and bodies that are too big or slow."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from crm.models import Activity, Deal
from tests.benchmarks.web import web_server
from webhooks.models import InboundEndpoint, InboundRequest

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(transactional_db: None) -> Iterator[tuple[str, int]]:
    with web_server() as address:
        where = urlsplit(address)
        yield str(where.hostname), int(where.port or 0)


def post(server: tuple[str, int], path: str, document: Any) -> tuple[int, Any]:
    with closing(HTTPConnection(*server, timeout=60)) as http:
        http.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
        answer = http.getresponse()
        return answer.status, json.loads(answer.read())


def test_fifty_copies_sent_to_all_processes_at_once_are_applied_once(
    server: tuple[str, int], endpoint: InboundEndpoint, deal: Deal
) -> None:
    document = {"event_id": "e1", "match": {"deal_id": deal.pk}, "activity": {"body": "paid"}}
    with ThreadPoolExecutor(max_workers=50) as senders:
        answers = list(senders.map(lambda _n: post(server, f"/in/{endpoint.key}/", document), range(50)))
    assert sorted(told["status"] for _status, told in answers) == ["applied"] + ["duplicate"] * 49
    assert len({told["id"] for _status, told in answers}) == 1
    assert (Activity.objects.count(), InboundRequest.objects.count()) == (1, 50)


def test_bodies_that_drip_or_are_huge_hold_nobody_up(
    server: tuple[str, int], endpoint: InboundEndpoint, deal: Deal
) -> None:
    path = f"/in/{endpoint.key}/"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with ExitStack() as open_sockets:
        for _sender in range(30):  # more than there are threads or connections to the database
            slow = open_sockets.enter_context(closing(socket.create_connection(server)))
            slow.sendall(f'{head}Content-Length: 500\r\n\r\n{{"deal'.encode())
        document = {"event_id": "e1", "match": {"deal_id": deal.pk}, "activity": {"body": "paid"}}
        assert post(server, path, document)[1]["status"] == "applied"
        huge = open_sockets.enter_context(closing(socket.create_connection(server, timeout=30)))
        huge.sendall(f"{head}Content-Length: 10000000000\r\n\r\n".encode())
        assert huge.recv(12) == b"HTTP/1.1 413"
    assert Activity.objects.count() == 1
