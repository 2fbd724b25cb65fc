"""Counters of what was sent, kept where all workers add to them and any web process can read them."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from automations.models.destinations import Destination


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


class HourTally(models.Model):
    """What became of a destination's attempts in one hour; `automations.hours` says how it is counted and read.

    It holds what the page of a destination draws, so that no view of it looks through the deliveries.
    """

    destination = models.ForeignKey(Destination, models.CASCADE, related_name="hours", db_index=False)
    hour = models.DateTimeField()
    delivered = models.PositiveIntegerField(default=0)
    retried = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    durations = ArrayField(models.PositiveIntegerField(), default=list)

    class Meta:
        constraints: ClassVar = [
            # Its index finds a destination's last day and month.
            models.UniqueConstraint(
                fields=["destination", "hour"], name="an_hour_of_a_destination_is_counted_in_one_row"
            )
        ]
        indexes: ClassVar = [
            # Retention, and all destinations' last day.
            models.Index(fields=["hour"], name="hour_tally_by_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.destination_id} {self.hour:%Y-%m-%d %H:00}"
