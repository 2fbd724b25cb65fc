import contextlib
import threading
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from webhooks.addresses import (
    GLOBAL_IPV6,
    NEVER_OPENED,
    REASONS,
    REFUSED_IPV4,
    REFUSED_IPV6,
    REFUSED_PORTS,
    AddressRefused,
    IPAddress,
    IPNetwork,
    check_destination,
    check_url,
    judge_address,
)

NOTHING: list[IPNetwork] = []
LOOPBACK: list[IPNetwork] = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
OFFICE: list[IPNetwork] = [ip_network("10.20.0.0/16")]
EVERYTHING: list[IPNetwork] = [ip_network("0.0.0.0/0"), ip_network("::/0")]


def addresses(*texts: str) -> tuple[IPAddress, ...]:
    return tuple(map(ip_address, texts))


def refusal_of(url: str, *, allowed: list[IPNetwork] = NOTHING) -> str:
    with pytest.raises(AddressRefused) as caught:
        check_url(url, allowed=allowed)
    return caught.value.code


def refusal_of_address(text: str, *, allowed: list[IPNetwork] = NOTHING) -> str:
    with pytest.raises(AddressRefused) as caught:
        judge_address(ip_address(text), allowed=allowed)
    return caught.value.code


# ---- The text of a URL ----


@pytest.mark.parametrize(
    ("typed", "handed_on"),
    [
        ("https://erp.example.com/hook", "https://erp.example.com/hook"),
        ("HTTPS://ERP.Example.COM", "https://erp.example.com/"),
        ("http://erp.example.com:8069/x?a=1&b[]=2", "http://erp.example.com:8069/x?a=1&b[]=2"),
        ("https://erp.example.com?next=http://127.0.0.1/", "https://erp.example.com/?next=http://127.0.0.1/"),
        ("https://erp.example.com/@10.0.0.1/../a", "https://erp.example.com/@10.0.0.1/../a"),
        ("https://erp.example.com./hook", "https://erp.example.com./hook"),
        ("https://erp.example.com/ação?q=%C3%A9", "https://erp.example.com/a%C3%A7%C3%A3o?q=%C3%A9"),
        ("https://BÜCHER.example/", "https://xn--bcher-kva.example/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://v1---shop-abc.a.example.com/", "https://v1---shop-abc.a.example.com/"),
        ("https://93.184.216.34/", "https://93.184.216.34/"),
        ("https://[2606:2800:0220:0001::25C8]:8443/", "https://[2606:2800:220:1::25c8]:8443/"),
    ],
)
def test_a_public_url_is_accepted_and_handed_on_in_one_form(typed: str, handed_on: str) -> None:
    assert check_url(typed, allowed=NOTHING).url == handed_on


def test_the_parts_of_a_url_are_handed_on_with_it() -> None:
    named = check_url("https://erp.example.com/", allowed=NOTHING)
    assert (named.host, named.port, named.address) == ("erp.example.com", 443, None)
    numbered = check_url("http://[2606:2800::1]:8080/", allowed=NOTHING)
    assert (numbered.host, numbered.port) == ("[2606:2800::1]", 8080)
    assert numbered.address == ip_address("2606:2800::1")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "form"),
        ("erp.example.com/hook", "form"),
        ("http:/93.184.216.34/", "form"),
        ("data:text/plain,x", "form"),
        ("https://erp.example.com/" + "a" * 2048, "too_long"),
        ("https://erp.example.com/a b", "characters"),
        (" https://erp.example.com/", "characters"),
        ("https://erp.example.com/\r\nX-Injected: 1", "characters"),
        ("https://erp.example.com\\@10.0.0.1/", "characters"),
        ("https://erp.example.com/\x00", "characters"),
        ("https://erp.example.com/\x7f", "characters"),
        ("https://erp.exa\u00admple.com/", "characters"),
        ("https://erp\u200b.example.com/", "characters"),
        ("https://erp.example.com/\ud800", "characters"),
        ("https://erp.example.com/\u2028", "characters"),
        ("ftp://erp.example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("http+unix://%2Fvar%2Frun%2Fdocker.sock/info", "scheme"),
        ("https://user:secret@erp.example.com/", "user_part"),
        ("http://erp.example.com:80@127.0.0.1/", "user_part"),
        ("https://@erp.example.com/", "user_part"),
        ("https://erp.example.com/#top", "fragment"),
        ("http://127.0.0.1#@erp.example.com/", "fragment"),
        ("https://erp.example.com#", "fragment"),
    ],
)
def test_a_url_that_programs_may_read_differently_is_refused(url: str, code: str) -> None:
    assert refusal_of(url, allowed=EVERYTHING) == code


@pytest.mark.parametrize("port", ["0", "00080", "65536", "80abc", "", "-1", "+80", "٨٠", "80:80", "999999"])
def test_a_port_is_a_plain_number(port: str) -> None:
    assert refusal_of(f"http://erp.example.com:{port}/") in {"port", "characters"}


@pytest.mark.parametrize("port", [22, 25, 5432, 6379, 11211])
def test_a_port_of_another_protocol_is_refused_wherever_it_is(port: int) -> None:
    assert port in REFUSED_PORTS
    assert refusal_of(f"http://erp.example.com:{port}/") == "port"
    assert refusal_of(f"http://127.0.0.1:{port}/", allowed=LOOPBACK) == "port"


@pytest.mark.parametrize("port", [80, 443, 8000, 8069, 8443, 9000, 50000])
def test_any_other_port_may_be_called(port: int) -> None:
    assert check_url(f"http://erp.example.com:{port}/", allowed=NOTHING).port == port


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            ".",
            "erp..example.com",
            ".example.com",
            "-erp.example.com",
            "erp-.example.com",
            "erp_1.example.com",
        ),
        *(
            "a" * 64 + ".example.com",
            "a." * 127 + "example.com",
            "erp.example.com%40127.0.0.1",
            "%6c%6fcalhost",
        ),
        *("127%2e0%2e0%2e1", "erp.exa<mple.com", "☃︎.example.com", "xn--a.example.com", "[93.184.216.34]"),
        *("[::1%25lo]", "[fe80::1%lo]", "[::1", "::1", "[]", "[v1.x]", "[2606:2800::1]x"),
        # addresses in any spelling but the plain one
        *("127.1", "0", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.0.0.1."),
        *(
            "93.184.216.034",
            "93.184.55330",
            "1.2.3.4.5",
            "256.1.1.1",
            "example.0x7f",
            "example.12",
            "6425673729",
        ),
        # characters that some programs turn into digits, dots and letters
        *("１２７.０.０.１", "①②⑦.⓪.⓪.①", "127。0。0。1", "ｌｏｃａｌｈｏｓｔ", "erp．example．com"),
    ],
)
def test_a_host_is_a_strict_name_or_an_address_spelled_plainly(host: str) -> None:
    assert refusal_of(f"http://{host}/", allowed=EVERYTHING) in {"host", "characters"}


@pytest.mark.parametrize(
    "host",
    [
        *(
            "localhost",
            "LOCALHOST",
            "localhost.",
            "app.localhost",
            "erp",
            "ip6-localhost",
            "erp.local",
            "erp.lan",
        ),
        *(
            "metadata.google.internal",
            "erp.intranet",
            "router.home.arpa",
            "erp.corp",
            "localhost.localdomain",
        ),
    ],
)
def test_a_name_of_the_local_network_is_refused(host: str) -> None:
    assert refusal_of(f"http://{host}/") == "local_name"


def test_localhost_is_open_only_where_both_its_addresses_are() -> None:
    assert check_url("http://localhost:9000/", allowed=LOOPBACK).host == "localhost"
    assert refusal_of("http://localhost:9000/", allowed=LOOPBACK[:1]) == "local_name"
    assert refusal_of("http://localhost:9000/", allowed=OFFICE) == "local_name"


def test_local_names_are_open_where_a_private_network_is() -> None:
    assert check_url("http://erp:8069/", allowed=OFFICE).host == "erp"
    assert check_url("http://erp.local:8069/", allowed=OFFICE).host == "erp.local"
    assert refusal_of("http://erp:8069/", allowed=LOOPBACK) == "local_name"


def test_a_literal_address_is_judged_with_the_url() -> None:
    assert refusal_of("http://10.20.0.5/") == "address"
    assert refusal_of("http://[::ffff:10.20.0.5]/") == "address"
    assert refusal_of("http://169.254.169.254/latest/", allowed=EVERYTHING) == "address_never"
    assert check_url("http://10.20.0.5/", allowed=OFFICE).address == ip_address("10.20.0.5")


@given(st.text(max_size=60))
def test_any_text_is_either_refused_or_handed_on_in_a_form_that_stays_the_same(text: str) -> None:
    for url in (text, f"https://{text}", f"https://erp.example.com/{text}"):
        with contextlib.suppress(AddressRefused):
            target = check_url(url, allowed=NOTHING)
            assert target.url.isascii()
            assert check_url(target.url, allowed=NOTHING) == target


# ---- The address ----


@pytest.mark.parametrize("network", REFUSED_IPV4, ids=str)
def test_the_first_and_the_last_address_of_each_refused_network_are_refused(network: IPNetwork) -> None:
    for address in (network[0], network[-1]):
        assert refusal_of_address(str(address)) in {"address", "address_never"}
        assert refusal_of_address(f"::ffff:{address}") in {"address", "address_never"}


@pytest.mark.parametrize("network", REFUSED_IPV6, ids=str)
def test_what_is_carved_out_of_global_ipv6_is_refused(network: IPNetwork) -> None:
    for address in (network[0], network[-1]):
        assert refusal_of_address(str(address)) in {"address", "address_never"}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "::",
            "::1",
            "::7f00:1",
            "::127.0.0.1",
            "100::1",
            "fc00::1",
            "fd00::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ),
        *(
            "64:ff9b::10.0.0.5",
            "64:ff9b:1::a9fe:a9fe",
            "2002:7f00:1::",
            "2001:0:7f00:1::",
            "fe80::1",
            "fe80::1%lo",
        ),
    ],
)
def test_an_ipv6_address_that_is_not_public_is_refused(text: str) -> None:
    assert refusal_of_address(text) in {"address", "address_never"}


@pytest.mark.parametrize(
    "text", ["1.1.1.1", "93.184.216.34", "100.128.0.1", "172.32.0.1", "::ffff:1.1.1.1", "2600::1"]
)
def test_a_public_address_may_be_called(text: str) -> None:
    judge_address(ip_address(text), allowed=NOTHING)


@pytest.mark.parametrize("network", NEVER_OPENED, ids=str)
def test_no_setting_opens_the_addresses_that_are_never_called(network: IPNetwork) -> None:
    for address in (network[0], network[-1]):
        assert refusal_of_address(str(address), allowed=EVERYTHING) == "address_never"


def test_an_allowed_network_opens_its_addresses_and_no_others() -> None:
    judge_address(ip_address("10.20.255.255"), allowed=OFFICE)
    judge_address(ip_address("::ffff:10.20.0.1"), allowed=OFFICE)
    assert refusal_of_address("10.21.0.0", allowed=OFFICE) == "address"
    assert refusal_of_address("::1", allowed=OFFICE) == "address"


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_when_it_is_written_as_ipv6(address: IPv4Address) -> None:
    mapped = IPv6Address(f"::ffff:{address}")
    assert is_called(mapped) == is_called(address)


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_outside_global_unicast_is_called(address: IPv6Address) -> None:
    if is_called(address) and not address.ipv4_mapped:
        assert address in GLOBAL_IPV6
        assert not address.is_private
        assert not address.is_multicast
        assert address.sixtofour is None
        assert address.teredo is None


@given(st.ip_addresses())
def test_opening_everything_still_leaves_link_local_and_metadata_closed(address: IPAddress) -> None:
    assert is_called(address, allowed=EVERYTHING) == (not any(address in network for network in NEVER_OPENED))


def is_called(address: IPAddress, *, allowed: list[IPNetwork] = NOTHING) -> bool:
    try:
        judge_address(address, allowed=allowed)
    except AddressRefused:
        return False
    return True


# ---- A destination that is saved ----


@pytest.mark.parametrize("private", ["10.0.0.5", "::1", "169.254.169.254"])
def test_a_destination_is_refused_when_any_of_its_addresses_is_private(private: str) -> None:
    found = addresses("93.184.216.34", private)
    with pytest.raises(AddressRefused) as caught:
        check_destination(
            "https://erp.example.com/", allowed=NOTHING, allow_http=False, resolve=lambda _host: found
        )
    assert caught.value.subject == private


def test_a_destination_with_public_addresses_is_accepted() -> None:
    asked: list[str] = []

    def resolve(host: str) -> tuple[IPAddress, ...]:
        asked.append(host)
        return addresses("93.184.216.34", "2606:2800::1")

    target = check_destination("https://Bücher.example/x", allowed=NOTHING, allow_http=False, resolve=resolve)
    assert target.url == "https://xn--bcher-kva.example/x"
    assert asked == ["xn--bcher-kva.example"]


def test_a_literal_address_is_not_looked_up() -> None:
    def resolve(host: str) -> tuple[IPAddress, ...]:
        raise AssertionError(host)

    assert (
        check_destination("http://127.0.0.1:9000/", allowed=LOOPBACK, allow_http=False, resolve=resolve).port
        == 9000
    )


def unknown(host: str) -> tuple[IPAddress, ...]:
    raise OSError(host)


def test_a_public_name_without_an_address_yet_is_accepted() -> None:
    target = check_destination("https://new.example.com/", allowed=NOTHING, allow_http=False, resolve=unknown)
    assert target.host == "new.example.com"


def test_a_local_name_without_an_address_is_refused() -> None:
    with pytest.raises(AddressRefused) as caught:
        check_destination(
            "http://metadata.google.internal/", allowed=OFFICE, allow_http=False, resolve=unknown
        )
    assert caught.value.code == "local_name"


def test_a_name_server_that_does_not_answer_holds_nobody_up() -> None:
    end = threading.Event()

    def resolve(_host: str) -> tuple[IPAddress, ...]:
        end.wait()
        return ()

    with pytest.raises(AddressRefused) as caught:
        check_destination(
            "https://slow.example.com/", allowed=NOTHING, allow_http=False, resolve=resolve, seconds=0.05
        )
    end.set()
    assert caught.value.code == "lookup_timeout"


def test_the_system_looks_a_name_up() -> None:
    with pytest.raises(AddressRefused) as caught:
        check_destination("http://localhost:9000/", allowed=[*LOOPBACK[1:], *OFFICE], allow_http=False)
    assert caught.value.code == "local_name"
    assert check_destination("http://localhost:9000/", allowed=LOOPBACK, allow_http=False).host == "localhost"


# ---- What a person reads ----


def test_every_reason_reads_as_a_sentence_with_what_is_at_fault() -> None:
    with translation.override("en"):
        for code, reason in REASONS.items():
            text = str(AddressRefused(code, "erp.local"))
            assert text.endswith(".")
            assert ("erp.local" in text) == ("%(subject)s" in str(reason))
