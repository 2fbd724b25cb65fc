"""A thread that reads or writes in the database for the drain, while the drain goes on sending."""

import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

from django.db import connection

Result = TypeVar("Result")


class DatabaseThread(Generic[Result]):
    """Does one piece of work at a time. Its descriptor is readable when the work is done."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "database")
        self._future: Future[Result] | None = None
        self._done, self._announce = socket.socketpair()
        self._done.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._executor.submit(_close)
        self._executor.shutdown()
        self._done.close()
        self._announce.close()

    def fileno(self) -> int:
        return self._done.fileno()

    @property
    def is_busy(self) -> bool:
        """Whether there is a piece of work whose result was not fetched."""
        return self._future is not None

    def submit(self, work: Callable[[], Result]) -> None:
        """Begin a piece of work; RuntimeError while there is another."""
        if self._future:
            raise RuntimeError("one piece of work at a time")
        self._future = self._executor.submit(work)
        self._future.add_done_callback(lambda _future: self._announce.send(b"!"))

    def fetch(self) -> Result | None:
        """What the work has brought, once; None while there is nothing. Raises what the work raised."""
        if self._future is None:
            return None
        try:
            self._done.recv(1)
        except BlockingIOError:
            return None
        future, self._future = self._future, None
        return future.result()


def _close() -> None:
    connection.close()  # the one of the thread that runs this
