"""The door seen from both ends: what a real receiver on loopback gets, and what comes back as the exchange."""

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pycurl
import pytest
import time_machine

from automations.http import ErrorCode, Exchange, HttpDoor, Request, send
from automations.http.transfers import KEPT_BODY_BYTES, MAX_BODY_BYTES, Transfer
from tests.processes import eventually
from tests.receivers import (
    Answer,
    Authority,
    Receiver,
    close,
    drip,
    flood,
    gzip_bomb,
    hang,
    port_that_accepts_nobody,
    raw,
    redirect,
    reset,
    slow,
    status,
    unused_port,
)
from webhooks.addresses import CallableUrl, IPAddress, IPNetwork

LOOPBACK: list[IPNetwork] = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
HOME = ip_address("127.0.0.1")


def a_request(
    url: str,
    *,
    method: str = "POST",
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),),
    body: bytes = b'{"type": "deal.won"}',
    timeout_seconds: float = 5.0,
) -> Request:
    return Request(url=url, method=method, headers=headers, body=body, timeout_seconds=timeout_seconds)


def exchanges_of(door: HttpDoor, *, within: float = 10.0) -> dict[Hashable, Exchange]:
    """Work until everything that was started has ended."""
    end = time.monotonic() + within
    found: dict[Hashable, Exchange] = {}
    while door.in_flight:
        assert time.monotonic() < end, f"{door.in_flight} exchanges have not ended"
        found.update(door.step(end - time.monotonic())[0])
    return found


def exchange_of(url: str, *, timeout_seconds: float = 5.0) -> Exchange:
    return send(a_request(url, timeout_seconds=timeout_seconds), allowed_networks=LOOPBACK)


@pytest.fixture
def door() -> Iterator[HttpDoor]:
    with HttpDoor(allowed_networks=LOOPBACK) as door:
        yield door


# ---- What goes out ----


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_request_arrives_as_it_was_given(receiver: Receiver, method: str) -> None:
    headers = (
        ("Content-Type", "application/json"),
        ("X-Empty", ""),
        ("X-Name", "José"),
        ("webhook-id", "msg_1"),
    )
    body = bytes(range(256)) * 1000
    url = receiver.at("/a/../b?c=%20&d[]=é")
    send(a_request(url, method=method, headers=headers, body=body), allowed_networks=LOOPBACK)
    (request,) = receiver.wait_for(1)
    assert (request.method, request.path) == (method, "/a/../b?c=%20&d[]=%C3%A9")
    assert request.body == body
    assert request.headers == {
        "host": receiver.base.removeprefix("http://"),
        "accept": "*/*",
        "content-type": "application/json",
        "content-length": "256000",
        "x-empty": "",
        "x-name": "José",
        "webhook-id": "msg_1",
    }


def test_a_request_without_a_content_type_gets_none(receiver: Receiver) -> None:
    send(a_request(receiver.url, headers=(), body=b""), allowed_networks=LOOPBACK)
    (request,) = receiver.wait_for(1)
    assert "content-type" not in request.headers
    assert request.headers["content-length"] == "0"


@pytest.mark.parametrize(
    "header",
    [
        *(
            ("X-A", "1\r\nX-B: 2"),
            ("X-A", "1\nX-B: 2"),
            ("X-A", "1\rX-B: 2"),
            ("X-A", "1\0"),
            ("X-A", "\x7f"),
        ),
        *(("X-A\r\nX-B", "1"), ("X-A: 1\r\nX-B", "1"), ("X A", "1"), ("X-A:", "1"), ("", "1"), ("X-Ã", "1")),
        *(("Host", "other.example"), ("Content-Length", "5"), ("transfer-encoding", "chunked")),
        *(("Connection", "upgrade"), ("Upgrade", "h2c"), ("Expect", "100-continue"), ("TE", "trailers")),
    ],
)
def test_a_header_that_would_change_the_message_is_not_sent(
    receiver: Receiver, header: tuple[str, str]
) -> None:
    exchange = send(a_request(receiver.url, headers=(header,)), allowed_networks=LOOPBACK)
    assert exchange.error_code == ErrorCode.BAD_REQUEST
    assert receiver.connections == 0


@pytest.mark.parametrize("method", ["GET", "post", "POST /other HTTP/1.1\r\nX-A: 1\r\n\r\nPOST", ""])
def test_a_method_that_is_not_ours_is_not_sent(receiver: Receiver, method: str) -> None:
    exchange = send(a_request(receiver.url, method=method), allowed_networks=LOOPBACK)
    assert exchange.error_code == ErrorCode.BAD_REQUEST
    assert receiver.connections == 0


def test_neither_the_environment_nor_the_home_directory_has_a_say(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("default login alice password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    assert exchange_of(receiver.url).succeeded
    (request,) = receiver.wait_for(1)
    assert "authorization" not in request.headers


def test_cookies_do_not_come_back(receiver: Receiver, door: HttpDoor) -> None:
    receiver.answer(status(200, headers={"Set-Cookie": "session=1; Path=/"}))
    for number in range(2):
        door.start(number, a_request(receiver.url))
        exchanges_of(door)
    assert all("cookie" not in request.headers for request in receiver.wait_for(2))


# ---- What comes back ----


def test_an_answer_is_handed_out_with_everything_known_about_it(receiver: Receiver) -> None:
    receiver.answer(status(503, b"busy", {"Retry-After": "120", "X-Name": "José"}))
    exchange = exchange_of(receiver.url)
    assert (exchange.status_code, exchange.error_code, exchange.succeeded) == (503, "", False)
    assert exchange.response_headers == (("Content-Length", "4"), ("Retry-After", "120"), ("X-Name", "José"))
    assert (exchange.response_body, exchange.truncated) == (b"busy", False)
    assert exchange.resolved_ip == "127.0.0.1"
    assert exchange.detail == ""
    assert set(exchange.timings) == {"dns", "connect", "tls", "first_byte", "total"}
    assert exchange.duration_ms == exchange.timings["total"]


@pytest.mark.parametrize("code", [200, 201, 204, 299])
def test_every_2xx_is_a_success(receiver: Receiver, code: int) -> None:
    receiver.answer(status(code, b""))
    assert exchange_of(receiver.url).succeeded


def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver) -> None:
    receiver.answer(redirect(receiver.at("/elsewhere"), 307))
    exchange = exchange_of(receiver.url)
    assert (exchange.status_code, exchange.error_code, exchange.succeeded) == (307, "", False)
    assert len(receiver.wait_for(1)) == 1


def test_an_interim_answer_is_not_the_answer(receiver: Receiver) -> None:
    receiver.answer(
        raw(b"HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    )
    exchange = exchange_of(receiver.url)
    assert exchange.succeeded
    assert exchange.response_headers == (("Content-Length", "0"),)


def test_the_phases_of_an_exchange_are_timed(receiver: Receiver) -> None:
    receiver.answer(slow(0.2))
    exchange = exchange_of(receiver.url)
    assert 190 <= exchange.timings["first_byte"] <= exchange.timings["total"] < 1000


# ---- Answers without end ----

STATUS_LINE = b"HTTP/1.1 200 OK\r\n"
HEAD = STATUS_LINE + b"Content-Type: text/plain\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (hang, None),
        (drip(b"HTTP/1.1 200 ", b"K"), None),
        (drip(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ", b"K"), None),
        (drip(STATUS_LINE + b"X-A: ", b"a"), 200),
        (drip(HEAD), 200),
    ],
)
def test_the_time_limit_holds_over_the_whole_exchange(
    receiver: Receiver, answer: Answer, code: int | None
) -> None:
    receiver.answer(answer)
    started = time.monotonic()
    exchange = exchange_of(receiver.url, timeout_seconds=0.3)
    assert 0.25 < time.monotonic() - started < 1
    assert (exchange.status_code, exchange.error_code) == (code, ErrorCode.TIMEOUT)
    assert not exchange.succeeded
    assert 250 <= exchange.duration_ms < 1000


def test_the_time_limit_holds_when_the_clock_is_set_back(receiver: Receiver, door: HttpDoor) -> None:
    receiver.answer(hang)
    started = time.monotonic()
    door.start("hanging", a_request(receiver.url, timeout_seconds=0.3))
    with time_machine.travel(datetime.now(UTC) - timedelta(days=1)):
        exchanges = exchanges_of(door)
    assert exchanges["hanging"].error_code == ErrorCode.TIMEOUT
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "answer",
    [
        flood(HEAD, bytes(65536), 16384),
        flood(STATUS_LINE + b"Content-Length: 1073741824\r\n\r\n", bytes(65536), 16384),
        flood(
            STATUS_LINE + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(65536) + b"\r\n", 16384
        ),
    ],
)
def test_a_body_without_end_is_left_and_the_status_stands(receiver: Receiver, answer: Answer) -> None:
    receiver.answer(answer)
    exchange = exchange_of(receiver.url)
    assert (exchange.status_code, exchange.error_code, exchange.succeeded) == (200, "", True)
    assert (len(exchange.response_body), exchange.truncated) == (KEPT_BODY_BYTES, True)


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        (KEPT_BODY_BYTES, KEPT_BODY_BYTES),
        (KEPT_BODY_BYTES + 1, KEPT_BODY_BYTES),
        (MAX_BODY_BYTES, KEPT_BODY_BYTES),
    ],
)
def test_the_first_20_000_bytes_of_a_body_are_kept(receiver: Receiver, size: int, kept: int) -> None:
    receiver.answer(status(200, b"a" * size))
    exchange = exchange_of(receiver.url)
    assert len(exchange.response_body) == kept
    assert exchange.truncated == (size > kept)


@pytest.mark.parametrize(
    "answer",
    [flood(STATUS_LINE + b"X-A: ", b"a" * 1024, 100_000), flood(STATUS_LINE, b"X-A: a\r\n" * 100, 10_000)],
)
def test_headers_without_end_are_an_error(receiver: Receiver, answer: Answer) -> None:
    receiver.answer(answer)
    exchange = exchange_of(receiver.url)
    assert (exchange.status_code, exchange.error_code) == (200, ErrorCode.RESPONSE_TOO_LARGE)


def test_a_compressed_body_stays_compressed(receiver: Receiver) -> None:
    receiver.answer(gzip_bomb(megabytes=10))
    exchange = exchange_of(receiver.url)
    assert exchange.succeeded
    assert exchange.response_body.startswith(b"\x1f\x8b")


# ---- Answers that are none ----


@pytest.mark.parametrize(
    ("answer", "code", "error_code"),
    [
        (close, None, ErrorCode.CONNECTION_CLOSED),
        (reset, None, ErrorCode.CONNECTION_RESET),
        (raw(b"\xff\x00 not HTTP at all"), None, ErrorCode.BAD_RESPONSE),
        (raw(b"HTTP/1.1 abc def\r\n\r\n"), None, ErrorCode.BAD_RESPONSE),
        (raw(STATUS_LINE + b"Content-Le"), 200, ErrorCode.CONNECTION_CLOSED),
        (raw(STATUS_LINE + b"no colon\r\n\r\n"), 200, ErrorCode.BAD_RESPONSE),
        (raw(STATUS_LINE + b"Content-Length: -5\r\n\r\nok"), 200, ErrorCode.BAD_RESPONSE),
        (
            raw(STATUS_LINE + b"Content-Length: 2\r\nContent-Length: 20\r\n\r\nok"),
            200,
            ErrorCode.BAD_RESPONSE,
        ),
        (raw(STATUS_LINE + b"X-A: a\0b\r\n\r\n"), 200, ErrorCode.BAD_RESPONSE),
        (raw(STATUS_LINE + b"Content-Length: 1000\r\n\r\nshort"), 200, ErrorCode.CONNECTION_CLOSED),
        (raw(STATUS_LINE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), 200, ErrorCode.BAD_RESPONSE),
    ],
)
def test_a_broken_answer_is_an_error_with_a_name(
    receiver: Receiver, answer: Answer, code: int | None, error_code: ErrorCode
) -> None:
    receiver.answer(answer)
    exchange = exchange_of(receiver.url)
    assert (exchange.status_code, exchange.error_code) == (code, error_code)
    assert exchange.detail
    assert not exchange.succeeded
    receiver.wait_for(1)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_a_port_where_nothing_listens_refuses(host: str) -> None:
    exchange = exchange_of(f"http://{host}:{unused_port()}/")
    assert (exchange.status_code, exchange.error_code) == (None, ErrorCode.CONNECT_REFUSED)
    assert exchange.resolved_ip in {"127.0.0.1", "::1"}


def test_a_server_that_accepts_nobody_is_a_connect_timeout() -> None:
    with port_that_accepts_nobody() as port:
        exchange = exchange_of(f"http://127.0.0.1:{port}/", timeout_seconds=0.3)
    assert exchange.error_code == ErrorCode.CONNECT_TIMEOUT


# ---- TLS ----


def test_a_certificate_we_trust_is_accepted(
    authority: Authority, tls_receiver: Callable[[str], Receiver]
) -> None:
    receiver = tls_receiver("valid")
    exchange = send(a_request(receiver.url), allowed_networks=LOOPBACK, ca_bundle=authority.bundle)
    assert exchange.succeeded
    assert len(receiver.wait_for(1)) == 1


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("expired", "expired"),
        ("self_signed", "self-signed certificate"),
        ("unknown", "unable to get local issuer certificate"),
        ("wrong_host", "no alternative certificate subject name"),
    ],
)
def test_a_bad_certificate_is_refused_and_nothing_is_sent(
    authority: Authority, tls_receiver: Callable[[str], Receiver], kind: str, said: str
) -> None:
    receiver = tls_receiver(kind)
    exchange = send(a_request(receiver.url), allowed_networks=LOOPBACK, ca_bundle=authority.bundle)
    assert exchange.error_code == ErrorCode.TLS_FAILED
    assert said in exchange.detail
    assert receiver.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused_by_the_usual_bundle(
    tls_receiver: Callable[[str], Receiver],
) -> None:
    receiver = tls_receiver("valid")
    assert exchange_of(receiver.url).error_code == ErrorCode.TLS_FAILED
    assert receiver.requests == []


def test_tls_older_than_1_2_is_refused(authority: Authority) -> None:
    context = authority.context("valid")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with contextlib.closing(Receiver(tls=context)) as receiver:
        exchange = send(a_request(receiver.url), allowed_networks=LOOPBACK, ca_bundle=authority.bundle)
    assert exchange.error_code == ErrorCode.TLS_FAILED
    assert "protocol version" in exchange.detail, exchange.detail


def test_plain_http_on_a_tls_url_is_a_tls_failure(receiver: Receiver) -> None:
    exchange = exchange_of(receiver.url.replace("http:", "https:"))
    assert exchange.error_code == ErrorCode.TLS_FAILED


# ---- Which addresses are called ----


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.5/",
        "http://[::ffff:10.0.0.5]/",
        "http://169.254.169.254/",
        "ftp://127.0.0.1/",
        "http://127.1/",
    ],
)
def test_a_url_that_may_not_be_called_is_not(url: str) -> None:
    exchange = exchange_of(url)
    assert (exchange.status_code, exchange.error_code) == (None, ErrorCode.ADDRESS_REFUSED)
    assert exchange.detail


def test_a_receiver_on_loopback_is_refused_where_loopback_is_not_open(receiver: Receiver) -> None:
    exchange = send(a_request(receiver.url), allowed_networks=[])
    assert exchange.error_code == ErrorCode.ADDRESS_REFUSED
    assert receiver.connections == 0


def through(door: HttpDoor, url: str) -> Exchange:
    door.start("only", a_request(url))
    return exchanges_of(door)["only"]


def test_a_name_is_called_at_the_addresses_it_was_found_to_have(receiver: Receiver) -> None:
    url = receiver.url.replace("127.0.0.1", "erp.example.com")
    with HttpDoor(allowed_networks=LOOPBACK, resolve=lambda _host: (HOME,)) as door:
        exchange = through(door, url)
    assert exchange.succeeded
    assert exchange.resolved_ip == "127.0.0.1"
    (request,) = receiver.wait_for(1)
    assert request.headers["host"].startswith("erp.example.com:")


@pytest.mark.parametrize("private", ["10.0.0.5", "::ffff:10.0.0.5", "fd00::1", "169.254.169.254"])
def test_a_name_with_any_private_address_is_not_called(receiver: Receiver, private: str) -> None:
    found = (HOME, ip_address(private))
    with HttpDoor(allowed_networks=LOOPBACK, resolve=lambda _host: found) as door:
        exchange = through(door, receiver.url.replace("127.0.0.1", "erp.example.com"))
    assert exchange.error_code == ErrorCode.ADDRESS_REFUSED
    assert exchange.resolved_ip == str(ip_address(private))
    assert receiver.connections == 0


def test_the_socket_itself_refuses_what_got_past_every_other_check(receiver: Receiver) -> None:
    opened: list[socket.socket] = []
    transfer = Transfer(allowed=(), ca_bundle="", proxy="", opened=opened)
    port = int(receiver.base.rpartition(":")[2])
    target = CallableUrl(url=receiver.url, host="127.0.0.1", port=port, address=HOME)
    transfer.load(key="only", request=a_request(receiver.url), target=target)
    transfer.aim(())
    with pytest.raises(pycurl.error) as caught:
        transfer.handle.perform()
    exchange = transfer.exchange(number=caught.value.args[0], message=caught.value.args[1])
    assert (exchange.error_code, exchange.resolved_ip) == (ErrorCode.ADDRESS_REFUSED, "127.0.0.1")
    assert opened == []
    assert receiver.connections == 0


# ---- Names ----


def unknown(host: str) -> tuple[IPAddress, ...]:
    raise OSError(f"{host} is not known")


def test_a_name_without_an_address_is_an_error_and_asked_for_again() -> None:
    asked: list[str] = []

    def resolve(host: str) -> tuple[IPAddress, ...]:
        asked.append(host)
        return unknown(host)

    with HttpDoor(allowed_networks=LOOPBACK, resolve=resolve) as door:
        exchanges = [through(door, "http://erp.example.com/") for _ in range(2)]
    assert [exchange.error_code for exchange in exchanges] == [ErrorCode.DNS_FAILED] * 2
    assert exchanges[0].detail == "erp.example.com is not known"
    assert asked == ["erp.example.com"] * 2


def test_requests_to_one_name_share_one_lookup_and_its_answer(receiver: Receiver) -> None:
    asked: list[str] = []

    def resolve(host: str) -> tuple[IPAddress, ...]:
        asked.append(host)
        return (HOME,)

    url = receiver.url.replace("127.0.0.1", "erp.example.com")
    with HttpDoor(allowed_networks=LOOPBACK, resolve=resolve) as door:
        for number in range(10):
            door.start(number, a_request(url))
        assert all(exchange.succeeded for exchange in exchanges_of(door).values())
        assert through(door, url).succeeded
    assert asked == ["erp.example.com"]


def test_silent_name_servers_hold_up_neither_others_nor_the_end(receiver: Receiver) -> None:
    end = threading.Event()

    def resolve(host: str) -> tuple[IPAddress, ...]:
        if host.startswith("silent"):
            end.wait()
        return (HOME,)

    started = time.monotonic()
    with HttpDoor(allowed_networks=LOOPBACK, resolve=resolve) as door:
        for number in range(50):
            door.start(number, a_request(f"http://silent{number}.example.com/", timeout_seconds=1))
        door.start("healthy", a_request(receiver.url.replace("127.0.0.1", "healthy.example.com")))
        first, _ready = door.step(5)
        assert [(key, exchange.succeeded) for key, exchange in first] == [("healthy", True)]
        assert time.monotonic() - started < 0.9
        others = exchanges_of(door)
        door.start("waiting", a_request("http://silent0.example.com/"))
    assert {exchange.error_code for exchange in others.values()} == {ErrorCode.DNS_FAILED}
    assert all(990 <= exchange.duration_ms < 1900 for exchange in others.values())
    assert time.monotonic() - started < 3
    end.set()


# ---- Many at a time ----


def test_two_hundred_exchanges_take_as_long_as_one(receiver: Receiver, door: HttpDoor) -> None:
    receiver.answer(slow(0.5))
    started = time.monotonic()
    for number in range(200):
        door.start(number, a_request(receiver.url))
    assert door.in_flight == 200
    exchanges = exchanges_of(door)
    assert time.monotonic() - started < 2.5
    assert len(exchanges) == 200
    assert all(exchange.succeeded for exchange in exchanges.values())
    assert door.in_flight == 0


def test_a_hanging_receiver_holds_up_nobody_else(receiver: Receiver, door: HttpDoor) -> None:
    receiver.answer(hang, path="/hanging")
    for number in range(4):
        door.start(("hanging", number), a_request(receiver.at("/hanging"), timeout_seconds=30))
    for number in range(20):
        started = time.monotonic()
        door.start(("healthy", number), a_request(receiver.url))
        ended, _ready = door.step(1)
        assert [key for key, _exchange in ended] == [("healthy", number)]
        assert time.monotonic() - started < 0.5
    assert door.in_flight == 4


def test_a_full_door_says_so(receiver: Receiver) -> None:
    with HttpDoor(allowed_networks=LOOPBACK, max_in_flight=2) as door:
        for number in range(2):
            door.start(number, a_request(receiver.url))
        with pytest.raises(RuntimeError, match="2 requests"):
            door.start(2, a_request(receiver.url))
        assert len(exchanges_of(door)) == 2
        assert through(door, receiver.url).succeeded


def test_a_connection_is_used_again(receiver: Receiver, door: HttpDoor) -> None:
    for _ in range(10):
        assert through(door, receiver.url).succeeded
    assert {request.connection for request in receiver.wait_for(10)} == {1}


def test_a_connection_that_was_idle_for_long_is_not_used_again(receiver: Receiver, door: HttpDoor) -> None:
    assert through(door, receiver.url).succeeded
    door.step(2.1)
    assert through(door, receiver.url).succeeded
    assert {request.connection for request in receiver.wait_for(2)} == {1, 2}


@pytest.mark.parametrize("broken", [reset, close])
def test_a_request_is_never_sent_twice_when_a_used_connection_breaks(
    receiver: Receiver, door: HttpDoor, broken: Answer
) -> None:
    receiver.answer(200, broken, 200)
    assert through(door, receiver.url).succeeded
    exchange = through(door, receiver.url)
    assert exchange.error_code in {ErrorCode.CONNECTION_CLOSED, ErrorCode.CONNECTION_RESET}
    assert len(receiver.wait_for(2)) == 2


# ---- Waiting ----


def test_a_step_without_anything_to_do_takes_its_time(door: HttpDoor) -> None:
    started = time.monotonic()
    assert door.step(0.1) == ([], set())
    assert 0.09 < time.monotonic() - started < 0.5


def test_a_step_ends_when_another_descriptor_is_readable(receiver: Receiver, door: HttpDoor) -> None:
    receiver.answer(hang)
    door.start("hanging", a_request(receiver.url))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert door.step(0.05, also=[ours.fileno()]) == ([], set())
        theirs.send(b"!")
        started = time.monotonic()
        assert door.step(5, also=[ours.fileno()]) == ([], {ours.fileno()})
        assert time.monotonic() - started < 0.5


def test_a_descriptor_may_be_closed_and_its_number_given_out_again(door: HttpDoor) -> None:
    for _ in range(3):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert door.step(0, also=[ours.fileno()]) == ([], set())
            theirs.send(b"!")
            assert door.step(1, also=[ours.fileno()]) == ([], {ours.fileno()})


def test_what_fails_at_once_ends_the_next_step(door: HttpDoor) -> None:
    door.start("refused", a_request("http://10.0.0.5/"))
    started = time.monotonic()
    (ended, _ready) = door.step(5)
    assert [key for key, _exchange in ended] == ["refused"]
    assert time.monotonic() - started < 0.5


# ---- Nothing is left behind ----


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - a count of names, which pathlib would stat


def test_exchanges_leave_no_descriptor_open(receiver: Receiver) -> None:
    receiver.answer(200, 500, reset, 200, close, redirect("/x"), raw(b"junk"))
    before = open_descriptors()
    with HttpDoor(allowed_networks=LOOPBACK, max_in_flight=20) as door:
        for _ in range(50):
            for number in range(18):
                door.start(number, a_request(receiver.url))
            door.start("refused", a_request("http://10.0.0.5/"))
            door.start("unheard", a_request(f"http://localhost:{unused_port()}/"))
            assert len(exchanges_of(door)) == 20
        assert open_descriptors() < before + 60
        door.start("left in flight", a_request(receiver.url))
        door.step(0)
    # The receiver's own ends are in this process too, and close a moment later.
    eventually(lambda: open_descriptors() <= before)
