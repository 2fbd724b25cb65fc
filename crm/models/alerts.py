"""What is watched for administrators, and what was found: `config.insights.watching` says what there is to find."""

from typing import ClassVar

from django.db import models


class AlertRule(models.Model):
    """From where on something is worth an alert; the unit of the threshold is that of its kind."""

    kind = models.CharField(primary_key=True, max_length=24)
    enabled = models.BooleanField(default=True)
    threshold = models.PositiveIntegerField()

    def __str__(self) -> str:
        return self.kind


class Alert(models.Model):
    """Something that was wrong from `since` to `ended_at`, or still is. `about` names the thing within its kind."""

    kind = models.CharField(max_length=24)
    about = models.CharField(max_length=60)
    name = models.CharField(max_length=200, blank=True)
    url = models.CharField(max_length=500)
    since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-since", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "about"],
                condition=models.Q(ended_at__isnull=True),
                name="of_one_thing_there_is_one_open_alert",
            )
        ]
        indexes: ClassVar = [
            # The past ones, newest first; retention; and what ended just now.
            models.Index(fields=["ended_at"], name="alert_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.about}"
