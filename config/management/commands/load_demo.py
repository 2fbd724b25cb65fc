"""Fills a database with the demo."""

from typing import Any

from django.core.management import BaseCommand, CommandError

from automations.destinations import DestinationError
from config.demo.loading import load_demo


class Command(BaseCommand):
    help = "Loads the demo: a sales team with its deals and an ERP. Does nothing where it is loaded already."

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            loaded = load_demo()
        except DestinationError as error:
            raise CommandError(
                f"The demo's ERP runs on this machine: set ALLOWED_PRIVATE_NETWORKS=127.0.0.0/8. ({error})"
            ) from error
        self.stdout.write("The demo is loaded." if loaded else "The demo was loaded already.")
