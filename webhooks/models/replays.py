"""Applying many requests once more."""

from typing import ClassVar

from django.db import models

from crm.models.jobs import BackgroundJob


class ReplayJob(BackgroundJob):
    """What an endpoint rejected or gave up since a time, applied anew in the order in which it came."""

    endpoint = models.ForeignKey("webhooks.InboundEndpoint", models.CASCADE, related_name="replays")
    since = models.DateTimeField()
    applied = models.PositiveIntegerField(default=0)

    class Meta(BackgroundJob.Meta):
        indexes: ClassVar = [
            # What is still to be done.
            models.Index(fields=["id"], condition=models.Q(state="running"), name="replay_job_running"),
        ]
