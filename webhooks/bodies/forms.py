"""What browsers and many programs send: names and texts. Brackets in names say how the texts belong together.

`a[b]=1` is {"a": {"b": "1"}}, `a[]=1&a[]=2` and `a[0]=1&a[1]=2` are {"a": ["1", "2"]}, and so is a name that is simply
repeated. Where numbers leave gaps they are names (`fields[7]=x`). Names with brackets that do not match are taken as
they are. Where `a=1` meets `a[b]=2`, the former is found under "": nothing that was sent is lost.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from django.utils.translation import gettext as _

from webhooks.bodies.errors import Malformed
from webhooks.bodies.values import DEEPEST, check_value, too_deep

FORM_TYPE = "application/x-www-form-urlencoded"
MOST_FIELDS = 2_000
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_STEP = re.compile(r"\[([^\[\]]*)\]")


class _Group(dict[str, Any]):
    """Fields under one name. Files are dicts too, and are told apart by this class."""


class _Repeated(list[Any]):
    """The values of a name that came more than once."""


def parse_form(body: bytes, *, charset: str = "utf-8") -> dict[str, Any]:
    """The fields of a form or of a query, nested; every value is a text. Raises Malformed."""
    try:
        pairs = parse_qsl(
            body.decode(charset).strip("\r\n"),
            keep_blank_values=True,
            encoding=charset,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except UnicodeDecodeError as error:
        raise Malformed(_("The body is not text in %(charset)s.") % {"charset": charset}) from error
    except ValueError as error:
        raise Malformed(too_many_fields()) from error
    return nest(pairs)


def too_many_fields() -> str:
    return _("There are more than %(most)d fields.") % {"most": MOST_FIELDS}


def nest(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Names with brackets as objects and lists. Raises Malformed."""
    root = _Group()
    for name, value in fields:
        _put(root, _steps(name), value)
    nested = {name: _settled(value) for name, value in root.items()}
    check_value(nested)
    return nested


def _steps(name: str) -> list[str]:
    form = _NAME.fullmatch(name)
    if form is None:
        return [name]
    steps = [form[1], *_STEP.findall(form[2])]
    if len(steps) > DEEPEST:
        raise Malformed(too_deep())
    return steps


def _put(root: _Group, steps: list[str], value: Any) -> None:
    group = root
    for depth, step in enumerate(steps[:-1]):
        group = _inner(group, _named(group, step, then=steps[depth + 1]) if depth else step)
    last = steps[-1]
    if last == "" and len(steps) > 1:
        last = _next_number(group)
    held = group.get(last)
    if isinstance(held, _Group):
        _put(held, [""], value)
    elif isinstance(held, _Repeated):
        held.append(value)
    else:
        group[last] = _Repeated([held, value]) if last in group else value


def _named(group: _Group, step: str, *, then: str) -> str:
    """For `[]` in the middle of a name: the last item as long as it has no such field yet, else a new one."""
    if step:
        return step
    last = next(reversed(group), None)
    item = group[last] if last is not None else None
    return last if last is not None and isinstance(item, _Group) and then not in item else _next_number(group)


def _inner(group: _Group, name: str) -> _Group:
    held = group.get(name)
    if not isinstance(held, _Group):
        held = _Group({"": held} if name in group else {})
        group[name] = held
    return held


def _next_number(group: _Group) -> str:
    number = len(group)
    while str(number) in group:
        number += 1
    return str(number)


def _settled(value: Any) -> Any:
    if isinstance(value, _Group):
        inner = {name: _settled(item) for name, item in value.items()}
        numbers = [str(number) for number in range(len(inner))]
        return [inner[number] for number in numbers] if inner.keys() == set(numbers) else inner
    return list(value) if isinstance(value, _Repeated) else value
