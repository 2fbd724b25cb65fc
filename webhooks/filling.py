"""Fields that a document sets only where they are empty."""

from collections.abc import Mapping
from typing import Any

from crm.models import Company, Contact, Deal, Subscription
from webhooks.documents import Document

Row = Deal | Contact | Company | Subscription
_NOTHING: tuple[object, ...] = (None, "", [], {}, 0)


def without_filled(
    told: Mapping[str, Any], document: Document, *, part: str, row: Row | None
) -> dict[str, Any]:
    """What is told of a part, without the fields that `only_if_empty` names and that the row has a value in."""
    only = [
        path.removeprefix(f"{part}.")
        for path in document.get("only_if_empty", ())
        if path.startswith(f"{part}.")
    ]
    if not only or row is None:
        return dict(told)
    kept = {name: value for name, value in told.items() if name not in only or not _is_filled(row, name)}
    custom = kept.get("custom_fields")
    if custom and not isinstance(row, Subscription):
        kept["custom_fields"] = {
            key: value
            for key, value in custom.items()
            if not {f"custom_fields.{key}", "custom_fields"} & set(only) or not row.custom_fields.get(key)
        }
    return kept


def _is_filled(row: Row, name: str) -> bool:
    return name != "custom_fields" and getattr(row, name, None) not in _NOTHING
