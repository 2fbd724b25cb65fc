"""How Babel reads the texts of Django's templates (a fresh machine has no xgettext)."""

from collections.abc import Collection, Iterator, Mapping
from io import BytesIO
from typing import IO, Any

from babel.messages.extract import extract_python
from django.utils.translation.template import templatize


def extract_from_template(
    file: IO[bytes], keywords: Mapping[str, Any], comment_tags: Collection[str], options: Any
) -> Iterator[tuple[Any, ...]]:
    """Babel's extraction method: Django turns a template into something like Python, line by line."""
    lines = templatize(file.read().decode()).splitlines()
    unindented = "\n".join(line.strip() for line in lines)
    return extract_python(BytesIO(unindented.encode()), keywords, comment_tags, options)
