"""Counters of what was sent, kept where all workers add to them and any web process can read them."""

from typing import ClassVar

from django.db import models


class Tally(models.Model):
    """How often something happened since the installation began; `automations.tallies` says what is counted.

    We count in a table and not in memory, because there are several workers, none of which Prometheus can reach, and
    not by looking at the deliveries, because there are millions of them and retention removes them.
    """

    name = models.CharField(max_length=40)
    label = models.CharField(max_length=60)
    value = models.FloatField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "label"], name="each_thing_is_counted_in_one_row")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.label}: {self.value}"
