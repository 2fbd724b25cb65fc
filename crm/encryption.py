"""Secrets at rest: encrypted with the first of ENCRYPTION_KEYS, readable with any of them, so that keys can rotate."""

import json
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


def encrypt(value: Any) -> str:
    """Any JSON value to a Fernet token."""
    return _cipher().encrypt(json.dumps(value).encode()).decode()


def decrypt(token: str) -> Any:
    """The JSON value of a token. Raises cryptography.fernet.InvalidToken where no key fits."""
    return json.loads(_cipher().decrypt(token.encode()))


def rotate(token: str) -> str | None:
    """The same value encrypted with the newest key; None where it is already. Raises as `decrypt` does."""
    try:
        Fernet(settings.ENCRYPTION_KEYS[0]).decrypt(token.encode())
    except InvalidToken:
        return _cipher().rotate(token.encode()).decode()
    return None


if TYPE_CHECKING:
    _TextField = models.TextField[Any, Any]
else:
    _TextField = models.TextField  # which takes no type arguments at run time


class EncryptedField(_TextField):
    """A JSON value that is plain in Python and encrypted in the database. It cannot be searched for."""

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else encrypt(value)

    def from_db_value(self, value: str | None, *_connection: object) -> Any:
        return None if value is None else decrypt(value)

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.get_prep_value(self.value_from_object(obj)))
