"""Our events as OpenAPI's `webhooks:` describe them: what a receiver can expect, for its own tools to read."""

from typing import Any

from automations.models import Delivery, Event

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_MOMENT = {"type": "string", "format": "date-time"}
_OBJECT = {"type": "object", "additionalProperties": True}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list_of(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_NAMED = _object(id=_NUMBER, name=_TEXT)
_DEAL = _object(
    id=_NUMBER,
    title=_TEXT,
    value={"type": "string", "format": "decimal"},
    currency=_TEXT,
    status={"type": "string", "enum": ["open", "won", "lost"]},
    pipeline=_NAMED,
    stage=_NAMED,
    owner=_or_null(_object(id=_NUMBER, name=_TEXT, email=_TEXT)),
    contact=_or_null(_object(id=_NUMBER, name=_TEXT, emails=_list_of(_TEXT), phones=_list_of(_TEXT))),
    company=_or_null(_object(id=_NUMBER, name=_TEXT, tax_id=_TEXT)),
    tags=_list_of(_TEXT),
    source=_or_null(_TEXT),
    lost_reason=_or_null(_TEXT),
    custom_fields=_OBJECT,
    external_ids={"type": "object", "additionalProperties": _TEXT},
    version=_NUMBER,
    created_at=_MOMENT,
    updated_at=_MOMENT,
    stage_entered_at=_MOMENT,
    closed_at=_or_null(_MOMENT),
    expected_close_on=_or_null({"type": "string", "format": "date"}),
)
_CHANGED_BY = _object(
    kind={"type": "string", "enum": ["user", "token", "inbound", "system"]},
    id=_or_null(_NUMBER),
    name=_TEXT,
)
_CALL = _object(
    id=_NUMBER,
    direction={"type": "string", "enum": ["in", "out"]},
    from_number=_TEXT,
    to_number=_TEXT,
    started_at=_or_null(_MOMENT),
    duration_seconds=_or_null(_NUMBER),
    status=_TEXT,
    recording_url=_TEXT,
    external_id=_TEXT,
    agent=_or_null(_NAMED),
)
_SUBSCRIPTION = _object(
    id=_NUMBER,
    plan=_TEXT,
    status={"type": "string", "enum": ["trial", "active", "past_due"]},
    amount=_or_null({"type": "string", "format": "decimal"}),
    currency=_TEXT,
    renews_on={"type": "string", "format": "date"},
    external_id=_TEXT,
)
# What an event is about beside the deal.
_ABOUT = {
    Event.CALL_RECORDED: {"call": _CALL},
    Event.SUBSCRIPTION_RENEWAL_DUE: {"subscription": _SUBSCRIPTION},
}
_HEADERS = {
    "webhook-id": "The delivery's id, the same on every retry and resend.",
    "webhook-timestamp": "When this attempt was made, in Unix seconds.",
    "webhook-signature": "`v1,` and the base64 HMAC-SHA256 of id.timestamp.body; several while a secret rotates.",
    "Idempotency-Key": "The same as `webhook-id`.",
    "Stagehook-Event": "The same as `type`.",
    "Stagehook-Attempt": "The attempt's number, from 1.",
    "Stagehook-Trigger": "Why it was made: "
    + ", ".join(f"`{trigger}`" for trigger in Delivery.Trigger)
    + ".",
    "Stagehook-Chain": "Send it back with what this event makes you send us, so that cause and effect can be followed.",
}


def _payload(event: Event) -> dict[str, Any]:
    data = _object(
        deal=_DEAL,
        previous=_OBJECT,
        changed_by=_CHANGED_BY,
        sequence=_NUMBER,
        rule=_or_null(_NAMED),
        **_ABOUT.get(event, {}),
    )
    return _object(
        type={"type": "string", "const": event.value},
        version={"type": "integer", "const": 1},
        timestamp=_MOMENT,
        data=data,
        test={"type": "boolean"},
    )


def _path_item(event: Event) -> dict[str, Any]:
    return {
        "post": {
            "operationId": f"event_{event.value.replace('.', '_')}",
            "summary": event.value,
            "tags": ["events"],
            "parameters": [
                {"name": name, "in": "header", "required": True, "description": text, "schema": _TEXT}
                for name, text in _HEADERS.items()
            ],
            "requestBody": {"required": True, "content": {"application/json": {"schema": _payload(event)}}},
            "responses": {
                "2XX": {"description": "Taken. Whatever else is answered, it is sent again later."},
                "410": {"description": "Gone: nothing is sent there any more."},
            },
        }
    }


EVENTS: dict[str, dict[str, Any]] = {event.value: _path_item(event) for event in Event}
