"""What a stored body amounts to: the native documents in it, as they are or by the endpoint's mapping."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from webhooks.bodies import Malformed, parse_body
from webhooks.documents import Document, InvalidDocument, problem, read_document
from webhooks.landing import Landing, plain_fields, with_campaign
from webhooks.mapping import NotWanted, mappings_of, read_records
from webhooks.mapping.reading import Record, numbered

Numbered = list[tuple[int | None, Document]]


def records_in(
    *,
    mapping: Any,
    body: bytes,
    content_type: str,
    headers: Mapping[str, str],
    page: Landing | None = None,
) -> list[Record]:
    """The documents of a body before they are judged; `page` is the landing page it may have come from.

    Raises InvalidDocument, also for a malformed body, and NotWanted.
    """
    try:
        value = parse_body(body=body, content_type=content_type)
    except Malformed as error:
        raise InvalidDocument([problem("malformed", "", str(error))]) from error
    if page is not None:
        value = plain_fields(page, value)
    records = [Record(value, None)] if mapping is None else read_records(mapping, value, headers=headers)
    if page is None:
        return records
    return [replace(record, document=with_campaign(record.document, value)) for record in records]


def event_id_in(value: Any, *, mapping: Any, headers: Mapping[str, str]) -> Any:
    """The sender's name for the event where the mapping says what it is and the body is one record; else None."""
    if not any("event_id" in each["fields"] for each in mappings_of(mapping)):
        return None
    try:
        records = read_records(mapping, value, headers=headers)
    except (NotWanted, InvalidDocument):
        return None
    return records[0].document.get("event_id") if len(records) == 1 else None


def judged(records: list[Record]) -> Numbered:
    """Each document with its number in the body's list. Raises InvalidDocument with all that is wrong in them."""
    documents: Numbered = []
    problems = []
    for record in records:
        try:
            documents.append((record.number, read_document(record.document)))
        except InvalidDocument as error:
            problems += numbered(error.problems, record.number)
    if problems:
        raise InvalidDocument(problems)
    return documents
