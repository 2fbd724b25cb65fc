"""From bytes and their declared type to a value."""

from typing import Any

from django.utils.translation import gettext as _

from webhooks.bodies.errors import Malformed
from webhooks.bodies.forms import parse_form
from webhooks.bodies.multipart import parse_multipart, without_files
from webhooks.bodies.strict_json import parse_json
from webhooks.bodies.types import Kind, read_type


def is_readable(content_type: str) -> bool:
    """Whether `parse_body` knows what to do with this Content-Type."""
    return read_type(content_type) is not None


def parse_body(*, body: bytes, content_type: str) -> Any:
    """The value in a body: of JSON any, of forms {name: text, or what brackets in the names make}.

    Raises Malformed, also for a type that is not readable.
    """
    declared = read_type(content_type)
    if declared is None:
        raise Malformed(_("A body of the type “%(type)s” is not read.") % {"type": content_type})
    if declared.kind == Kind.MULTIPART:
        return parse_multipart(body, declared=declared)
    if declared.kind == Kind.FORM:
        return parse_form(body, charset=declared.charset)
    try:
        text = body.decode(declared.charset)
    except UnicodeDecodeError as error:
        raise Malformed(_("The body is not text in %(charset)s.") % {"charset": declared.charset}) from error
    return parse_json(text)


def without_file_contents(*, body: bytes, content_type: str) -> bytes:
    """The body as it is kept, from which `parse_body` reads the same value. Raises Malformed."""
    declared = read_type(content_type)
    if declared is None or declared.kind != Kind.MULTIPART:
        return body
    return without_files(body, declared=declared)
