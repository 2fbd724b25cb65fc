"""One GET of a file from outside: guarded, timed, and handed on piece by piece, never held in memory.

A leaf without models. We use libcurl because it keeps one deadline on the wall clock, notices a sender that falls
silent, and asks us at the moment a socket opens, which is where the judgement of addresses belongs. Redirects are
not followed here: whoever calls decides where to, and with which credentials.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address

import certifi
import pycurl

from webhooks.addresses import (
    AddressRefused,
    CallableUrl,
    IPNetwork,
    check_destination,
    judge_target,
)

CONNECT_SECONDS = 10
SILENT_SECONDS = 15  # without a single byte
MAX_HEADER_BYTES = 32 * 1024
_TLS_ERRORS = frozenset(
    (
        *(pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CONNECT_ERROR, pycurl.E_SSL_CERTPROBLEM),
        *(pycurl.E_SSL_CIPHER, pycurl.E_SSL_ISSUER_ERROR),
    )
)
_CUT_ERRORS = frozenset(
    (pycurl.E_PARTIAL_FILE, pycurl.E_RECV_ERROR, pycurl.E_GOT_NOTHING, pycurl.E_SEND_ERROR)
)


class DownloadProblem(Exception):
    """The file did not come. `code` is one of `crm.recordings.PROBLEMS`; `is_final` where no retry can help,
    `wait` is how long the other side asked us to."""

    def __init__(
        self, code: str, detail: object = "", *, is_final: bool = False, wait: timedelta = timedelta(0)
    ) -> None:
        self.code, self.detail, self.is_final, self.wait = code, str(detail), is_final, wait
        super().__init__(self.told)

    @property
    def told(self) -> str:
        """As it is kept: the code, then the detail."""
        return f"{self.code} {self.detail}".strip()


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Network:
    """What the operator allows, and the way out."""

    allowed: Sequence[IPNetwork]
    allow_http: bool
    proxy: str = ""


Receive = Callable[[Head, bytes], None]  # raises DownloadProblem to stop


def get(url: str, *, headers: Mapping[str, str], seconds: float, network: Network, receive: Receive) -> Head:
    """Ask for a URL once; the bodies of 200 and 206 go to `receive`. Returns the head of a whole answer.

    Raises DownloadProblem, also after a part of the body was received.
    """
    try:
        target = check_destination(url, allowed=network.allowed, allow_http=network.allow_http)
    except AddressRefused as refusal:
        raise _refused(refusal) from refusal
    return _Exchange(target, network=network, receive=receive).perform(headers=headers, seconds=seconds)


def _refused(refusal: AddressRefused) -> DownloadProblem:
    if refusal.code == "lookup_timeout":
        return DownloadProblem("unreachable")
    return DownloadProblem("address", is_final=True)


class _Exchange:
    def __init__(self, target: CallableUrl, *, network: Network, receive: Receive) -> None:
        self._target, self._network, self._receive = target, network, receive
        self._lines: list[str] = []
        self._header_bytes = 0
        self._head: Head | None = None
        self._problem: DownloadProblem | None = None
        self._opened: list[socket.socket] = []

    def perform(self, *, headers: Mapping[str, str], seconds: float) -> Head:
        handle = pycurl.Curl()
        try:
            self._prepare(handle, headers=headers, seconds=seconds)
            handle.perform()
        except pycurl.error as error:
            raise self._problem or _problem_of(error.args[0]) from error
        finally:
            handle.close()
            for opened in self._opened:
                opened.close()
        if self._head is None:
            raise DownloadProblem("cut")
        return self._head

    def _prepare(self, handle: pycurl.Curl, *, headers: Mapping[str, str], seconds: float) -> None:
        options = {
            pycurl.URL: self._target.url,
            pycurl.HTTPHEADER: [f"{name}: {value}".encode() for name, value in headers.items()],
            pycurl.TIMEOUT_MS: max(1, round(seconds * 1000)),
            pycurl.CONNECTTIMEOUT: CONNECT_SECONDS,
            pycurl.LOW_SPEED_LIMIT: 1,
            pycurl.LOW_SPEED_TIME: SILENT_SECONDS,
            pycurl.NOSIGNAL: 1,
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.FOLLOWLOCATION: 0,
            pycurl.PATH_AS_IS: 1,
            # Nothing from the environment or the home directory has a say.
            pycurl.PROXY: self._network.proxy,
            pycurl.NOPROXY: "",
            pycurl.HEADEROPT: pycurl.HEADER_SEPARATE,
            pycurl.NETRC: pycurl.NETRC_IGNORED,
            pycurl.USERAGENT: "",
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.HTTP09_ALLOWED: 0,
            pycurl.SSL_VERIFYPEER: 1,
            pycurl.SSL_VERIFYHOST: 2,
            pycurl.SSLVERSION: pycurl.SSLVERSION_TLSv1_2,
            pycurl.CAINFO: certifi.where(),
            pycurl.FORBID_REUSE: 1,
            pycurl.OPENSOCKETFUNCTION: self._open_socket,
            pycurl.HEADERFUNCTION: self._on_header,
            pycurl.WRITEFUNCTION: self._on_body,
        }
        for option, value in options.items():
            handle.setopt(option, value)

    # ---- What libcurl asks and tells; an exception in here would be lost, so it is kept ----

    def _open_socket(
        self, _purpose: int, address: tuple[int, int, int, tuple[str, int]]
    ) -> socket.socket | int:
        family, kind, protocol, peer = address
        try:
            if not self._network.proxy:  # whose address is the operator's word
                judge_target(
                    self._target,
                    [ip_address(peer[0])],
                    allowed=self._network.allowed,
                    allow_http=self._network.allow_http,
                )
            opened = socket.socket(family, kind, protocol)
        except AddressRefused as refusal:
            self._problem = _refused(refusal)
            return int(pycurl.SOCKET_BAD)
        except OSError:  # no IPv6 on this machine, or no descriptors left
            return int(pycurl.SOCKET_BAD)
        self._opened.append(opened)
        return opened

    def _on_header(self, line: bytes) -> int:
        self._header_bytes += len(line)
        if self._header_bytes > MAX_HEADER_BYTES:
            self._problem = DownloadProblem("bad_answer")
            return 0
        text = line.decode("latin-1").strip()
        if text.startswith("HTTP/"):
            self._lines = [text]  # what came before was a 1xx
        elif text:
            self._lines.append(text)
        else:
            self._head = _head(self._lines)
        return len(line)

    def _on_body(self, chunk: bytes) -> int:
        if self._head is None or self._head.status not in (200, 206):
            return 0 if self._head is None else len(chunk)
        try:
            self._receive(self._head, chunk)
        except DownloadProblem as problem:
            self._problem = problem
            return 0
        return len(chunk)


def _head(lines: Sequence[str]) -> Head:
    pairs = (line.partition(":") for line in lines[1:])
    headers = {name.strip().lower(): value.strip() for name, _colon, value in pairs}
    status = lines[0].split()[1:2] if lines else []
    return Head(status=int(status[0]) if status and status[0].isdecimal() else 0, headers=headers)


def _problem_of(number: int) -> DownloadProblem:
    if number == pycurl.E_OPERATION_TIMEDOUT:
        return DownloadProblem("slow")
    if number in _TLS_ERRORS:
        return DownloadProblem("tls")
    if number in _CUT_ERRORS:
        return DownloadProblem("cut")
    if number in (pycurl.E_COULDNT_CONNECT, pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY):
        return DownloadProblem("unreachable")
    return DownloadProblem("bad_answer", number)
