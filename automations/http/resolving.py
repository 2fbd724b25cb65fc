"""Names looked up in threads of our own, so that a name server which never answers holds up nobody else.

libcurl looks names up in 20 threads at most, which 20 silent name servers fill (25 such names held a healthy
one up for 8 s), and it waits for them when it is closed. Here a name that is being looked up has one thread,
however many exchanges wait for it, and nobody waits for a thread.
"""

import contextlib
import queue
import socket
import threading
import time
from dataclasses import dataclass

from webhooks.addresses import IPAddress, Lookup

KNOWN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a lookup found: the addresses of a host, or none and why."""

    host: str
    addresses: tuple[IPAddress, ...]
    problem: str = ""


class Resolver:
    """Lookups that report to the poll of one loop: `fileno()` is readable when `answers()` has any."""

    def __init__(self, resolve: Lookup) -> None:
        self._resolve = resolve
        self._asked: set[str] = set()
        self._known: dict[str, tuple[float, Answer]] = {}
        self._found: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._bell, self._button = socket.socketpair()
        self._bell.setblocking(False)
        self._button.setblocking(False)

    def fileno(self) -> int:
        return self._bell.fileno()

    def known(self, host: str) -> Answer | None:
        """What was found less than 30 s ago; failures are not remembered, so that a retry asks again."""
        at, answer = self._known.get(host, (0.0, None))
        return answer if answer and time.monotonic() - at < KNOWN_SECONDS else None

    def ask(self, host: str) -> None:
        """Begin to look a host up, unless that is going on already."""
        if host not in self._asked:
            self._asked.add(host)
            threading.Thread(
                target=self._look_up, args=(host,), name=f"lookup of {host}", daemon=True
            ).start()

    def answers(self) -> list[Answer]:
        """What has been found since the last call."""
        with contextlib.suppress(BlockingIOError):
            self._bell.recv(4096)
        found = []
        while not self._found.empty():
            answer = self._found.get()
            self._asked.discard(answer.host)
            if answer.addresses:
                self._known[answer.host] = (time.monotonic(), answer)
            found.append(answer)
        return found

    def close(self) -> None:
        self._bell.close()
        self._button.close()

    def _look_up(self, host: str) -> None:
        try:
            answer = Answer(host, self._resolve(host))
        except OSError as error:
            answer = Answer(host, (), str(error))
        self._found.put(answer)
        # Closed meanwhile, or rung so often that the bell is full: either way nobody needs another ring.
        with contextlib.suppress(OSError):
            self._button.send(b"!")
