"""What a Content-Type declares, as far as we read it."""

import re
from dataclasses import dataclass
from enum import Enum, auto

from django.utils.http import parse_header_parameters

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_JSON_NAME = re.compile(r"application/(?:[0-9a-z!#$&^_.-]+\+)?json")
# Only such in which a brace, a quote or an ampersand is always the same byte.
_CHARSETS = {
    **dict.fromkeys(("utf-8", "utf8", "us-ascii", "ascii"), "utf-8"),
    **dict.fromkeys(("iso-8859-1", "iso8859-1", "latin1", "latin-1"), "iso-8859-1"),
    **dict.fromkeys(("windows-1252", "cp1252"), "windows-1252"),
    "iso-8859-15": "iso-8859-15",
}


class Kind(Enum):
    JSON = auto()
    TEXT = auto()  # in which there has to be JSON
    FORM = auto()
    MULTIPART = auto()


_KINDS = {
    "text/plain": Kind.TEXT,
    "application/x-www-form-urlencoded": Kind.FORM,
    "multipart/form-data": Kind.MULTIPART,
}


@dataclass(frozen=True, slots=True)
class BodyType:
    """`boundary` stands between the parts of a multipart body."""

    kind: Kind
    charset: str = "utf-8"
    boundary: bytes = b""


def read_type(content_type: str) -> BodyType | None:
    """None for a type that we do not read, for an unknown charset, and for one declared twice."""
    try:
        name, parameters = parse_header_parameters(content_type)
    except ValueError:
        return None
    parameters = {key.lower(): value for key, value in parameters.items()}
    kind = Kind.JSON if _JSON_NAME.fullmatch(name) else _KINDS.get(name)
    charset = _CHARSETS.get(parameters.get("charset", "utf-8").strip().lower())
    if kind is None or charset is None or content_type.lower().count("charset=") > 1:
        return None
    if kind != Kind.MULTIPART:
        return BodyType(kind, charset)
    boundary = parameters.get("boundary", "")
    return BodyType(kind, charset, boundary.encode()) if _BOUNDARY.fullmatch(boundary) else None


def read_charset(content_type: str, *, default: str) -> str | None:
    """The charset that one part of a multipart body declares, None for an unknown one."""
    try:
        _name, parameters = parse_header_parameters(content_type)
    except ValueError:
        return None
    declared = {key.lower(): value for key, value in parameters.items()}.get("charset")
    return default if declared is None else _CHARSETS.get(declared.strip().lower())
