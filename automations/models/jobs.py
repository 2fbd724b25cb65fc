"""Work on many deliveries that goes on behind the scenes."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class ResendJob(models.Model):
    """Sending many deliveries again, in the order of their ids. `after` is the last one that was looked at.

    `chosen` is what it is to send: `{"ids": [...]}` or `{"filter": {...}}` in the words of the log's filters.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")

    chosen = models.JSONField()
    trigger = models.CharField(max_length=8)
    state = models.CharField(max_length=9, choices=State, default=State.RUNNING)
    total = models.PositiveIntegerField(default=0)
    looked_at = models.PositiveIntegerField(default=0)
    resent = models.PositiveIntegerField(default=0)
    without_body = models.PositiveIntegerField(default=0)  # there is nothing left to send
    after = models.CharField(max_length=40, blank=True)
    until = models.CharField(max_length=40, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            # What is still to be done.
            models.Index(fields=["id"], condition=models.Q(state="running"), name="resend_job_running"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}: {self.looked_at}/{self.total}"
