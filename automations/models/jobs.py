"""Sending many deliveries again."""

from typing import ClassVar

from django.db import models

from crm.models.jobs import BackgroundJob


class ResendJob(BackgroundJob):
    """Sending many deliveries again.

    `chosen` is what it is to send: `{"ids": [...]}` or `{"filter": {...}}` in the words of the log's filters.
    """

    chosen = models.JSONField()
    trigger = models.CharField(max_length=8)
    resent = models.PositiveIntegerField(default=0)
    without_body = models.PositiveIntegerField(default=0)  # there is nothing left to send

    class Meta(BackgroundJob.Meta):
        indexes: ClassVar = [
            # What is still to be done.
            models.Index(fields=["id"], condition=models.Q(state="running"), name="resend_job_running"),
        ]
