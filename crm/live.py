"""Live boards: what `crm.announcements` tells PostgreSQL's listeners, passed on to open browsers as server-sent events.

Each web process listens once, on a connection of its own, and hands every message to its open streams. The messages
are hints ("deal 7 was touched"): the browser fetches what it may see. A stream must not keep a database connection,
or a few hundred open boards exhaust the server; so the one of the login check is given back before it begins.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from crm.announcements import BOARD_CHANNEL

KEEPALIVE = 20.0  # seconds of silence after which proxies are shown that the stream is alive
LONGEST = 15 * 60.0  # seconds after which a browser must come back, so that its login is checked again
REMEMBERED = 500  # messages kept for browsers that come back
BACKLOG = 100  # messages a slow browser may fall behind before it is sent away to catch up
SKEW = 1.0  # seconds that the clocks of two web servers may differ
RETRY = 1.0  # seconds between attempts to listen, and until a browser comes back


@dataclass(frozen=True, slots=True)
class Message:
    at: float
    pipelines: frozenset[int]
    data: str


Stream = asyncio.Queue[Message | None]  # None stands for messages that were lost


class Hub:
    """The one listener of this process and the streams that hear it."""

    def __init__(self) -> None:
        self._streams: set[Stream] = set()
        self._recent: deque[Message] = deque(maxlen=REMEMBERED)
        self._listening = asyncio.Event()
        self._listening_since = 0.0
        self._listener: asyncio.Task[None] | None = None

    async def join(self, *, since: float) -> Stream:
        """A stream of every message from now on, after those since `since`, or None where they are forgotten."""
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen_for_ever())
        await self._listening.wait()
        stream: Stream = asyncio.Queue(BACKLOG + REMEMBERED)
        for message in self._since(since):
            stream.put_nowait(message)
        self._streams.add(stream)
        return stream

    def leave(self, stream: Stream) -> None:
        self._streams.discard(stream)

    def __contains__(self, stream: Stream) -> bool:
        """False for a browser that was too slow and has to come back."""
        return stream in self._streams

    def _since(self, moment: float) -> Sequence[Message | None]:
        overflowed = len(self._recent) == REMEMBERED and self._recent[0].at > moment
        if overflowed or moment < self._listening_since:
            return [None]
        return [message for message in self._recent if message.at > moment - SKEW]

    async def _listen_for_ever(self) -> None:
        while True:
            with suppress(psycopg.Error):
                await self._listen()
            self._listening.clear()
            await asyncio.sleep(RETRY)

    async def _listen(self) -> None:
        parameters = await sync_to_async(_connection_parameters)()
        async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as listening:
            await listening.execute(f"LISTEN {BOARD_CHANNEL}")
            self._listening_since = time.time()
            self._listening.set()
            self._tell(None)
            async for notification in listening.notifies():
                message = _message(notification.payload)
                self._recent.append(message)
                self._tell(message)

    def _tell(self, message: Message | None) -> None:
        for stream in list(self._streams):
            try:
                stream.put_nowait(message)
            except asyncio.QueueFull:
                self.leave(stream)


def _connection_parameters() -> dict[str, Any]:
    """Django's connection parameters, less those that only its own connections understand."""
    parameters = connection.get_connection_params()
    return {
        name: value for name, value in parameters.items() if name not in ("context", "cursor_factory", "pool")
    }


def _message(payload: str) -> Message:
    told = json.loads(payload)
    data = json.dumps({"stages": told["stages"], "deals": told["deals"], "by": told["by"]["name"]})
    return Message(at=time.time(), pipelines=frozenset(told["pipelines"]), data=data)


hub = Hub()


async def live(request: HttpRequest) -> HttpResponseBase:
    """`?pipeline=ID&since=UNIX_SECONDS`: the events `touched` ({"stages", "deals", "by"}) and `missed` (look again).

    `Last-Event-ID`, which browsers send when they come back by themselves, wins over `since`.
    """
    user = await request.auser()
    pipeline, since = request.GET.get("pipeline", ""), request.GET.get("since", "")
    if not user.is_authenticated:
        return HttpResponse(status=403)
    try:
        number, moment = int(pipeline), float(request.headers.get("Last-Event-ID") or since or 0)
    except ValueError:
        return HttpResponse(status=400)
    await sync_to_async(connections.close_all)()
    return StreamingHttpResponse(
        _events(number, moment),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def _events(pipeline: int, since: float) -> AsyncIterator[bytes]:
    stream = await hub.join(since=since)
    ends_at = time.monotonic() + LONGEST
    try:
        yield f"retry: {int(RETRY * 1000)}\nevent: hello\ndata: {{}}\n\n".encode()
        while stream in hub and time.monotonic() < ends_at:
            try:
                message = await asyncio.wait_for(stream.get(), KEEPALIVE)
            except TimeoutError:
                yield b":\n\n"
                continue
            if message is None:
                yield _event("missed", at=time.time(), data="{}")
            elif pipeline in message.pipelines:
                yield _event("touched", at=message.at, data=message.data)
    finally:
        hub.leave(stream)


def _event(name: str, *, at: float, data: str) -> bytes:
    return f"id: {at}\nevent: {name}\ndata: {data}\n\n".encode()
