"""What the receiver of a destination needs: the code that verifies our signature, and the headers to expect.

The code is that of `docs/receiving.md`, which the tests run: there is one source, and what a page shows is known to
work.
"""

import re
from dataclasses import dataclass
from functools import cache

from django.conf import settings

from automations.models import Destination
from automations.requests import private_headers

GUIDE = settings.BASE_DIR / "docs" / "receiving.md"
SIGNED_WITH = ("webhook-id", "webhook-timestamp", "webhook-signature")
_EXAMPLE = re.compile(r"^### (.+?)\n.*?^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Example:
    """How to verify a request in one language: a whole piece of a program."""

    language: str
    code: str


@cache
def examples() -> list[Example]:
    """The first example under each heading of the guide's part about signatures."""
    part = GUIDE.read_text().partition("\n## How it is signed\n")[2].partition("\n## ")[0]
    return [Example(language=name, code=code) for name, _mark, code in _EXAMPLE.findall(part)]


def own_headers(destination: Destination) -> list[str]:
    """The names of what comes beside our headers: the admin's own and the authentication."""
    names = list(private_headers(destination))
    return [*names, "Authorization"] if destination.auth == Destination.Auth.OAUTH2 else names
