"""Keeps more than a page takes away from Django, which reads a body to its end before any view runs.

What comes to endpoints has limits of its own (see `webhooks.limits`).
"""

import re
from collections.abc import Mapping

from django.conf import settings

from crm.files import LARGEST
from crm.imports.files import MOST_BYTES
from webhooks.limits import type_of_app, type_of_message, type_of_receive, type_of_scope, type_of_send

_AROUND = 64 * 1024  # what a form has beside its files
_MOST = (
    (re.compile(r"/deals/\d+/files/"), 4 * LARGEST + _AROUND),  # several at once; the door looks at each
    (re.compile(r"/imports/new/"), MOST_BYTES + _AROUND),
)
_TOO_LARGE = (
    {"type": "http.response.start", "status": 413, "headers": [(b"connection", b"close")]},
    {"type": "http.response.body", "body": b""},
)


class LimitUploads:
    """An ASGI application around another. What announces too much is refused unread (413), what does not say how much
    it is as soon as it is too much.
    """

    def __init__(self, app: type_of_app) -> None:
        self.app = app

    async def __call__(self, scope: type_of_scope, receive: type_of_receive, send: type_of_send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/in/"):
            await self.app(scope, receive, send)
            return
        most = _most_bytes(scope["path"])
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced[:20]) > most:
            await _refuse(send)
            return
        body = _Counted(receive, most=most)
        await self.app(scope, body.receive, send)
        if body.is_too_much:  # Django has left without an answer, as if the sender had hung up
            await _refuse(send)


class _Counted:
    """A body that ends, as if its sender had gone, when more than `most` bytes have come."""

    def __init__(self, receive: type_of_receive, *, most: int) -> None:
        self._receive, self._left = receive, most

    @property
    def is_too_much(self) -> bool:
        return self._left < 0

    async def receive(self) -> type_of_message:
        message: Mapping[str, object] = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))  # type: ignore[arg-type]  # bytes, says ASGI
        return {"type": "http.disconnect"} if self.is_too_much else message


def _most_bytes(path: str) -> int:
    return next(
        (most for pattern, most in _MOST if pattern.fullmatch(path)), settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    )


async def _refuse(send: type_of_send) -> None:
    for message in _TOO_LARGE:
        await send(message)
