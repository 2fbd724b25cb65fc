"""`python manage.py worker`: the task cluster under its watch."""

from typing import Any

from django.core.management.base import BaseCommand

from config.worker import Watch


class Command(BaseCommand):
    help = "Runs the task cluster and starts it anew whenever it stops working."

    def handle(self, **_options: Any) -> None:
        Watch().run()
