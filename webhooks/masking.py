"""Masks what is or sounds like a secret: in headers and queries before they are kept, in bodies when they are shown."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from crm.formats import pretty_json
from webhooks.bodies import FORM_TYPE

MASK = "•••"
_SECRET = re.compile(
    r"auth(?!ors?\b)|cookie|token|secret|passw|api[_-]?key|access[_-]?key|credential|session|senha|\A(key|chave|pwd|pin)\Z",
    re.IGNORECASE,
)
# Of what people write in forms and systems in orders, far more is called "key" or "session" and is none.
_SECRET_OF_A_BODY = re.compile(
    r"token|secret|passw|senha|api[_-]?key|access[_-]?key|app[_-]?key|credential|authorization|\Apwd\Z",
    re.IGNORECASE,
)


def is_secret(name: str, configured: str = "") -> bool:
    """Whether a header or parameter is the one that is `configured`, in lower case, or sounds like a secret."""
    return (configured != "" and name.lower() == configured) or _SECRET.search(name) is not None


def masked_query(query: str, *, hides: Callable[[str], bool]) -> str:
    """A query, or the body of a form, with the values masked that stand under names which `hides` says."""
    pieces = [piece.partition("=") for piece in query.split("&")]
    return "&".join(
        f"{name}{sign}{quote_plus(MASK)}" if hides(unquote_plus(name)) else name + sign + value
        for name, sign, value in pieces
    )


def readable_body(body: bytes | memoryview, *, content_type: str) -> str:
    """A body as people read it, its secrets masked; what cannot be read as it came."""
    text = bytes(body).decode(errors="replace")
    if content_type.startswith(FORM_TYPE):
        return masked_query(text, hides=_is_secret_of_a_body).replace(quote_plus(MASK), MASK)
    try:
        masked = json.dumps(_masked(json.loads(text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
    return pretty_json(masked)


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: MASK if item and _hides(name, item) else _masked(item) for name, item in value.items()}


def _hides(name: str, item: Any) -> bool:
    return not isinstance(item, dict | list) and _is_secret_of_a_body(name)


def _is_secret_of_a_body(name: str) -> bool:
    return _SECRET_OF_A_BODY.search(name) is not None
