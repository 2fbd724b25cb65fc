"""How much a request may bring before anything reads it."""

import pytest
from django.test import override_settings

from config.uploads import LimitUploads
from crm.files import LARGEST
from crm.imports.files import MOST_BYTES
from tests.loops import run
from webhooks.limits import type_of_message, type_of_receive, type_of_scope, type_of_send

MIB = 1024 * 1024


def brought(path: str, *pieces: bytes, announced: int | None = None) -> tuple[int | None, int | None]:
    """How many bytes the inner application had read when the body ended (None where it was never asked, or saw its
    sender go), and the status that was sent by the limit."""
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})
    read: list[int] = []
    sent: list[type_of_message] = []

    async def receive() -> type_of_message:
        return waiting.pop(0)

    async def send(message: type_of_message) -> None:
        sent.append(message)

    async def inner(_scope: type_of_scope, receive: type_of_receive, _send: type_of_send) -> None:
        size = 0
        while (message := await receive())["type"] == "http.request":
            size += len(message["body"])
            if not message["more_body"]:
                read.append(size)
                return

    headers = [] if announced is None else [(b"content-length", str(announced).encode())]
    run(LimitUploads(inner)({"type": "http", "path": path, "headers": headers}, receive, send))
    return (read[0] if read else None), (sent[0]["status"] if sent else None)


@pytest.mark.parametrize(
    ("path", "most"),
    [("/deals/7/", 5 * MIB), ("/imports/new/", MOST_BYTES), ("/deals/7/files/", 4 * LARGEST)],
)
def test_what_announces_too_much_is_refused_unread(path: str, most: int) -> None:
    assert brought(path, b"12345", announced=most) == (5, None)
    assert brought(path, b"12345", announced=most + MIB) == (None, 413)


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10)
def test_what_does_not_say_how_much_it_is_is_refused_once_it_is_too_much() -> None:
    assert brought("/deals/7/", b"12345", b"67890") == (10, None)
    assert brought("/deals/7/", b"12345", b"678901", b"more") == (None, 413)
    assert brought("/in/key/", b"12345", b"678901") == (11, None)
