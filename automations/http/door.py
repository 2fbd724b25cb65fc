"""Many exchanges at a time in one thread: libcurl's multi interface and poll().

We use libcurl because it keeps one deadline over the whole exchange, stops at a size and asks us at the moment
a socket opens. What receivers answer, or fail to answer, comes back as a value; nothing here raises for it.

We use poll() rather than epoll, because libcurl takes its sockets up and lets them go in each exchange: that changes
a dict here and there costs two calls of the system.
"""

import contextlib
import functools
import select
import socket
import time
from collections.abc import Hashable, Sequence
from math import ceil
from types import TracebackType
from typing import Self

import certifi
import pycurl

from automations.http.errors import ErrorCode
from automations.http.exchanges import BadRequest, Exchange, Request
from automations.http.resolving import Answer, Resolver
from automations.http.transfers import Transfer
from webhooks.addresses import AddressRefused, IPAddress, IPNetwork, Lookup, check_url, judge_target, look_up

WATCHED = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}


class HttpDoor:
    """Sends up to `max_in_flight` requests at a time and hands out what became of each."""

    def __init__(
        self,
        *,
        allowed_networks: Sequence[IPNetwork],
        max_in_flight: int = 256,
        ca_bundle: str | None = None,
        allow_http: bool = False,
        proxy: str = "",
        resolve: Lookup = look_up,
    ) -> None:
        self._allowed = tuple(allowed_networks)
        # The text of a URL is judged alike each time, and judging it costs a third of a whole exchange.
        self._check_url = functools.lru_cache(1024)(functools.partial(check_url, allowed=self._allowed))
        self._judge_target = functools.lru_cache(1024)(
            functools.partial(judge_target, allowed=self._allowed, allow_http=allow_http)
        )
        self._max_in_flight = max_in_flight
        self._ca_bundle = ca_bundle or certifi.where()
        self._proxy = proxy
        self._idle: list[Transfer] = []
        self._looking_up: dict[str, list[Transfer]] = {}
        self._sending: dict[pycurl.Curl, Transfer] = {}
        self._ended: list[tuple[Hashable, Exchange]] = []
        self._opened: list[socket.socket] = []
        self._alarm: float | None = None
        self._poll = select.poll()
        self._resolver = Resolver(resolve)
        self._poll.register(self._resolver, select.POLLIN)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_alarm)
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_in_flight)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def in_flight(self) -> int:
        """How many requests were started whose exchange `step` has not handed out."""
        return len(self._sending) + sum(map(len, self._looking_up.values())) + len(self._ended)

    def start(self, key: Hashable, request: Request) -> None:
        """Begin to send; `step` hands the exchange out under `key`. RuntimeError when the door is full."""
        if self.in_flight >= self._max_in_flight:
            raise RuntimeError(f"{self._max_in_flight} requests are in flight already")
        try:
            request.check()
            target = self._check_url(request.url)
        except AddressRefused as refusal:
            self._ended.append((key, _refused(refusal)))
        except BadRequest as problem:
            self._ended.append((key, Exchange.unsent(ErrorCode.BAD_REQUEST, detail=str(problem))))
        else:
            transfer = self._idle.pop() if self._idle else self._new_transfer()
            transfer.load(key=key, request=request, target=target)
            self._look_up(transfer)

    def step(
        self, timeout_seconds: float, also: Sequence[int] = ()
    ) -> tuple[list[tuple[Hashable, Exchange]], set[int]]:
        """Work until an exchange ends or a descriptor of `also` is readable, at most `timeout_seconds`.

        Returns the exchanges that ended, each with its key, and the descriptors of `also` that are readable.
        """
        for fd in also:
            self._poll.register(fd, select.POLLIN)
        try:
            ready = self._work(until=time.monotonic() + timeout_seconds, also=frozenset(also))
        finally:
            for fd in also:
                self._poll.unregister(fd)
        ended, self._ended = self._ended, []
        return ended, ready

    def close(self) -> None:
        """Drop every connection and what is in flight; waits for nothing."""
        for handle in self._sending:
            self._multi.remove_handle(handle)
        self._sending.clear()
        self._looking_up.clear()
        self._multi.close()
        self._resolver.close()

    # ---- From the name to the wire and back ----

    def _new_transfer(self) -> Transfer:
        return Transfer(
            allowed=self._allowed, ca_bundle=self._ca_bundle, proxy=self._proxy, opened=self._opened
        )

    def _look_up(self, transfer: Transfer) -> None:
        host = transfer.target.host
        if transfer.target.address:
            self._reach(transfer, Answer(host, (transfer.target.address,)))
        elif known := self._resolver.known(host):
            self._reach(transfer, known)
        else:
            self._looking_up.setdefault(host, []).append(transfer)
            self._resolver.ask(host)

    def _take_answers(self) -> None:
        for answer in self._resolver.answers():
            for transfer in self._looking_up.pop(answer.host, ()):
                self._reach(transfer, answer)

    def _reach(self, transfer: Transfer, answer: Answer) -> None:
        if not answer.addresses:
            self._end(transfer, _not_found(answer.problem, transfer))
            return
        try:
            self._judge_target(transfer.target, answer.addresses)
        except AddressRefused as refusal:
            self._end(transfer, _refused(refusal, waited_ms=transfer.waited_ms()))
        else:
            self._send(transfer, addresses=answer.addresses)

    def _send(self, transfer: Transfer, *, addresses: Sequence[IPAddress]) -> None:
        transfer.aim(addresses)
        self._sending[transfer.handle] = transfer
        self._multi.add_handle(transfer.handle)

    def _end(self, transfer: Transfer, exchange: Exchange) -> None:
        self._ended.append((transfer.key, exchange))
        transfer.unload()
        self._idle.append(transfer)

    # ---- The loop ----

    def _work(self, *, until: float, also: frozenset[int]) -> set[int]:
        ready: set[int] = set()
        while True:
            wait = 0.0 if self._ended else self._next_due(until) - time.monotonic()
            for fd, events in self._poll.poll(max(0, ceil(wait * 1000))):
                if fd in also:
                    ready.add(fd)
                elif fd == self._resolver.fileno():
                    self._take_answers()
                else:
                    self._act(fd, _happened(events))
            now = time.monotonic()
            if self._alarm is not None and self._alarm <= now:
                self._alarm = None
                self._act(pycurl.SOCKET_TIMEOUT, 0)
            self._give_up_lookups(now)
            self._collect()
            if self._ended or ready or now >= until:
                return ready

    def _next_due(self, until: float) -> float:
        lookups = [transfer.deadline for waiting in self._looking_up.values() for transfer in waiting]
        return min((until, *lookups) if self._alarm is None else (until, self._alarm, *lookups))

    def _act(self, fd: int, events: int) -> None:
        self._multi.socket_action(fd, events)
        while self._opened:
            self._opened.pop().close()

    def _collect(self) -> None:
        queued = 1
        while queued:
            queued, succeeded, failed = self._multi.info_read()
            for handle, number, message in (*((handle, 0, "") for handle in succeeded), *failed):
                transfer = self._sending.pop(handle)
                exchange = transfer.exchange(number=number, message=message)
                self._multi.remove_handle(handle)
                self._end(transfer, exchange)

    def _give_up_lookups(self, now: float) -> None:
        for host, waiting in list(self._looking_up.items()):
            late = [transfer for transfer in waiting if transfer.deadline <= now]
            for transfer in late:
                waiting.remove(transfer)
                self._end(transfer, _not_found("no answer in time", transfer))
            if not waiting:
                del self._looking_up[host]

    # ---- What libcurl wants ----

    def _watch(self, what: int, fd: int, _multi: pycurl.CurlMulti, _data: object) -> None:
        if what in WATCHED:
            self._poll.register(fd, WATCHED[what])
        else:
            with contextlib.suppress(KeyError):  # which libcurl may say of a socket that it never watched
                self._poll.unregister(fd)

    def _set_alarm(self, milliseconds: int) -> None:
        self._alarm = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


def _happened(events: int) -> int:
    """What poll() tells of a socket, in libcurl's words. An error is found by whoever reads or writes."""
    readable = pycurl.CSELECT_IN if events & ~select.POLLOUT else 0
    writable = pycurl.CSELECT_OUT if events & ~select.POLLIN else 0
    return int(readable | writable)


def send(
    request: Request, *, allowed_networks: Sequence[IPNetwork], ca_bundle: str | None = None
) -> Exchange:
    """Send one request and wait for what becomes of it."""
    with HttpDoor(allowed_networks=allowed_networks, max_in_flight=1, ca_bundle=ca_bundle) as door:
        door.start(None, request)
        ended: list[tuple[Hashable, Exchange]] = []
        while not ended:
            ended, _ready = door.step(request.timeout_seconds)
        return ended[0][1]


def _refused(refusal: AddressRefused, *, waited_ms: int = 0) -> Exchange:
    return Exchange.unsent(
        ErrorCode.ADDRESS_REFUSED,
        detail=f"{refusal.code} {refusal.subject}",
        resolved_ip=refusal.subject if refusal.is_address else "",
        waited_ms=waited_ms,
    )


def _not_found(problem: str, transfer: Transfer) -> Exchange:
    return Exchange.unsent(ErrorCode.DNS_FAILED, detail=problem, waited_ms=transfer.waited_ms())
