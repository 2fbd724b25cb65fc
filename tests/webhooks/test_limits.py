"""Bodies that are too long or too slow, as the server hands them on piece by piece."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tests.loops import run
from webhooks.limits import LimitBodies

Message = Mapping[str, Any]


def send_pieces(
    *pieces: bytes, announced: str = "", path: str = "/in/key/", hangs: bool = False
) -> tuple[int | None, bytes]:
    """What the inner application saw as the body (or None where it saw the sender go), and the status sent."""
    seen: list[bytes | None] = []
    sent: list[Message] = []
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if not hangs:
        waiting.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        await asyncio.sleep(60 if hangs else 0)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def inner(_scope: Any, receive: Any, _send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                seen.append(body)
                break
        if waiting:  # what is left of a cut body, then the sender's leaving
            assert (await receive())["type"] == "http.disconnect"

    headers = [(b"content-length", announced.encode())] if announced else []
    scope = {"type": "http", "path": path, "headers": headers}

    run(LimitBodies(inner, most=10, seconds=0.2)(scope, receive, send))
    return (sent[0]["status"] if sent else None), (seen[0] or b"") if seen else b"nothing"


@pytest.mark.parametrize(
    ("pieces", "announced", "seen"),
    [
        ((b"12345", b"67890"), "10", b"1234567890"),
        ((b"12345", b"67890"), "", b"1234567890"),
        ((b"12345678", b"9012345", b"more"), "", b"12345678901"),
        ((b"1",), "11", b""),
        ((b"1",), "10000000000", b""),
        ((b"1",), "9" * 5000, b""),
    ],
)
def test_at_most_one_byte_too_many_is_handed_on(
    pieces: tuple[bytes, ...], announced: str, seen: bytes
) -> None:
    assert send_pieces(*pieces, announced=announced) == (None, seen)


def test_a_body_that_does_not_end_in_time_is_408() -> None:
    assert send_pieces(b"1", announced="5", hangs=True) == (408, b"nothing")


def test_other_addresses_are_left_alone() -> None:
    assert send_pieces(b"x" * 50, path="/api/v1/deals/") == (None, b"x" * 50)
