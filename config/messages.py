"""How Babel reads the texts of Django's code and templates (a fresh machine has no xgettext)."""

from collections.abc import Collection, Iterator
from io import BytesIO
from typing import IO, Any

from babel.messages.extract import extract_python
from django.utils.translation.template import templatize

_ADDED_BY_DJANGO = {
    "gettext_lazy": "gettext",
    "gettext_noop": "gettext",
    "ngettext_lazy": "ngettext",
    "npgettext_lazy": "npgettext",
    "pgettext_lazy": "pgettext",
}


def extract_from_python(
    file: IO[bytes], keywords: Collection[str], comment_tags: Collection[str], options: Any
) -> Iterator[tuple[Any, ...]]:
    """Babel's extraction method for Python, which knows Django's names too."""
    known = dict.fromkeys([*keywords, *_ADDED_BY_DJANGO])
    for line, name, texts, comments in extract_python(file, known, comment_tags, options):
        yield line, _ADDED_BY_DJANGO.get(str(name), name), texts, comments


def extract_from_template(
    file: IO[bytes], keywords: Collection[str], comment_tags: Collection[str], options: Any
) -> Iterator[tuple[Any, ...]]:
    """Babel's extraction method: Django turns a template into something like Python, line by line."""
    lines = templatize(file.read().decode()).splitlines()
    unindented = "\n".join(line.strip() for line in lines)
    return extract_python(BytesIO(unindented.encode()), dict.fromkeys(keywords), comment_tags, options)
