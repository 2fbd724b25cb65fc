"""The demo's outside system, as a process of its own."""

import contextlib
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import BaseCommand
from django.db import connection

from automations.models import Destination
from config.demo.erp import Erp, Partner
from config.demo.loading import ERP_NAME


class Command(BaseCommand):
    help = "Runs the demo's ERP, which answers the demo's webhooks with an order number."

    def handle(self, *_args: Any, **_options: Any) -> None:
        Erp(port=port(), partner=partner).serve_forever()


def port() -> int:
    """Where the demo's destination says that the ERP listens."""
    destination = _destination()
    return (destination and urlsplit(destination.url).port) or settings.DEMO_ERP_PORT


def partner() -> Partner | None:
    """How to talk to Stagehook at present; None when the destination or its endpoint was deleted."""
    with contextlib.closing(connection):  # each of the ERP's threads has its own
        destination = _destination()
    endpoint = destination.paired_endpoint if destination else None
    if destination is None or endpoint is None or not endpoint.secret:
        return None
    return Partner(secret=destination.secret, answer_url=endpoint.url, answer_secret=endpoint.secret)


def _destination() -> Destination | None:
    present = Destination.objects.present().select_related("paired_endpoint")
    return present.filter(name=ERP_NAME).first()
