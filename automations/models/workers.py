"""The worker's pulse."""

from django.db import models


class WorkerHeartbeat(models.Model):
    """When a worker's drain last went round."""

    name = models.CharField(primary_key=True, max_length=120)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
