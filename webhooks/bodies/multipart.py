"""Forms with files. Of a file we note that it came; what is in it is neither read nor kept."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.http import parse_header_parameters
from django.utils.translation import gettext as _

from webhooks.bodies.errors import Malformed
from webhooks.bodies.forms import MOST_FIELDS, nest, too_many_fields
from webhooks.bodies.types import BodyType, read_charset

_HEADER = re.compile(rb"([!#-'*+.0-9A-Z^-z|~-]+):[ \t]*([^\r\n]*)")
_MOST_HEADER_BYTES = 4_000


@dataclass(frozen=True, slots=True)
class Part:
    """One field. `file_name` is None for a text; `head` are its headers as they came."""

    head: bytes
    content: bytes
    name: str
    file_name: str | None
    content_type: str
    announced: int  # the size of a file that was left out when the body was kept

    @property
    def size(self) -> int:
        return len(self.content) or self.announced


def parse_multipart(body: bytes, *, declared: BodyType) -> dict[str, Any]:
    """The fields, nested as those of other forms; a file is {"name", "type", "size"}. Raises Malformed."""
    return nest((part.name, _value(part, declared.charset)) for part in _parts(body, declared))


def without_files(body: bytes, *, declared: BodyType) -> bytes:
    """The same body with nothing in its files, which keep their size as a Content-Length. Raises Malformed."""
    parts = list(_parts(body, declared))
    if all(part.file_name is None for part in parts):
        return body
    delimiter = b"--" + declared.boundary
    kept = [b"%s\r\n%s\r\n\r\n%s\r\n" % (delimiter, *_kept(part)) for part in parts]
    return b"".join([*kept, delimiter, b"--\r\n"])


def _kept(part: Part) -> tuple[bytes, bytes]:
    if part.file_name is None or not part.content:
        return part.head, part.content
    return b"%s\r\nContent-Length: %d" % (part.head, part.size), b""


def _parts(body: bytes, declared: BodyType) -> Iterator[Part]:
    delimiter = b"\r\n--" + declared.boundary
    _preamble, *pieces = (b"\r\n" + body).split(delimiter, MOST_FIELDS + 2)
    if len(pieces) > MOST_FIELDS + 1:
        raise Malformed(too_many_fields())
    if not pieces or not pieces[-1].startswith(b"--"):
        raise Malformed(_("The last part of the form is missing."))
    for piece in pieces[:-1]:
        padding, line_end, part = piece.partition(b"\r\n")
        if padding.strip(b" \t") or not line_end:
            raise Malformed(_("The parts of the form are not told apart properly."))
        yield _read_part(part, declared.charset)


def _read_part(part: bytes, charset: str) -> Part:
    head, end, content = part.partition(b"\r\n\r\n")
    if not end or len(head) > _MOST_HEADER_BYTES:
        raise Malformed(_("A part of the form has no proper headers."))
    headers = _headers(head, charset)
    try:
        kind, parameters = parse_header_parameters(headers.get("content-disposition", ""))
    except ValueError as error:
        raise Malformed(_("A part of the form has no proper headers.")) from error
    name = parameters.get("name")
    if kind != "form-data" or name is None:
        raise Malformed(_("A part of the form has no name."))
    if headers.get("content-transfer-encoding", "binary").lower() not in {"7bit", "8bit", "binary"}:
        raise Malformed(_("A part of the form is encoded in a way that forms are not."))
    length = headers.get("content-length", "")
    return Part(
        head=head,
        content=content,
        name=name,
        file_name=parameters.get("filename"),
        content_type=headers.get("content-type", ""),
        announced=int(length) if re.fullmatch("[0-9]{1,12}", length) else 0,
    )


def _headers(head: bytes, charset: str) -> dict[str, str]:
    lines = [_HEADER.fullmatch(line) for line in head.split(b"\r\n")]
    if not all(lines):
        raise Malformed(_("A part of the form has no proper headers."))
    return {line[1].decode().lower(): _text(line[2], charset) for line in lines if line}


def _value(part: Part, charset: str) -> Any:
    if part.file_name is None:
        own = read_charset(part.content_type, default=charset)
        if own is None:
            raise Malformed(_("A part of the form is in an unknown charset."))
        return _text(part.content, own)
    if not part.file_name and not part.size:
        return None  # a browser's field for a file that nobody chose
    return {"name": part.file_name, "type": part.content_type, "size": part.size}


def _text(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset)
    except UnicodeDecodeError as error:
        raise Malformed(_("The body is not text in %(charset)s.") % {"charset": charset}) from error
