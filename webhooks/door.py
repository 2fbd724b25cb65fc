"""The ASGI application that takes requests in at `/in/<key>/`, in front of Django's own.

A sender has no session, no password and no page to come back to. So a request passes those middlewares only that have
something to say here, and one of a few threads that keep their connections to the database: Django's own way, with a
thread and a connection made ready for each request, costs more than all that we do with most of them.

Threads of one kind judge and store, those of the other apply; a request waits for the latter in line, and leaves it to
a task when it has waited long enough. So whoever only wants to be stored never stands behind who wants to be applied.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import local
from typing import IO, Any, TypeVar

from csp.middleware import CSPMiddleware
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.exception import response_for_exception
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.locale import LocaleMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils import timezone, translation

from webhooks.limits import type_of_receive, type_of_scope, type_of_send
from webhooks.receiving import Waiting, apply_in_turn, leave_to_task, take_in

STORING = 3  # threads; together with APPLYING well below the connections of a process
APPLYING = 2  # more of them only take each other's time: applying is mostly Python
_IDLE = 1.0  # seconds, after which a connection is asked whether it still is one
_ADDRESS = re.compile(r"/in/([A-Za-z0-9_-]{20,64})/?")

Taken = TypeVar("Taken")


class Door:
    """Answers what is sent to an endpoint's address, and hands all else on to Django."""

    def __init__(self, django: ASGIHandler) -> None:
        self._django = django
        self._storing = ThreadPoolExecutor(STORING, "storing")
        self._applying = ThreadPoolExecutor(APPLYING, "applying")

    async def __call__(self, scope: type_of_scope, receive: type_of_receive, send: type_of_send) -> None:
        address = _ADDRESS.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if address is None:
            await self._django(scope, receive, send)
            return
        try:
            body = await self._django.read_body(receive)
        except RequestAborted:
            return
        with body:
            request, refusal = self._read(scope, body)
            response = await self._answer(request, address[1]) if request else refusal
        await self._django.send_response(response or HttpResponseBadRequest(), send)

    def _read(
        self, scope: type_of_scope, body: IO[bytes]
    ) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        """The request, or the answer to one that Django cannot read."""
        try:
            return self._django.create_request(scope, body)
        except ValueError:  # of a Content-Type whose parameters are in an encoding that nobody knows
            return None, HttpResponse(status=415)

    async def _answer(self, request: ASGIRequest, key: str) -> HttpResponseBase:
        taken = await asyncio.wrap_future(self._storing.submit(_take_in, request, key))
        if not isinstance(taken, Waiting):
            return taken
        turn = self._applying.submit(_finish, apply_in_turn, taken)
        answer = asyncio.wrap_future(turn)
        patience = (taken.until - timezone.now()).total_seconds()
        await asyncio.wait([answer], timeout=max(0.0, patience))
        if turn.cancel():  # nobody has begun with it
            return await asyncio.wrap_future(self._storing.submit(_finish, leave_to_task, taken))
        return await answer


def _take_in(request: ASGIRequest, key: str) -> HttpResponseBase | Waiting:
    with _database():
        taken = _guarded(request, lambda: _refused_before(request) or take_in(request, key))
    return taken if isinstance(taken, Waiting) else _completed(request, taken)


def _finish(step: Callable[[Waiting], HttpResponse], waiting: Waiting) -> HttpResponseBase:
    with _database(), translation.override(waiting.asked.LANGUAGE_CODE):
        return _completed(waiting.asked, _guarded(waiting.asked, lambda: step(waiting)))


def _guarded(request: HttpRequest, step: Callable[[], Taken]) -> Taken | HttpResponse:
    try:
        return step()
    except Exception as error:  # noqa: BLE001  # whatever it is, Django says what to answer and writes it down
        return response_for_exception(request, error)


# ---- The middlewares that have something to say to a sender ----


def _unreachable(_request: HttpRequest) -> HttpResponse:
    raise NotImplementedError("What is before and after the answer is called by itself.")


_MIDDLEWARES: list[Any] = [
    middleware(_unreachable)
    for middleware in (
        SecurityMiddleware,
        LocaleMiddleware,
        CommonMiddleware,
        XFrameOptionsMiddleware,
        CSPMiddleware,
    )
]


def _refused_before(request: HttpRequest) -> HttpResponse | None:
    """What a middleware answers by itself, such as a redirect to HTTPS. Sets the thread's language."""
    befores = (getattr(middleware, "process_request", None) for middleware in _MIDDLEWARES)
    answers = (before(request) for before in befores if before)
    return next(filter(None, answers), None)


def _completed(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    for middleware in reversed(_MIDDLEWARES):
        response = middleware.process_response(request, response)
    return response


# ---- A thread's connection ----

_thread = local()


@contextmanager
def _database() -> Iterator[None]:
    """The thread's own connection to the database: kept, replaced where it broke, and tried before use where it was
    idle for a while.
    """
    idle_for = time.monotonic() - getattr(_thread, "used_at", 0.0)
    if idle_for > _IDLE or connection.errors_occurred:
        connection.close_at = None  # the pool has no say: it is ours
        connection.close_if_unusable_or_obsolete()
    try:
        yield
    finally:
        _thread.used_at = time.monotonic()
