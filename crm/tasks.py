"""What the queue calls. The tables hold the truth, so each may run twice, late or not at all."""

from django.utils import timezone

from crm import activities, duplicates, files, login_limits, notices, password_reset, subscriptions
from crm.imports import jobs as imports


def mail_notices() -> None:
    """Send the mails that are due: of notices just written, those whose last try failed, and the day's digests."""
    notices.mail_due(now=timezone.now())
    notices.mail_digests(now=timezone.now())


def cut_notices() -> None:
    """Remove what was read and has grown old."""
    notices.cut_read(now=timezone.now())


def remind_renewals() -> None:
    """Tell people of the renewals that are near."""
    subscriptions.remind_renewals(now=timezone.now())


def remind_activities() -> None:
    """Tell people of activities that have come due."""
    activities.remind(now=timezone.now())


def mail_password_reset(email: str) -> None:
    """Send the link to a new password to whoever has this address."""
    password_reset.mail_reset(email=email)


def compare_changed() -> None:
    """Look for duplicates of what has changed."""
    duplicates.compare_changed(now=timezone.now(), for_seconds=4)


def sweep_files() -> None:
    """Clear away files that belong to no deal (any more)."""
    files.sweep(now=timezone.now())


def cut_attempts() -> None:
    """Remove tries to log in that are too old to count."""
    login_limits.cut_attempts(now=timezone.now())


def work_imports() -> None:
    """Go on with what is to be imported, or undone."""
    imports.work_jobs()


def cut_imports() -> None:
    """Remove the rows of files that have grown old."""
    imports.cut_rows(now=timezone.now())
