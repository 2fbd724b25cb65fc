"""What every scheme is made of, and what their options have in common."""

import hmac
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

TOLERANCE_SECONDS = 300
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_WHOLE = re.compile(r"[0-9]{1,16}", re.ASCII)
_MILLISECONDS_FROM = 10**11  # as seconds, the year 5138


class InvalidVerification(ValueError):
    """A scheme that does not exist or lacks something. The message is fit for the admin."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What there is to judge a request by. Header names are in lower case; several of one name arrive joined
    with a comma, and fit nothing. `query` holds the names that came once. `url` is our public one, to which the
    sender posted, with the query as it came.
    """

    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]
    now: datetime
    method: str = "POST"
    url: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Scheme:
    """`check_secret` raises InvalidVerification for a secret that can never fit anything."""

    verify: Callable[[Signed, Mapping[str, Any], str], bool]
    clean: Callable[[Mapping[str, Any]], dict[str, Any]]
    new_secret: Callable[[], str]
    check_secret: Callable[[str], None]


def is_equal(given: str, expected: str) -> bool:
    """In a time that does not tell how much of it fits; never for an empty text."""
    return bool(expected) and hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def is_recent(timestamp: str, *, now: datetime, tolerance: float = TOLERANCE_SECONDS) -> bool:
    """Whether a Unix time, in seconds or milliseconds and written with digits only, is not far from now."""
    if not _WHOLE.fullmatch(timestamp):
        return False
    number = int(timestamp)
    seconds = number / 1000 if number >= _MILLISECONDS_FROM else number
    return abs(now.timestamp() - seconds) <= tolerance


# ---- Options ----


def no_options(options: Mapping[str, Any]) -> dict[str, Any]:
    refuse_unknown(options, ())
    return {}


def refuse_unknown(options: Mapping[str, Any], known: Collection[str]) -> None:
    unknown = next((name for name in options if name not in known), None)
    if unknown is not None:
        raise InvalidVerification(_("This scheme has no “%(option)s”.") % {"option": unknown})


def header_name(options: Mapping[str, Any], option: str, *, default: str = "") -> str:
    name = options.get(option, default)
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        message = _("“%(option)s” is the name of a header or of a parameter.")
        raise InvalidVerification(message % {"option": option})
    return name


def text_option(options: Mapping[str, Any], option: str, *, most: int, least: int = 0) -> str:
    text = options.get(option, "")
    if not isinstance(text, str) or not least <= len(text) <= most or not text.isprintable():
        said = {"option": option, "least": least, "most": most}
        raise InvalidVerification(_("“%(option)s” is a text of %(least)d to %(most)d characters.") % said)
    return text


def choice_option(options: Mapping[str, Any], option: str, known: Collection[str], *, default: str) -> str:
    value = options.get(option, default)
    if not isinstance(value, str) or value not in known:
        said = {"option": option, "known": ", ".join(known)}
        raise InvalidVerification(_("“%(option)s” is one of: %(known)s.") % said)
    return value


# ---- Secrets ----


def our_secret(secret: str) -> None:
    """One that an admin thinks up."""
    if not 8 <= len(secret) <= 500:
        raise InvalidVerification(_("A secret has 8 to 500 characters."))


def their_secret(secret: str) -> None:
    """One that the other system makes, which we take as it is."""
    if not 1 <= len(secret) <= 500:
        raise InvalidVerification(_("A secret has 1 to 500 characters."))
