"""The outside system of the demo: it takes Stagehook's webhooks and, a second later, tells the order's number.

It knows no more of Stagehook than any receiver does, and leaves verifying and signing to the `standardwebhooks`
library. What it took is kept in memory only; after a restart it may tell a thing twice, under the same event id.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests
from standardwebhooks import Webhook, WebhookVerificationError

log = logging.getLogger(__name__)

TAG = "Pedido no ERP"
PAUSES = (0, 1, 2, 5, 10, 20, 40)  # seconds before each try: Stagehook may just be starting again


@dataclass(frozen=True, slots=True)
class Partner:
    """Stagehook, as the ERP knows it: the secret of what comes from there, and where and how to answer."""

    secret: str
    answer_url: str
    answer_secret: str


class Erp(ThreadingHTTPServer):
    """Listens on loopback. `partner` is asked at each request, so that a new secret counts at once."""

    daemon_threads = True

    def __init__(
        self, *, port: int, partner: Callable[[], Partner | None], answer_after: float = 1.0
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self._partner = partner
        self._answer_after = answer_after
        self._taken: set[str] = set()
        self._lock = threading.Lock()

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """Take a webhook in; returns the status to answer with."""
        partner = self._partner()
        if partner is None:
            return 404
        try:
            event = Webhook(partner.secret).verify(body, dict(headers))
        except (WebhookVerificationError, ValueError):
            return 401
        if not event["test"] and self._is_new(headers["webhook-id"]):
            timer = threading.Timer(self._answer_after, tell_order, [partner, event, dict(headers)])
            timer.daemon = True
            timer.start()
        return 200

    def _is_new(self, webhook_id: str) -> bool:
        with self._lock:
            is_new = webhook_id not in self._taken
            self._taken.add(webhook_id)
        return is_new


class _Handler(BaseHTTPRequestHandler):
    server: Erp

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status = self.server.take({name.lower(): value for name, value in self.headers.items()}, body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name it has in the base class
        log.info(format, *args)


def tell_order(partner: Partner, event: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Post the order's number to Stagehook, again and again until it is taken; says whether it was."""
    document = order_document(event, webhook_id=headers["webhook-id"])
    body = json.dumps(document)
    for pause in PAUSES:
        time.sleep(pause)
        signed = _signed(document["event_id"], body, secret=partner.answer_secret)
        # Handed back, the chain lets Stagehook see what caused what.
        chain = {"Stagehook-Chain": headers["stagehook-chain"]} if "stagehook-chain" in headers else {}
        try:
            answer = requests.post(partner.answer_url, body, headers={**signed, **chain}, timeout=10)
        except requests.RequestException as error:
            # Not the error's text, which has the secret URL in it.
            log.warning("Stagehook cannot be reached: %s", type(error).__name__)
            continue
        log.info("%s: %d", document["deal"]["external_ids"]["erp"], answer.status_code)
        if answer.status_code < 500:
            return answer.ok
    return False


def order_document(event: Mapping[str, Any], *, webhook_id: str) -> dict[str, Any]:
    """The order of a deal, as Stagehook's native document. A deal keeps its order's number."""
    deal = event["data"]["deal"]
    number = f"PED-{10_000 + deal['id']}"
    return {
        "event_id": f"order-{webhook_id}",
        "match": {"deal_id": deal["id"]},
        "if_missing": "ignore",
        "deal": {"add_tags": [TAG], "external_ids": {"erp": number}},
        "activity": {
            "kind": "note",
            "subject": f"ERP: pedido {number}",
            "body": f"Pedido {number} atualizado: a etapa é “{deal['stage']['name']}”.",
        },
    }


def _signed(message_id: str, body: str, *, secret: str) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, body),
    }
