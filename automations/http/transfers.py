"""One libcurl handle and the exchange it is busy with: every option of the call, and every limit on its answer."""

import socket
import time
from collections.abc import Hashable, Sequence
from ipaddress import IPv6Address, ip_address

import pycurl

from automations.http.errors import ErrorCode, error_of
from automations.http.exchanges import Exchange, Request
from webhooks.addresses import AddressRefused, CallableUrl, IPAddress, IPNetwork, judge_address

CONNECT_SECONDS = 10.0
# Servers close an idle connection after 2 s (gunicorn), 5 s (Node, Apache) or more, and a request put on a
# connection that is being closed is lost. So ours are used again only while they are fresher than that.
IDLE_SECONDS = 1
MAX_HEADER_BYTES = 32 * 1024
MAX_BODY_BYTES = 64 * 1024
KEPT_BODY_BYTES = 20_000

SUPPRESS_CONNECT_HEADERS = 265  # CURLOPT_SUPPRESS_CONNECT_HEADERS, for which pycurl has no name
OPTIONS = {
    pycurl.NOSIGNAL: 1,
    pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
    pycurl.FOLLOWLOCATION: 0,
    pycurl.PATH_AS_IS: 1,
    # Nothing from the environment or the home directory has a say.
    pycurl.NOPROXY: "",
    pycurl.PROXYAUTH: pycurl.HTTPAUTH_BASIC,
    SUPPRESS_CONNECT_HEADERS: 1,
    pycurl.HEADEROPT: pycurl.HEADER_SEPARATE,  # what is for the receiver is not for the proxy
    pycurl.NETRC: pycurl.NETRC_IGNORED,
    pycurl.USERAGENT: "",  # pycurl's own would list the version of every library
    pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
    pycurl.HTTP09_ALLOWED: 0,
    pycurl.HTTP_CONTENT_DECODING: 0,
    pycurl.SSL_VERIFYPEER: 1,
    pycurl.SSL_VERIFYHOST: 2,
    pycurl.SSLVERSION: pycurl.SSLVERSION_TLSv1_2,
    pycurl.MAXAGE_CONN: IDLE_SECONDS,
    pycurl.POST: 1,
}


class Transfer:
    """A handle that is used again and again, for one exchange at a time.

    Sockets that it opens are put into `opened`: libcurl takes a copy of each, and whoever drives the loop
    closes ours.
    """

    def __init__(
        self, *, allowed: Sequence[IPNetwork], ca_bundle: str, proxy: str, opened: list[socket.socket]
    ) -> None:
        self._allowed = allowed
        self._proxy = proxy
        self._opened = opened
        self._identity = ("", "")
        self.handle = pycurl.Curl()
        for option, value in OPTIONS.items():
            self.handle.setopt(option, value)
        self.handle.setopt(pycurl.CAINFO, ca_bundle)
        self.handle.setopt(pycurl.PROXY, proxy)
        self.handle.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        self.handle.setopt(pycurl.PREREQFUNCTION, self._on_connected)
        self.handle.setopt(pycurl.HEADERFUNCTION, self._on_header)
        self.handle.setopt(pycurl.WRITEFUNCTION, self._on_body)

    def load(self, *, key: Hashable, request: Request, target: CallableUrl) -> None:
        """Take an exchange on: from now its time runs."""
        self.key = key
        self.target = target
        self._secrets = request.secrets
        self._started = time.monotonic()
        self.deadline = self._started + request.timeout_seconds
        self._dns_ms = 0
        self._connected = False
        self._refusal: AddressRefused | None = None
        self._last_tried = ""
        self._headers: list[bytes] = []
        self._headers_ended = False
        self._header_bytes = 0
        self._body = bytearray()
        self._body_bytes = 0
        self.handle.setopt(pycurl.URL, target.url)
        self.handle.setopt(pycurl.CUSTOMREQUEST, request.method)
        self.handle.setopt(pycurl.POSTFIELDS, request.body)
        self.handle.setopt(pycurl.HTTPHEADER, _header_lines(request))
        self._identify(request)

    def _identify(self, request: Request) -> None:
        """Trust and be known as the request says. libcurl shares no connection between different identities."""
        if self._identity == (request.ca_bundle, request.client_certificate):
            return
        self._identity = (request.ca_bundle, request.client_certificate)
        own = bool(request.ca_bundle or request.client_certificate)
        self.handle.setopt(pycurl.SSL_SESSIONID_CACHE, 0 if own else 1)
        blobs = {
            pycurl.CAINFO_BLOB: request.ca_bundle,
            pycurl.SSLCERT_BLOB: request.client_certificate,
            pycurl.SSLKEY_BLOB: request.client_certificate,
        }
        for option, pem in blobs.items():
            if pem:
                self.handle.setopt(option, pem.encode())
            else:
                self.handle.unsetopt(option)

    def aim(self, addresses: Sequence[IPAddress]) -> None:
        """Give the handle the addresses its host has and the time that is left."""
        left_ms = max(1, round((self.deadline - time.monotonic()) * 1000))
        self.handle.setopt(pycurl.TIMEOUT_MS, left_ms)
        self.handle.setopt(pycurl.CONNECTTIMEOUT_MS, min(left_ms, round(CONNECT_SECONDS * 1000)))
        if self.target.address is None:
            self._dns_ms = self.waited_ms()
            listed = ",".join(f"[{it}]" if isinstance(it, IPv6Address) else str(it) for it in addresses)
            self.handle.setopt(pycurl.RESOLVE, [f"+{self.target.host}:{self.target.port}:{listed}"])
        else:
            self.handle.setopt(pycurl.RESOLVE, [])

    def unload(self) -> None:
        """Let go of what the exchange holds; idle handles would keep up to 256 KiB of body each."""
        self.handle.setopt(pycurl.POSTFIELDS, b"")
        self._headers.clear()
        self._body.clear()

    def waited_ms(self) -> int:
        """How long ago it was taken on."""
        return round((time.monotonic() - self._started) * 1000)

    def exchange(self, *, number: int, message: str) -> Exchange:
        """What became of it, after libcurl ended it with error `number` (0 for none)."""
        error_code, detail = self._verdict(number, message)
        timings = self._timings()
        status = self.handle.getinfo(pycurl.RESPONSE_CODE)
        return Exchange(
            status_code=status if status >= 200 else None,
            error_code=error_code,
            response_headers=tuple(map(_name_and_value, self._headers)),
            response_body=bytes(self._body),
            truncated=self._body_bytes > len(self._body),
            duration_ms=timings["total"],
            timings=timings,
            resolved_ip=self.handle.getinfo(pycurl.PRIMARY_IP) or self._last_tried,
            detail=detail,
        ).without(self._secrets)

    def _verdict(self, number: int, message: str) -> tuple[str, str]:
        if number == 0 and not self._headers_ended:
            return ErrorCode.CONNECTION_CLOSED, "closed within the headers"
        # A body too long to be read to its end came after a status, and the status is the answer.
        if number == 0 or self._body_bytes > MAX_BODY_BYTES:
            return "", ""
        if self._refusal:
            return ErrorCode.ADDRESS_REFUSED, f"{self._refusal.code} {self._refusal.subject}"
        if (answer := self.handle.getinfo(pycurl.HTTP_CONNECTCODE)) and not 200 <= answer < 300:
            return ErrorCode.PROXY_FAILED, f"the proxy answered {answer}"
        os_errno = self.handle.getinfo(pycurl.OS_ERRNO)
        code = error_of(number, os_errno=os_errno, connected=self._connected)
        return code, f"libcurl {number}: {message}"

    def _timings(self) -> dict[str, int]:
        info = self.handle.getinfo
        looked_up, connected, secured = map(
            info, (pycurl.NAMELOOKUP_TIME_T, pycurl.CONNECT_TIME_T, pycurl.APPCONNECT_TIME_T)
        )
        ready, first_byte, total = map(
            info, (pycurl.PRETRANSFER_TIME_T, pycurl.STARTTRANSFER_TIME_T, pycurl.TOTAL_TIME_T)
        )
        return {
            "dns": self._dns_ms,
            "connect": _ms(connected - looked_up),
            "tls": _ms(secured - connected),
            "first_byte": _ms(first_byte - ready),
            "total": self._dns_ms + _ms(total),
        }

    # ---- What libcurl asks and tells ----

    def _open_socket(
        self, _purpose: int, address: tuple[int, int, int, tuple[str, int]]
    ) -> socket.socket | int:
        family, kind, protocol, peer = address
        self._last_tried = peer[0]
        try:
            if not self._proxy:  # whose address is the operator's word
                judge_address(ip_address(peer[0]), allowed=self._allowed)
            opened = socket.socket(family, kind, protocol)
        except AddressRefused as refusal:
            self._refusal = refusal
            return int(pycurl.SOCKET_BAD)
        except OSError:  # no IPv6 on this machine, or no descriptors left
            return int(pycurl.SOCKET_BAD)
        self._opened.append(opened)
        return opened

    def _on_connected(self, *_ends: object) -> int:
        # libcurl sends a request again when a connection used before breaks. We let it not: one attempt on
        # record is at most one request at the receiver.
        if self._connected:
            return int(pycurl.PREREQFUNC_ABORT)
        self._connected = True
        return int(pycurl.PREREQFUNC_OK)

    def _on_header(self, line: bytes) -> int:
        self._header_bytes += len(line)
        if self._header_bytes > MAX_HEADER_BYTES:
            return 0
        if line.startswith(b"HTTP/"):
            self._headers.clear()  # what came before was a 1xx
            self._headers_ended = False
        elif line.strip():
            self._headers.append(line)
        else:
            self._headers_ended = True
        return len(line)

    def _on_body(self, chunk: bytes) -> int:
        self._body_bytes += len(chunk)
        self._body += chunk[: max(0, KEPT_BODY_BYTES - len(self._body))]
        return 0 if self._body_bytes > MAX_BODY_BYTES else len(chunk)


def _header_lines(request: Request) -> list[bytes]:
    # libcurl's spelling: "Name;" for an empty value, "Name:" to leave out a header of its own.
    lines = [f"{name}: {value}" if value.strip() else f"{name};" for name, value in request.headers]
    lines.append("Expect:")
    if not any(name.lower() == "content-type" for name, _value in request.headers):
        lines.append("Content-Type:")
    return [line.encode() for line in lines]


def _name_and_value(line: bytes) -> tuple[str, str]:
    name, _colon, value = line.decode("utf-8", "replace").replace("\0", "\ufffd").partition(":")
    return name.strip(), value.strip()


def _ms(microseconds: int) -> int:
    return max(0, round(microseconds / 1000))
