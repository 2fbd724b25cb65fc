"""What the queue calls."""

from django.utils import timezone

from config.insights import watching


def watch() -> None:
    """Open and end alerts."""
    watching.watch(now=timezone.now())
