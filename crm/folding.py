"""Text as search compares it: lower case, without accents. In Python and in PostgreSQL, by the same table.

PostgreSQL's own `unaccent` may not stand in an index, because its dictionary can be changed; `translate` may.
"""

from typing import Any

from django.db.models import Func, GeneratedField, TextField, Value
from django.db.models.functions import Lower

_ACCENTED = "áàâãäåéèêëíìîïóòôõöúùûüçñýÿ"
_PLAIN = "aaaaaaeeeeiiiiooooouuuucnyy"
_TABLE = str.maketrans(_ACCENTED, _PLAIN)


def fold(text: str) -> str:
    return text.lower().translate(_TABLE)


class Folded(Func):
    """`fold()` of a column or expression, for conditions and for the indexes that serve them."""

    function = "translate"
    output_field = TextField()

    def __init__(self, expression: Any, **extra: Any) -> None:
        if isinstance(expression, Lower):  # Django copies expressions by calling them with their own parts
            super().__init__(expression, Value(_ACCENTED), Value(_PLAIN), **extra)
        else:
            super().__init__(Lower(expression), Value(_ACCENTED), Value(_PLAIN), **extra)


def folded_sql(column: str) -> str:
    """`Folded` for statements of our own, word by word what the indexes have."""
    return f"translate(lower({column}), '{_ACCENTED}', '{_PLAIN}')"


def words_of(expression: Any) -> GeneratedField:
    """A column with the folded text of others, for search: folding a text costs ten times what looking into it does."""
    return GeneratedField(expression=Folded(expression), output_field=TextField(), db_persist=True)
