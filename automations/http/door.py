"""Many exchanges at a time in one thread: libcurl's multi interface and a selector.

We use libcurl because it keeps one deadline over the whole exchange, stops at a size and asks us at the moment
a socket opens. What receivers answer, or fail to answer, comes back as a value; nothing here raises for it.
"""

import functools
import selectors
import socket
import time
from collections.abc import Hashable, Sequence
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
    pycurl.POLL_IN: selectors.EVENT_READ,
    pycurl.POLL_OUT: selectors.EVENT_WRITE,
    pycurl.POLL_INOUT: selectors.EVENT_READ | selectors.EVENT_WRITE,
}
HAPPENED = {
    selectors.EVENT_READ: pycurl.CSELECT_IN,
    selectors.EVENT_WRITE: pycurl.CSELECT_OUT,
    selectors.EVENT_READ | selectors.EVENT_WRITE: pycurl.CSELECT_IN | pycurl.CSELECT_OUT,
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
        self._selector = selectors.DefaultSelector()
        self._resolver = Resolver(resolve)
        self._selector.register(self._resolver, selectors.EVENT_READ)
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
        # Anew in each step: a descriptor that was closed in between has left the selector without a word.
        for fd in also:
            self._selector.register(fd, selectors.EVENT_READ)
        try:
            ready = self._work(until=time.monotonic() + timeout_seconds, also=frozenset(also))
        finally:
            for fd in also:
                self._selector.unregister(fd)
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
        self._selector.close()

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
            for selected, events in self._selector.select(max(0.0, wait)):
                if selected.fd in also:
                    ready.add(selected.fd)
                elif selected.fileobj is self._resolver:
                    self._take_answers()
                else:
                    self._act(selected.fd, HAPPENED[events])
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
        if fd in self._selector.get_map():
            self._selector.unregister(fd)
        if what in WATCHED:
            self._selector.register(fd, WATCHED[what])

    def _set_alarm(self, milliseconds: int) -> None:
        self._alarm = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


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
