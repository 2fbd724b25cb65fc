"""How new the newest event is that an endpoint has applied to each thing it tells of."""

from typing import ClassVar

from django.db import models


class NewestEvent(models.Model):
    """`thing` is "deal:<our id>" or "subscription:<the sender's id>"."""

    endpoint = models.ForeignKey("webhooks.InboundEndpoint", models.CASCADE, related_name="+")
    thing = models.CharField(max_length=220)
    occurred_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["endpoint", "thing"], name="one_newest_event_of_a_thing")
        ]
        indexes: ClassVar = [
            # Retention: the oldest first.
            models.Index(fields=["occurred_at"], name="newest_event_by_age"),
        ]

    def __str__(self) -> str:
        return self.thing
