"""What every value must keep to, whatever form it came in: PostgreSQL or Python could choke on it later."""

import re
from typing import Any

from django.utils.translation import gettext as _

from webhooks.bodies.errors import Malformed

DEEPEST = 32
MOST_VALUES = 100_000  # keys count too
# PostgreSQL keeps neither U+0000 nor half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def check_value(value: Any) -> None:
    """Walk through level by level, without recursion, down to the deepest allowed. Raises Malformed."""
    level, count = [value], 0
    for _depth in range(DEEPEST + 1):
        count += len(level)
        if count > MOST_VALUES:
            raise Malformed(_("There are more than %(most)d keys and values.") % {"most": MOST_VALUES})
        if any(isinstance(item, str) and _UNSTORABLE.search(item) for item in level):
            raise Malformed(_("A text holds a character that cannot be stored (U+0000 or half of a pair)."))
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return
        level = [child for container in containers for child in _children(container)]
    raise Malformed(too_deep())


def _children(container: dict[str, Any] | list[Any]) -> list[Any]:
    return [*container.keys(), *container.values()] if isinstance(container, dict) else container


def too_deep() -> str:
    return _("Objects and lists are nested deeper than %(most)d levels.") % {"most": DEEPEST}
