"""Keeps bodies that are too big or too slow away from Django, which reads a body to its end before any view runs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

LARGEST_BODY = 5 * 1024 * 1024  # no endpoint takes more
SLOWEST_SECONDS = 20.0

type_of_scope = dict[str, Any]
type_of_message = Mapping[str, Any]
type_of_receive = Callable[[], Awaitable[type_of_message]]
type_of_send = Callable[[type_of_message], Awaitable[None]]
type_of_app = Callable[[type_of_scope, type_of_receive, type_of_send], Awaitable[None]]


class LimitBodies:
    """An ASGI application around another. Of a request to `/in/` it hands on at most one byte more than any endpoint
    takes, so that the view sees that it is too much, and nothing at all where too much is announced. A sender that
    takes longer than `seconds` counts as gone.
    """

    def __init__(
        self, app: type_of_app, *, most: int = LARGEST_BODY, seconds: float = SLOWEST_SECONDS
    ) -> None:
        self.app, self.most, self.seconds = app, most, seconds

    async def __call__(self, scope: type_of_scope, receive: type_of_receive, send: type_of_send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/in/"):
            await self.app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        fits = announced.isdigit() and int(announced[:20]) <= self.most
        body = _Body(receive, most=self.most + 1 if fits else 0, seconds=self.seconds)

        async def answer(message: type_of_message) -> None:
            if body.is_cut and message["type"] == "http.response.start":
                # Else the server would go on reading what we have no use for.
                message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
            await send(message)

        await self.app(scope, body.receive, answer)
        if body.is_late:  # Django has left without an answer, as if the sender had hung up
            await send({"type": "http.response.start", "status": 408, "headers": [(b"connection", b"close")]})
            await send({"type": "http.response.body", "body": b""})


class _Body:
    """The body of one request, cut after `most` bytes and after `seconds`."""

    def __init__(self, receive: type_of_receive, *, most: int, seconds: float) -> None:
        self._receive, self._left = receive, most
        self._until = asyncio.get_running_loop().time() + seconds
        self._is_over = self.is_cut = self.is_late = False

    async def receive(self) -> type_of_message:
        if self._is_over:
            return await self._hanging_up()
        if not self._left:
            self._is_over = self.is_cut = True
            return {"type": "http.request", "body": b"", "more_body": False}
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            self.is_late = True
            return {"type": "http.disconnect"}
        return self._cut(message) if message["type"] == "http.request" else message

    def _cut(self, message: type_of_message) -> type_of_message:
        body = message.get("body", b"")[: self._left]
        self._left -= len(body)
        self.is_cut = not self._left
        self._is_over = self.is_cut or not message.get("more_body", False)
        return {"type": "http.request", "body": body, "more_body": not self._is_over}

    async def _hanging_up(self) -> type_of_message:
        """The sender's leaving; what still comes of a body that was cut is thrown away."""
        while (message := await self._receive())["type"] == "http.request":
            pass
        return message
