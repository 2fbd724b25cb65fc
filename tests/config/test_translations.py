"""Portuguese (Brazil) is complete: every text of the code and the templates, with nothing lost on the way."""

import re
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from tests.processes import PROJECT

Text: TypeAlias = tuple[
    str | None, tuple[str, ...]
]  # the context, and the singular with its plural if there is one

PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z%]|\{\w+\}")


@pytest.fixture(scope="module")
def portuguese() -> Catalog:
    with (PROJECT / "config/locale/pt_BR/LC_MESSAGES/django.po").open("rb") as file:
        return read_po(file, locale="pt_BR")


def texts_in_use(path: Path) -> Catalog:
    """What the code and the templates say, extracted to `path` as `make messages` does."""
    babel = [sys.executable, "-m", "babel.messages.frontend", "--quiet"]
    options = ["--mapping", "pyproject.toml", "--ignore-dirs", ".*", "--output", str(path)]
    subprocess.run([*babel, "extract", *options, "."], cwd=PROJECT, check=True)
    with path.open("rb") as file:
        return read_po(file)


def messages(catalogue: Catalog) -> list[Message]:
    return [message for message in catalogue if message.id]


def forms(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (text or "",) if isinstance(text, str | None) else tuple(text)


def text(message: Message) -> Text:
    return message.context, forms(message.id)


def is_translated(message: Message) -> bool:
    """Not fuzzy, and in the plural too where there is one: Portuguese has two forms, as English has."""
    said = forms(message.string)
    return not message.fuzzy and all(said) and len(said) == len(forms(message.id))


def placeholders(form: str) -> list[str]:
    return sorted(PLACEHOLDER.findall(form))


def test_every_text_of_the_project_is_translated_and_no_other(portuguese: Catalog, tmp_path: Path) -> None:
    in_use = {text(message) for message in messages(texts_in_use(tmp_path / "django.pot"))}
    assert {text(message) for message in messages(portuguese) if is_translated(message)} == in_use


def test_a_translation_has_the_placeholders_of_its_source(portuguese: Catalog) -> None:
    pairs = [
        (source, said)
        for message in messages(portuguese)
        for source, said in zip(forms(message.id), forms(message.string), strict=True)
    ]
    assert [pair for pair in pairs if placeholders(pair[0]) != placeholders(pair[1])] == []
