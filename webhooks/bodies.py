"""What a body says, as a JSON-like value, whatever form it came in.

Told when the request arrives, so that a malformed body is refused, and again from the stored bytes whenever the
request is applied: those are the only truth that is kept.
"""

import re
from typing import Any

from webhooks.strict_json import Malformed, parse_json

__all__ = ["Malformed", "is_readable", "parse_body"]

_JSON_TYPE = re.compile(r'application/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?', re.IGNORECASE)


def is_readable(content_type: str) -> bool:
    """Whether `parse_body` knows what to do with this Content-Type."""
    return _JSON_TYPE.fullmatch(content_type) is not None


def parse_body(*, body: bytes, content_type: str) -> Any:
    """The value in a body. Raises Malformed, also for a type that is not readable."""
    if not is_readable(content_type):
        raise Malformed(content_type)
    return parse_json(body)
