"""Turns any sender's body into native documents, by expressions that an administrator or a preset wrote.

A mapping is `{"each"?, "when"?, "otherwise"?, "fields", "only_if_empty"?}`, or a list of such for a system that sends
several kinds of events; docs/sending.md says what each part means.
"""

from webhooks.mapping.reading import NotWanted, Record, read_records
from webhooks.mapping.shape import check_mapping, mappings_of

__all__ = ["NotWanted", "Record", "check_mapping", "mappings_of", "read_records"]
