"""What is wrong with a request, as senders and people are told it, each in their language."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import get_language, override

# {"code", "path", "message"}, and as it is kept also "messages": {language: the message in it}.
Problem = dict[str, Any]


class InvalidDocument(ValueError):
    """The document cannot be applied. `problems` is a list of Problem."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem['path']}: {problem['message']}" for problem in problems))


def problem(code: str, path: str, message: str | Promise) -> Problem:
    """A lazy message is kept in every language at once."""
    found: Problem = {"code": code, "path": path, "message": str(message)}
    if isinstance(message, Promise):
        found["messages"] = {language: _in(language, message) for language, _name in settings.LANGUAGES}
    return found


def _in(language: str, message: Promise) -> str:
    with override(language):
        return str(message)


def in_every_language(problems: Sequence[Problem], again: Callable[[], Sequence[Problem]]) -> list[Problem]:
    """The problems with their messages in all languages. `again` finds the same ones anew, in the language it meets.

    Messages come from many places, and most of them as text that is made already: so we ask once for each language.
    """
    present = get_language() or settings.LANGUAGE_CODE
    said = {present: problems}
    for language, _name in settings.LANGUAGES:
        if language != present:
            with override(language):
                found = again()
            if [each["path"] for each in found] == [each["path"] for each in problems]:
                said[language] = found
    return [
        {**each, "messages": {language: found[place]["message"] for language, found in said.items()}}
        for place, each in enumerate(problems)
    ]


def in_readers_language(problems: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Kept problems as they are shown: code, path, message."""
    language = get_language() or settings.LANGUAGE_CODE
    return [
        problem(each["code"], each["path"], each.get("messages", {}).get(language, each["message"]))
        for each in problems
    ]
