"""What became of an endpoint's requests, hour by hour."""

from typing import ClassVar

from django.db import models


class EndpointHour(models.Model):
    """Requests that an endpoint received in one hour that is over, by what became of them; see `webhooks.hours`."""

    endpoint = models.ForeignKey(
        "webhooks.InboundEndpoint", models.CASCADE, related_name="hours", db_index=False
    )
    hour = models.DateTimeField()
    applied = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    others = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            # Its index finds an endpoint's last day.
            models.UniqueConstraint(
                fields=["endpoint", "hour"], name="an_hour_of_an_endpoint_is_counted_in_one_row"
            )
        ]
        indexes: ClassVar = [
            # Retention, and the last day of all endpoints.
            models.Index(fields=["hour"], name="endpoint_hour_by_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.hour:%Y-%m-%d %H:00}"
