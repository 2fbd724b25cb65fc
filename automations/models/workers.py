"""The worker's pulse."""

from django.db import models


class WorkerHeartbeat(models.Model):
    """When a worker's drain last went round, and the version of the program it runs."""

    name = models.CharField(primary_key=True, max_length=120)
    beat_at = models.DateTimeField()
    version = models.CharField(max_length=40, blank=True)

    def __str__(self) -> str:
        return self.name
