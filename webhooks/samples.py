"""A request to try an endpoint with, as a command for a terminal, with whatever the endpoint recognises senders by."""

import base64
import json
import shlex
from collections.abc import Mapping
from urllib.parse import urlencode

from webhooks.models import InboundEndpoint

HIDDEN = "YOUR_SECRET"

_SIGNED = """body={body}
id="msg_$(date +%s)"; timestamp=$(date +%s)
key=$(printf %s {secret} | cut -d_ -f2 | base64 -d | od -An -vtx1 | tr -d ' \\n')
signature=$(printf %s "$id.$timestamp.$body" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
curl -X POST {url} \\
  -H 'Content-Type: application/json' \\
  -H "webhook-id: $id" -H "webhook-timestamp: $timestamp" -H "webhook-signature: v1,$signature" \\
  --data-binary "$body\""""


# As a system might send it that knows nothing of ours.
FOREIGN: dict[str, object] = {
    "order": 1001,
    "customer": {"name": "Maria Souza", "email": "maria@example.com", "phone": "(11) 95550-0100"},
    "total": "R$ 1.234,56",
}


def curl_for(
    endpoint: InboundEndpoint, *, secret: str | None, document: Mapping[str, object] | None = None
) -> str:
    """The command, with HIDDEN where `secret` is not known any more; "" for senders who sign in their own way."""
    told = secret or HIDDEN
    if endpoint.verification["scheme"] not in {"standard_webhooks", "token", "basic", "none"}:
        return ""
    body = shlex.quote(json.dumps(document or document_for(endpoint), ensure_ascii=False))
    verification = endpoint.verification
    if verification["scheme"] == "standard_webhooks":
        return _SIGNED.format(body=body, secret=shlex.quote(told), url=shlex.quote(endpoint.url))
    url, headers = endpoint.url, ["Content-Type: application/json"]
    if verification["scheme"] == "token" and verification["in"] == "query":
        url = f"{url}?{urlencode({verification['name']: verification.get('prefix', '') + told})}"
    elif verification["scheme"] == "token":
        headers.append(f"{verification['name']}: {verification.get('prefix', '')}{told}")
    elif verification["scheme"] == "basic":
        login = base64.b64encode(f"{verification['username']}:{told}".encode()).decode()
        headers.append(f"Authorization: Basic {login if secret else HIDDEN}")
    lines = [f"curl -X POST {shlex.quote(url)}", *(f"-H {shlex.quote(header)}" for header in headers)]
    return " \\\n  ".join([*lines, f"--data-binary {body}"])


def document_for(endpoint: InboundEndpoint) -> dict[str, object]:
    """Makes a deal, once however often it is sent."""
    deal: dict[str, object] = {"title": "Website: 3 licences", "value": "150.00", "add_tags": ["website"]}
    if endpoint.default_stage:
        deal["stage"] = endpoint.default_stage.name
    return {
        "event_id": "order-1001",
        "deal": deal,
        "contact": {"name": "Maria Souza", "emails": ["maria@example.com"]},
    }
