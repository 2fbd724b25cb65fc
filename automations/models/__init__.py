"""What is sent where, and what became of it; one file a subject. Other modules import the tables from here."""

from automations.models.deliveries import Attempt, Delivery, new_delivery_id
from automations.models.destinations import Destination, default_schedule
from automations.models.events import Event
from automations.models.jobs import ResendJob
from automations.models.rules import Occurrence, Rule, RuleChange, RuleDay
from automations.models.tallies import HourTally, Tally
from automations.models.workers import WorkerHeartbeat

__all__ = [
    "Attempt",
    "Delivery",
    "Destination",
    "Event",
    "HourTally",
    "Occurrence",
    "ResendJob",
    "Rule",
    "RuleChange",
    "RuleDay",
    "Tally",
    "WorkerHeartbeat",
    "default_schedule",
    "new_delivery_id",
]
