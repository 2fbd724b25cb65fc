"""Plain paths into a value, such as `data.id`, `entry[0].changes[0].id` or `"a.name.with.dots".id`.

Less than JMESPath on purpose: they name places before a mapping has its say, and cost next to nothing.
"""

import re
from typing import Any

from webhooks.bodies import Malformed
from webhooks.bodies.strict_json import parse_json

LONGEST = 200
_STEP = re.compile(r'(?:\A|\.)(?:"([^"]+)"|([^."\[\]{}\s][^."\[\]{}]*))|\[([0-9]{1,4})\]')

Step = str | int


def read_path(text: str) -> list[Step]:
    """The steps of a path. Raises ValueError for what is none."""
    steps: list[Step] = []
    position = 0
    if text.startswith("."):
        raise ValueError(text)
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            raise ValueError(text)
        steps.append(int(step[3]) if step[3] else step[1] or step[2])
        position = step.end()
    if not steps or not isinstance(steps[0], str) or len(text) > LONGEST:
        raise ValueError(text)
    return steps


def value_at(value: Any, steps: list[Step]) -> Any:
    """What is there, None where there is nothing. A text on the way that is JSON is looked into."""
    for step in steps:
        inner = _inside(value)
        if isinstance(step, str):
            value = inner.get(step) if isinstance(inner, dict) else None
        else:
            value = inner[step] if isinstance(inner, list) and step < len(inner) else None
    return value


def without(value: Any, steps: list[Step]) -> Any:
    """A copy that lacks what is there; a name that meets a list is looked for in each of its items."""
    step, *more = steps
    if isinstance(value, list):
        if isinstance(step, str):
            return [without(item, steps) for item in value]
        changed = [without(item, more) for item in value[step : step + 1] if more]
        return [*value[:step], *changed, *value[step + 1 :]]
    if not isinstance(value, dict) or step not in value:
        return value
    kept = {step: without(value[step], more)} if more else {}
    return {**{name: item for name, item in value.items() if name != step}, **kept}


def _inside(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except Malformed:
        return None
