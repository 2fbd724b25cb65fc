"""By what a repeat is recognised: the sender's own name for the event where there is one, else what the body says.

The setting of an endpoint: {"keys": ["header:X-Event-Id", "body:data.id", "query:id"], "window_days": 30,
"ignore": ["sent_at"]}. The first key that is there decides; where none is, a hash of the body without what `ignore`
names. Bodies are compared by what they say, so that spaces and the order of keys make no difference.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from webhooks.paths import read_path, value_at, without

DEFAULT_WINDOW_DAYS = 30
_LONGEST_WINDOW_DAYS = 365
_MOST_SOURCES = 10
_LONGEST_ID = 200  # longer ones are hashed
_SOURCE = re.compile(r"(header|query|body):(.{1,200})")
_MESSAGE_ID = re.compile(r"[\x21-\x7e]{1,255}")
# Where nothing is signed, or the id is, it may be believed. Signatures of other schemes leave it out.
_ID_IS_BELIEVED = {"none", "token", "basic", "standard_webhooks"}

Headers = Mapping[str, str]


class InvalidDedupe(ValueError):
    """A setting that cannot be. The message is fit for the admin."""


def window(setting: Mapping[str, Any] | None) -> timedelta:
    """How long a repeat is recognised."""
    return timedelta(days=(setting or {}).get("window_days", DEFAULT_WINDOW_DAYS))


def dedupe_key(
    value: Any,
    *,
    setting: Mapping[str, Any] | None,
    scheme: str,
    headers: Headers,
    query: Mapping[str, str],
    event_id: Any = None,
) -> str:
    """At most 300 characters, the same for every repeat of one event. Header names are in lower case; `event_id` is
    what the endpoint's mapping says it is.
    """
    setting = setting or {}
    for source in setting.get("keys", []):
        place, _colon, name = source.partition(":")
        found = _text(_look(place, name, value=value, headers=headers, query=query))
        if found:
            return f"{source[:60]}:{found}"
    if not setting.get("keys") and (
        named := _usual_name(value, event_id=event_id, headers=headers, scheme=scheme)
    ):
        return named
    for path in setting.get("ignore", []):
        value = without(value, read_path(path))
    return f"sha256:{_hash(_canonical(value))}"


def _usual_name(value: Any, *, event_id: Any, headers: Headers, scheme: str) -> str:
    own = value.get("event_id") if isinstance(value, dict) else None
    if named := _text(event_id) or _text(own):
        return f"event_id:{named}"
    family = "svix" if "webhook-id" not in headers else "webhook"
    message_id = headers.get(f"{family}-id", "")
    if scheme in _ID_IS_BELIEVED and _MESSAGE_ID.fullmatch(message_id):
        return f"webhook-id:{message_id}"
    return ""


def _look(place: str, name: str, *, value: Any, headers: Headers, query: Mapping[str, str]) -> Any:
    if place == "header":
        return headers.get(name.lower())
    return query.get(name) if place == "query" else value_at(value, read_path(name))


def _text(value: Any) -> str:
    """A text or a number as text, "" for whatever else."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    text = str(value).strip()
    if len(text) > _LONGEST_ID or not text.isprintable():
        return _hash(text)
    return text


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def clean_dedupe(setting: Any) -> dict[str, Any] | None:
    """The setting in order, None for none. Raises InvalidDedupe."""
    if setting is None:
        return None
    if not isinstance(setting, dict):
        raise InvalidDedupe(_("An object with “keys”, “window_days” and “ignore” is expected."))
    unknown = next((name for name in setting if name not in {"keys", "window_days", "ignore"}), None)
    if unknown is not None:
        raise InvalidDedupe(_("There is no “%(name)s” here.") % {"name": unknown})
    for source in _texts(setting, "keys"):
        form = _SOURCE.fullmatch(source)
        if form is None or (form[1] == "body" and not _is_path(form[2])):
            said = {"source": source}
            raise InvalidDedupe(
                _("“%(source)s” is none of header:Name, query:name and body:path.to.field.") % said
            )
    for path in _texts(setting, "ignore"):
        if not _is_path(path):
            raise InvalidDedupe(_("“%(path)s” is no path of a field in the body.") % {"path": path})
    days = setting.get("window_days", DEFAULT_WINDOW_DAYS)
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= _LONGEST_WINDOW_DAYS:
        raise InvalidDedupe(
            _("“window_days” is a number from 1 to %(most)d.") % {"most": _LONGEST_WINDOW_DAYS}
        )
    return {"keys": setting.get("keys", []), "window_days": days, "ignore": setting.get("ignore", [])}


def _texts(setting: Mapping[str, Any], name: str) -> list[str]:
    texts = setting.get(name, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InvalidDedupe(_("“%(name)s” is a list of texts.") % {"name": name})
    if len(texts) > _MOST_SOURCES:
        raise InvalidDedupe(
            _("“%(name)s” has at most %(most)d entries.") % {"name": name, "most": _MOST_SOURCES}
        )
    return texts


def _is_path(text: str) -> bool:
    try:
        read_path(text)
    except ValueError:
        return False
    return True
