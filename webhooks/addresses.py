"""Which addresses Stagehook may call: the judgement of a URL as text, and of an address as a number.

A leaf without models, because both directions need it. The text is judged when a destination is saved and
before each attempt, the address again at the moment a socket opens: a name that changes its answer in between
gains nothing. The table is our own because `ipaddress.is_private` and `is_global` let multicast, NAT64, 6to4
and site-local addresses through, and change with the version of Python.
"""

import queue
import re
import socket
import threading
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import quote

import idna
from django.utils.translation import gettext_lazy as _

IPAddress: TypeAlias = IPv4Address | IPv6Address
IPNetwork: TypeAlias = IPv4Network | IPv6Network
Lookup: TypeAlias = Callable[[str], tuple[IPAddress, ...]]

MAX_URL_LENGTH = 2048
LOOKUP_SECONDS = 3.0

REFUSED_IPV4 = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's platform
            "169.254.0.0/16",  # link-local, cloud metadata
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",  # documentation, also 198.51.100.0/24 and 203.0.113.0/24
            "192.31.196.0/24",  # AS112, also 192.175.48.0/24
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",
        ),
    )
)
# Of IPv6 only global unicast is called at all, less what is carved out of it.
GLOBAL_IPV6 = ip_network("2000::/3")
REFUSED_IPV6 = tuple(
    map(
        ip_network,
        (
            "2001::/23",  # Teredo, ORCHID and other protocol assignments
            "2001:db8::/32",  # documentation, also 3fff::/20
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",
        ),
    )
)
# No setting opens these: credentials of the machine live there, or another address hides inside.
NEVER_OPENED = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",
            "168.63.129.16/32",
            "100.100.100.200/32",  # Alibaba's metadata
            "192.0.0.192/32",  # Oracle's metadata
            "fe80::/10",
            "fd00:ec2::254/128",  # Amazon's metadata
            "fd20:ce::254/128",  # Google's metadata
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2002::/16",
            "2001::/32",
        ),
    )
)

DEFAULT_PORTS = {"http": 80, "https": 443}
# Servers of other protocols that may take a POST for commands: the ports browsers refuse, and data stores.
REFUSED_PORTS = frozenset(
    (
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95),
        *(101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179),
        *(389, 427, 445, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587),
        *(601, 636, 873, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 2181, 2375, 2376),
        *(2379, 2380, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5672, 6000, 6379, 6380, 6566),
        *(6665, 6666, 6667, 6668, 6669, 6679, 6697, 9042, 9092, 10080, 10250, 11211, 27017),
    )
)
LOCAL_SUFFIXES = (
    *(".localhost", ".local", ".localdomain", ".internal", ".intranet", ".private", ".corp", ".lan"),
    *(".home", ".home.arpa"),
)
LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))

URL_FORM = re.compile(r"([^:/?#]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?")
HOST_FORM = re.compile(r"(\[[0-9A-Fa-f:.]*\]|[^:\[\]]+)(?::(.*))?")
PORT_FORM = re.compile(r"[1-9][0-9]{0,4}")
LABEL_FORM = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
NUMBER_FORM = re.compile(r"[0-9]+|0x[0-9a-f]*")
LEFT_AS_TYPED = "%/?:@!$&'()*+,;=[]-._~"

REASONS = {
    "too_long": _("This URL is longer than 2,048 characters."),
    "characters": _("A URL holds no spaces, backslashes, control or invisible characters."),
    "form": _("A URL starts with https:// or http://, followed by a host."),
    "http": _("“%(subject)s” may be called with https:// only."),
    "scheme": _("Only https:// and http:// URLs can be called."),
    "user_part": _("Leave user name and password out of the URL and set them as the authentication."),
    "fragment": _("A URL to call has no part after #."),
    "port": _("“%(subject)s” is not a port that may be called."),
    "host": _("“%(subject)s” is not a valid host name."),
    "local_name": _("“%(subject)s” is a name of a local network, which may not be called."),
    "lookup_timeout": _("The name servers gave no answer for “%(subject)s” in time. Try again."),
    "address": _("The address %(subject)s is private or reserved and may not be called."),
    "address_never": _("The address %(subject)s may never be called."),
}


class AddressRefused(ValueError):
    """It may not be called. `code` is a key of REASONS, `subject` the part at fault, str() is for a person."""

    def __init__(self, code: str, subject: object = "") -> None:
        super().__init__(code, subject)
        self.code = code
        self.subject = str(subject)

    @property
    def is_address(self) -> bool:
        """Whether `subject` is an address that was judged, not a part of a URL."""
        return self.code in {"address", "address_never"}

    def __str__(self) -> str:
        return str(REASONS[self.code]) % {"subject": self.subject}


@dataclass(frozen=True, slots=True)
class CallableUrl:
    """A URL that may be called, in the one form that is handed on; `address` where its host is a number."""

    url: str
    host: str
    port: int
    address: IPAddress | None

    @property
    def is_encrypted(self) -> bool:
        return self.url.startswith("https:")


def check_url(url: str, *, allowed: Sequence[IPNetwork]) -> CallableUrl:
    """Judge the text of a URL, without asking the network; raises AddressRefused.

    Where `allowed` opens loopback, `localhost` passes; where it opens any other network, so do local names,
    whose addresses are judged when they are known.
    """
    _check_characters(url)
    form = URL_FORM.fullmatch(url)
    if not form:
        raise AddressRefused("form")
    scheme, authority, path, query, fragment = form.groups()
    scheme = scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise AddressRefused("scheme", scheme)
    if "@" in authority:
        raise AddressRefused("user_part")
    if fragment is not None:
        raise AddressRefused("fragment")
    host, port = _split(authority)
    host, address = _check_host(host, allowed=allowed)
    number = _check_port(port) if port is not None else DEFAULT_PORTS[scheme]
    netloc = host if port is None else f"{host}:{number}"
    tail = quote((path or "/") + (query or ""), safe=LEFT_AS_TYPED)
    return CallableUrl(url=f"{scheme}://{netloc}{tail}", host=host, port=number, address=address)


def look_up(host: str) -> tuple[IPAddress, ...]:
    """Every address the system knows for a name, each once; raises OSError when there is none."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ip_address(address[0]) for *_rest, address in found))


def check_destination(
    url: str,
    *,
    allowed: Sequence[IPNetwork],
    allow_http: bool,
    resolve: Lookup = look_up,
    seconds: float = LOOKUP_SECONDS,
) -> CallableUrl:
    """Judge a URL that is to be saved: its text, and every address its name has now; raises AddressRefused.

    A public name without an address is accepted, because its DNS record may come later and each attempt
    judges again. `resolve` (default: the system's lookup) raises OSError for a name without an address.
    """
    target = check_url(url, allowed=allowed)
    if target.address is None:
        addresses = _look_up_in_time(target.host, resolve=resolve, seconds=seconds)
        if not addresses and _is_local(target.host):
            raise AddressRefused("local_name", target.host)
    else:
        addresses = (target.address,)
    judge_target(target, addresses, allowed=allowed, allow_http=allow_http)
    return target


def judge_target(
    target: CallableUrl, addresses: Sequence[IPAddress], *, allowed: Sequence[IPNetwork], allow_http: bool
) -> None:
    """Raise AddressRefused unless the target may be called at every one of the addresses it has.

    Without encryption only where the operator allows that in general, or opened the network of each address.
    """
    for address in addresses:
        judge_address(address, allowed=allowed)
    if not (allow_http or target.is_encrypted):
        opened = [_is_in(_unmapped(address), allowed) for address in addresses]
        if not opened or not all(opened):
            raise AddressRefused("http", target.host)


def judge_address(address: IPAddress, *, allowed: Sequence[IPNetwork]) -> None:
    """Raise AddressRefused unless the address is public, or one of the `allowed` networks opens it."""
    judged = _unmapped(address)
    if _is_in(judged, NEVER_OPENED):
        raise AddressRefused("address_never", address)
    if _is_in(judged, allowed):
        return
    if isinstance(judged, IPv4Address):
        public = not _is_in(judged, REFUSED_IPV4)
    else:
        public = judged in GLOBAL_IPV6 and not _is_in(judged, REFUSED_IPV6)
    if not public:
        raise AddressRefused("address", address)


def is_within(text: str, networks: Iterable[IPNetwork]) -> bool:
    """Whether a caller's address is in one of the networks; what is no address is in none."""
    try:
        address = _unmapped(ip_address(text))
    except ValueError:
        return False
    return _is_in(address, networks)


def _check_characters(url: str) -> None:
    if len(url) > MAX_URL_LENGTH:
        raise AddressRefused("too_long")
    # Every category C is a control, format, surrogate, private or unassigned character, every Z a space.
    if any(character == "\\" or unicodedata.category(character)[0] in "CZ" for character in url):
        raise AddressRefused("characters")


def _split(authority: str) -> tuple[str, str | None]:
    form = HOST_FORM.fullmatch(authority)
    if not form:
        raise AddressRefused("host", authority)
    return form[1], form[2]


def _check_port(port: str) -> int:
    if not PORT_FORM.fullmatch(port) or int(port) > 65535 or int(port) in REFUSED_PORTS:
        raise AddressRefused("port", port)
    return int(port)


def _check_host(host: str, *, allowed: Sequence[IPNetwork]) -> tuple[str, IPAddress | None]:
    """The host as it is handed on, and its address where it is one."""
    if address := _literal(host):
        judge_address(address, allowed=allowed)
        return (f"[{address}]" if isinstance(address, IPv6Address) else str(address)), address
    name = _encode(host)
    if NUMBER_FORM.fullmatch(name.removesuffix(".").rpartition(".")[2]):
        # Programs read 127.1, 0x7f.1 and 017700000001 as addresses; we take one spelling only.
        raise AddressRefused("host", host)
    if _is_local(name) and not _opens_local_names(name, allowed):
        raise AddressRefused("local_name", host)
    return name, None


def _literal(host: str) -> IPAddress | None:
    bracketed = host.startswith("[")
    try:
        return IPv6Address(host[1:-1]) if bracketed else IPv4Address(host)
    except ValueError:
        if bracketed:
            raise AddressRefused("host", host) from None
        return None


def _encode(host: str) -> str:
    """A name in the form DNS knows; capitals are lowered, nothing else is mapped or mended."""
    labels = unicodedata.normalize("NFC", host.lower()).removesuffix(".").split(".")
    name = ".".join(_encode_label(label, host=host) for label in labels)
    if len(name) > 253:
        raise AddressRefused("host", host)
    return name + "." * host.endswith(".")


def _encode_label(label: str, *, host: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        # Not by idna, which refuses names that exist, such as v1---shop.example.com.
        if LABEL_FORM.fullmatch(label):
            return label
        raise AddressRefused("host", host)
    try:
        return idna.encode(label, strict=True).decode()
    except UnicodeError:
        raise AddressRefused("host", host) from None


def _is_local(name: str) -> bool:
    name = name.removesuffix(".")
    return "." not in name or name.endswith(LOCAL_SUFFIXES)


def _opens_local_names(name: str, allowed: Sequence[IPNetwork]) -> bool:
    if name.removesuffix(".").rpartition(".")[2] == "localhost":
        return all(_is_in(address, allowed) for address in LOOPBACK)
    return any(not network.is_loopback for network in allowed)


def _unmapped(address: IPAddress) -> IPAddress:
    """The IPv4 address inside an IPv6 one that only wraps it."""
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _is_in(address: IPAddress, networks: Iterable[IPNetwork]) -> bool:
    return any(address in network for network in networks)


def _look_up_in_time(host: str, *, resolve: Lookup, seconds: float) -> tuple[IPAddress, ...]:
    """The addresses of a name, or none; in a thread, because a lookup of the system cannot be cut short."""
    answers: queue.SimpleQueue[tuple[IPAddress, ...]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(host))
        except OSError:
            answers.put(())

    threading.Thread(target=ask, name=f"lookup of {host}", daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        raise AddressRefused("lookup_timeout", host) from None
