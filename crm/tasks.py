"""What the queue calls. The tables hold the truth, so each may run twice, late or not at all."""

from django.utils import timezone

from crm import notices, subscriptions


def mail_notices() -> None:
    """Send the mails that are due: of notices just written, and those whose last try failed."""
    notices.mail_due(now=timezone.now())


def cut_notices() -> None:
    """Remove what was read and has grown old."""
    notices.cut_read(now=timezone.now())


def remind_renewals() -> None:
    """Tell people of the renewals that are near."""
    subscriptions.remind_renewals(now=timezone.now())
