"""The provider's credentials for recordings: a setting of the endpoint, sent to the hosts it names and nowhere else."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from django.utils.translation import gettext as _

from crm.models import Call
from crm.refusals import InvalidFields
from webhooks.models import InboundEndpoint
from webhooks.models.endpoints import SYSTEM_PREFIX

_OPTIONS = {"none": (), "basic": ("username",), "bearer": (), "header": ("name",), "query": ("name",)}
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\]")
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,500}")
_FORBIDDEN = frozenset(("host", "range", "if-range", "content-length", "transfer-encoding", "connection"))
_MOST_HOSTS = 20


@dataclass(frozen=True, slots=True)
class Access:
    """How one recording is asked for. `origin` is the (scheme, host, port) of the address it was offered at."""

    scheme: str = "none"
    username: str = ""
    name: str = ""
    secret: str = ""
    hosts: tuple[str, ...] = ()
    origin: tuple[str, str, int | None] = ("", "", None)

    def dress(self, url: str) -> tuple[str, dict[str, str]]:
        """The URL and the headers to ask with. A redirect to another origin gets no credentials."""
        if self.scheme == "none" or origin_of(url) != self.origin or not self._knows(self.origin[1]):
            return url, {}
        if self.scheme == "query":
            joint = "&" if urlsplit(url).query else "?"
            return f"{url}{joint}{quote(self.name, safe='')}={quote(self.secret, safe='')}", {}
        if self.scheme == "header":
            return url, {self.name: self.secret}
        if self.scheme == "bearer":
            return url, {"Authorization": f"Bearer {self.secret}"}
        pair = base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()
        return url, {"Authorization": f"Basic {pair}"}

    def _knows(self, host: str) -> bool:
        return any(
            host == known or (known.startswith("*.") and host.endswith(known[1:])) for known in self.hosts
        )


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port; ("", "", None) for what is no URL."""
    try:
        parts = urlsplit(url)
        return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "", "", None


def access_for(call: Call) -> Access:
    """The access that the endpoint which offered the recording gives; none for what a person or a program offered."""
    number = call.recording_system.removeprefix(SYSTEM_PREFIX)
    if number == call.recording_system or not number.isdecimal():
        return Access()
    endpoint = InboundEndpoint.objects.present().filter(pk=int(number)).first()
    if endpoint is None:
        return Access()
    told = endpoint.recording_auth
    return Access(
        scheme=told.get("scheme", "none"),
        username=told.get("username", ""),
        name=told.get("name", ""),
        secret=endpoint.recording_secret or "",
        hosts=tuple(told.get("hosts", ())),
        origin=origin_of(call.recording_url),
    )


# ---- The setting ----


def take_recording_auth(endpoint: InboundEndpoint, given: Mapping[str, Any]) -> None:
    """Set an endpoint's access from `{"scheme", "username"?, "name"?, "hosts", "secret"?}`. Raises InvalidFields.

    Where the secret is left out, the one that is there stays, unless it would be sent somewhere else.
    """
    options = {name: value for name, value in given.items() if name != "secret"}
    cleaned = _clean(options)
    scheme, secret = cleaned["scheme"], given.get("secret")
    if scheme == "none":
        if secret:
            raise _invalid(_("This scheme has no secret."))
        endpoint.recording_auth, endpoint.recording_secret = cleaned, None
        return
    if secret is None and not _same_place(endpoint, cleaned):
        raise _invalid(_("Write the secret again: it would be sent in another way, or to other hosts."))
    if secret is not None and not (isinstance(secret, str) and _PRINTABLE.fullmatch(secret)):
        raise _invalid(_("A secret has 1 to 500 printable characters."))
    endpoint.recording_auth = cleaned
    endpoint.recording_secret = endpoint.recording_secret if secret is None else secret


def _same_place(endpoint: InboundEndpoint, cleaned: Mapping[str, Any]) -> bool:
    former = endpoint.recording_auth
    known = set(former.get("hosts", ())) >= set(cleaned["hosts"])
    same = all(former.get(name) == cleaned.get(name) for name in ("scheme", "name"))
    return bool(endpoint.recording_secret) and known and same


def _clean(options: Mapping[str, Any]) -> dict[str, Any]:
    scheme = options.get("scheme")
    if scheme not in _OPTIONS:
        raise _invalid(_("The scheme is one of: %(known)s.") % {"known": ", ".join(_OPTIONS)})
    known = {"scheme", *_OPTIONS[scheme], *(("hosts",) if scheme != "none" else ())}
    if unknown := options.keys() - known:
        raise _invalid(_("This scheme has no “%(option)s”.") % {"option": min(unknown)})
    cleaned: dict[str, Any] = {"scheme": scheme}
    for option in _OPTIONS[scheme]:
        cleaned[option] = _text(option, options.get(option))
    if scheme != "none":
        cleaned["hosts"] = _hosts(options.get("hosts"))
    return cleaned


def _text(option: str, value: Any) -> str:
    form = _NAME if option == "name" else _PRINTABLE
    if not isinstance(value, str) or not form.fullmatch(value) or value.lower() in _FORBIDDEN:
        raise _invalid(_("“%(option)s” is missing or not possible.") % {"option": option})
    return value


def _hosts(value: Any) -> list[str]:
    texts = (
        [text.strip().lower() for text in value if isinstance(text, str)] if isinstance(value, list) else []
    )
    if not 1 <= len(texts) <= _MOST_HOSTS:
        raise _invalid(_("Name the hosts that the credentials may be sent to."))
    for text in texts:
        if not _HOST.fullmatch(text) or (text.startswith("*.") and "." not in text[2:]):
            raise _invalid(_("“%(host)s” is not a valid host name.") % {"host": text})
    return texts


def _invalid(message: str) -> InvalidFields:
    return InvalidFields({"recording_auth": [message]})
