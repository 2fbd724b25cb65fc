"""The one listener of a web process: hears what `crm.announcements` tells, and hands it to the streams of open boards.

Announcements are gathered for a moment, so that a burst of them is one message a board, and for longer the longer it
takes to draw what they are about. What became of requests (the bolts of cards) is told apart, at a pace of its own: a
worker may end thousands of them a second.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
from asgiref.sync import sync_to_async
from django.db import connection

from crm.announcements import BOARD_CHANNEL

GATHER = 0.03  # seconds in which announcements are gathered
LONGEST_GATHER = 0.25  # seconds, while drawing cannot keep up
REMEMBERED = 500  # messages kept for browsers that come back
BACKLOG = 100  # messages a slow browser may fall behind before it is sent away to catch up
SKEW = 1.0  # seconds that the clocks of two web servers may differ
RETRY = 1.0  # seconds between attempts to listen
BOLTS_EVERY = 0.25  # seconds between messages about bolts
BOLTS_AT_ONCE = 25  # cards drawn anew for them in each
BOLTS_WAITING = 1000  # when more than that wait for their turn, boards look again as a whole instead …
FLOOD = 15.0  # … so many seconds later
KEPT_DRAWN = 5.0  # seconds for which a message's answers are kept for slower streams

Draw = Callable[[], Awaitable[str | None]]
Made = TypeVar("Made")


@dataclass(slots=True)
class Message:
    """What happened on one board: `by` names whoever touched each deal. Without deals, anything may have changed.

    `bolts` says that it is about bolts alone; then nobody is named.

    `drawn` is what streams get of it, by what their readers see; `shared` what is the same in every language.
    """

    at: float
    pipeline: int
    by: dict[int, str]
    bolts: bool = False
    overtaken: bool = False
    drawn: dict[Hashable, "asyncio.Task[str | None]"] = field(default_factory=dict, repr=False)
    shared: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def forget(self) -> None:
        self.drawn.clear()
        self.shared.clear()

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` made when it was first asked for. Called by the one thread that draws."""
        if key not in self.shared:
            self.shared[key] = make()
        made: Made = self.shared[key]
        return made


Stream = asyncio.Queue[Message | None]  # None stands for messages that were lost


class Hub:
    """The listener and the streams that hear it."""

    def __init__(self) -> None:
        self._streams: set[Stream] = set()
        self._newest: dict[int, Message] = {}
        self._recent: deque[Message] = deque(maxlen=REMEMBERED)
        self._listening = asyncio.Event()
        self._listening_since = 0.0
        self._listener: asyncio.Task[None] | None = None
        self._gathered: list[dict[str, Any]] = []
        self._gathering: asyncio.Task[None] | None = None
        self._bolts: dict[int, dict[int, str]] = {}  # by pipeline and deal, the newest last
        self._telling_bolts: asyncio.Task[None] | None = None
        self._drawing = asyncio.Lock()
        self._took = self._drawn_at = 0.0

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

    async def draw(self, message: Message, key: Hashable, draw: Draw) -> str | None:
        """What `draw` makes of the message, made once for all streams of the same `key`, one after the other."""
        task = message.drawn.get(key)
        if task is None:
            task = message.drawn[key] = asyncio.create_task(self._draw(draw))
            asyncio.get_running_loop().call_later(KEPT_DRAWN, message.forget)
        return await asyncio.shield(task)  # a stream that ends while it waits does not end it for the others

    async def _draw(self, draw: Draw) -> str | None:
        async with self._drawing:
            started = time.monotonic()
            try:
                return await draw()
            finally:
                self._drawn_at = time.monotonic()
                self._took += self._drawn_at - started

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
            self._tell([None])
            async for notification in listening.notifies():
                self._gathered.append(json.loads(notification.payload))
                if self._gathering is None or self._gathering.done():
                    self._gathering = asyncio.create_task(self._tell_gathered())

    async def _tell_gathered(self) -> None:
        while self._gathered:
            rest = self._drawn_at + self._took - time.monotonic()  # as long as drawing the last message took
            await asyncio.sleep(min(max(GATHER, rest), LONGEST_GATHER))
            self._took = 0.0
            told, self._gathered = self._gathered, []
            messages = merged((each for each in told if "bolts" not in each), at=time.time())
            for message in messages:
                self._overtake(message)
            self._publish(messages)
            self._put_off(each for each in told if "bolts" in each)

    def _put_off(self, told: Iterable[dict[str, Any]]) -> None:
        for each in told:
            for pipeline in each["pipelines"]:
                self._bolts.setdefault(pipeline, {}).update(dict.fromkeys(each["bolts"], ""))
        if self._bolts and (self._telling_bolts is None or self._telling_bolts.done()):
            self._telling_bolts = asyncio.create_task(self._tell_bolts())

    async def _tell_bolts(self) -> None:
        while self._bolts:
            is_flood = any(len(deals) > BOLTS_WAITING for deals in self._bolts.values())
            await asyncio.sleep(FLOOD if is_flood else BOLTS_EVERY)
            self._publish([self._next_bolts(pipeline) for pipeline in list(self._bolts)])

    def _next_bolts(self, pipeline: int) -> Message:
        """The newest first: whoever moves a card in a flood wants to see what becomes of it."""
        waiting = self._bolts[pipeline]
        newest = list(waiting)[-BOLTS_AT_ONCE:] if len(waiting) <= BOLTS_WAITING else []
        by = {deal: waiting.pop(deal) for deal in newest}
        if not (newest and waiting):
            del self._bolts[pipeline]
        return Message(at=time.time(), pipeline=pipeline, by=by, bolts=True)

    def _publish(self, messages: Sequence[Message]) -> None:
        self._recent.extend(messages)
        self._tell(messages)

    def _overtake(self, message: Message) -> None:
        if before := self._newest.get(message.pipeline):
            before.overtaken = True
        self._newest[message.pipeline] = message

    def _tell(self, messages: Iterable[Message | None]) -> None:
        for message in messages:
            for stream in list(self._streams):
                try:
                    stream.put_nowait(message)
                except asyncio.QueueFull:
                    self.leave(stream)


def merged(told: Iterable[dict[str, Any]], *, at: float) -> list[Message]:
    """One message for each board of some announcements, in the form of `crm.announcements`."""
    by: dict[int, dict[int, str]] = {}
    whole = set[int]()
    for each in told:
        for pipeline in each["pipelines"]:
            by.setdefault(pipeline, {}).update(dict.fromkeys(each["deals"], each["by"]["name"]))
            if not each["deals"]:
                whole.add(pipeline)
    return [
        Message(at=at, pipeline=pipeline, by={} if pipeline in whole else names)
        for pipeline, names in by.items()
    ]


def _connection_parameters() -> dict[str, Any]:
    """Django's connection parameters, less those that only its own connections understand."""
    parameters = connection.get_connection_params()
    return {
        name: value for name, value in parameters.items() if name not in ("context", "cursor_factory", "pool")
    }


hub = Hub()
