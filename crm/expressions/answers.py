"""The functions for what people fill in: forms whose fields are named by whoever made them, and numbers as typed."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from email.utils import parseaddr
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from jmespath.functions import Functions, signature
from stdnum.br import cnpj, cpf

from crm.phones import to_e164

_OBJECT: Any = {"types": ["object", "null"]}
_ANY: Any = {"types": []}
_NAMES: Any = {"types": ["array-string"]}
_UNSEEN = str.maketrans("", "", " -_.:*")


class AnswerFunctions(Functions):
    """`field`, `lines`, `keyed` and what gives null for an answer that is not what was asked for: `phone_or_null`,
    `email_or_null`, `cpf_or_null`, `cnpj_or_null`.
    """

    @signature(_OBJECT, _NAMES)
    def _func_field(self, answers: Mapping[str, Any] | None, names: list[str]) -> Any:
        """The first that is there under one of the names: "E-mail", "e_mail" and "email" are one name."""
        by_name = {_bare(name): value for name, value in reversed(list((answers or {}).items()))}
        found = (by_name.get(_bare(name)) for name in names)
        return next((value for value in found if value is not None and value != ""), None)

    @signature(_OBJECT, _NAMES)
    def _func_lines(self, answers: Mapping[str, Any] | None, but: list[str]) -> str | None:
        """ "Name: value" for each that is there, without those named in `but`."""
        left_out = {_bare(name) for name in but}
        written = ((name, _in_words(value)) for name, value in (answers or {}).items())
        lines = [f"{name}: {text}" for name, text in written if text and _bare(name) not in left_out]
        return "\n".join(lines) or None

    @signature(_OBJECT)
    def _func_keyed(self, answers: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """What is there under keys such as those of custom fields: "Canal do anúncio" is canal_do_anuncio."""
        there = {_key(name): value for name, value in (answers or {}).items() if value not in (None, "")}
        return {key: value for key, value in there.items() if key} or None

    @signature(_ANY, {"types": ["string", "null"]})
    def _func_phone_or_null(self, text: Any, country: str | None) -> str | None:
        """As to_phone, and null for what is no telephone number: "anonymous", an extension, an account's name."""
        number = as_typed(text)
        if any(letter.isalpha() for letter in number):
            return None
        return unless_refused(to_e164, number, country=(country or "").upper())

    @signature(_ANY)
    def _func_email_or_null(self, text: Any) -> str | None:
        """The address, also of "Ana Lima <ana@example.com>"."""
        answer = as_typed(text)
        address = parseaddr(answer)[1] if "<" in answer else answer
        try:
            validate_email(address)
        except ValidationError:
            return None
        return address

    @signature(_ANY)
    def _func_cpf_or_null(self, text: Any) -> str | None:
        return unless_refused(cpf.validate, as_typed(text))

    @signature(_ANY)
    def _func_cnpj_or_null(self, text: Any) -> str | None:
        return unless_refused(cnpj.validate, as_typed(text))


def as_typed(value: Any) -> str:
    """A text or number without the space around it; "" for all else."""
    is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value).strip() if is_plain else ""


def unless_refused(read: Callable[..., Any], answer: Any, **how: str) -> str | None:
    """What `read` gives, None for nothing and for what it refuses."""
    try:
        return str(read(answer, **how)) if answer else None
    except ValueError:
        return None


def _bare(name: str) -> str:
    return name.translate(_UNSEEN).lower()


def _key(name: str) -> str:
    """Small letters, digits and underscores, at most 60, beginning with a letter; "" where none is left."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", letters).lstrip("_0123456789")[:60].rstrip("_")


def _in_words(value: Any) -> str:
    """A value as a person would write it: lists with commas, the parts of a name or a number with spaces."""
    if isinstance(value, Mapping):
        return " ".join(_parts(value.values()))
    if isinstance(value, list):
        return ", ".join(_parts(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value).strip()


def _parts(values: Any) -> Iterator[str]:
    return (text for text in map(_in_words, values) if text)
