"""Applying many requests once more, behind the scenes."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class ReplayJob(models.Model):
    """What an endpoint rejected or gave up since a time, applied anew in the order in which it came.

    `after` is the last request that was looked at.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")

    endpoint = models.ForeignKey("webhooks.InboundEndpoint", models.CASCADE, related_name="replays")
    since = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State, default=State.RUNNING)
    total = models.PositiveIntegerField(default=0)
    looked_at = models.PositiveIntegerField(default=0)
    applied = models.PositiveIntegerField(default=0)
    after = models.CharField(max_length=36, blank=True)
    until = models.CharField(max_length=36, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            # What is still to be done.
            models.Index(fields=["id"], condition=models.Q(state="running"), name="replay_job_running"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}: {self.looked_at}/{self.total}"
