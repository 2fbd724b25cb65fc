"""What is on its way or has been sent, and each try of it."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from automations.models.destinations import Destination
from automations.models.events import Event
from automations.models.rules import Rule
from crm.ids import IdField, time_ordered_id


def new_delivery_id() -> str:
    return time_ordered_id("msg")


class Delivery(models.Model):
    """One event on its way to one destination, with the bytes it had when it happened.

    A row that is leased is in the hands of the drain `leased_by`. `run_attempts` counts the attempts since the
    delivery last started afresh (created or resent) and is its place in the retry schedule.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Given up")
        CANCELLED = "cancelled", _("Cancelled")
        SKIPPED = "skipped", _("Skipped")

    class Trigger(models.TextChoices):
        INITIAL = "initial", _("First attempt")
        RETRY = "retry", _("Retry")
        MANUAL = "manual", _("Sent again by hand")
        RECOVER = "recover", _("Recovered")
        TEST = "test", _("Test")

    id = IdField(primary_key=True, max_length=40, default=new_delivery_id, editable=False)
    event = models.CharField(_("event"), max_length=40, choices=Event)
    # The foreign keys have no index of their own: those below begin with the same column.
    rule = models.ForeignKey(Rule, models.PROTECT, null=True, related_name="deliveries", db_index=False)
    destination = models.ForeignKey(Destination, models.PROTECT, related_name="deliveries", db_index=False)
    # Without a constraint: what a deleted deal had to tell still goes out, and the log keeps its number.
    deal = models.ForeignKey(
        "crm.Deal",
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="deliveries",
    )
    deal_title = models.CharField(max_length=200, blank=True)
    sequence = models.PositiveIntegerField(default=0)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=40, blank=True)
    trigger = models.CharField(max_length=8, choices=Trigger, default=Trigger.INITIAL)
    # Fixed when the event happens; empty where it was too large to be sent, and once it was cut by age.
    body = models.BinaryField()
    content_type = models.CharField(max_length=60, default="application/json")
    chain = models.UUIDField()
    depth = models.PositiveSmallIntegerField(default=0)
    attempts_made = models.PositiveIntegerField(default=0)
    run_attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(_("next attempt"), default=timezone.now)
    # Once due, its rule's conditions of time are looked at again before it may be claimed.
    awaits_check = models.BooleanField(default=False)
    # When the deal had entered the stage it was in at the event: another moment by then means that it has left.
    stage_entered_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    leased_by = models.IntegerField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    error_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    delivered_at = models.DateTimeField(_("delivered"), null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state="pending") | Q(leased_until__isnull=True),
                name="only_a_waiting_delivery_is_leased",
            ),
            models.CheckConstraint(
                condition=Q(leased_until__isnull=True, leased_by__isnull=True)
                | Q(leased_until__isnull=False, leased_by__isnull=False),
                name="a_lease_has_a_holder_and_an_end",
            ),
        ]
        indexes: ClassVar = [
            # The claim: each destination's oldest due rows, however many finished ones there are.
            models.Index(
                fields=["destination", "due_at"],
                condition=Q(state="pending", leased_until__isnull=True, awaits_check=False),
                name="delivery_claim",
            ),
            # What has come due and must be looked at before it may be claimed.
            models.Index(
                fields=["due_at"],
                condition=Q(state="pending", awaits_check=True),
                name="delivery_awaiting_check",
            ),
            # When does the next one come due, and how old is the oldest?
            models.Index(
                fields=["due_at"],
                condition=Q(state="pending", leased_until__isnull=True),
                name="delivery_next_due",
            ),
            # What is in flight per destination, and which leases have ended?
            models.Index(
                fields=["destination"], condition=Q(leased_until__isnull=False), name="delivery_in_flight"
            ),
            # Order per deal: is anything earlier of this deal still waiting for this destination?
            models.Index(
                fields=["destination", "deal", "sequence", "id"],
                condition=Q(state="pending", awaits_check=False),
                name="delivery_order_of_a_deal",
            ),
            # A deal's timeline and the bolt on its card.
            models.Index(fields=["deal", "-id"], name="delivery_by_deal"),
            # The log filtered by state, newest first. What was delivered is nearly all there is: the log of it needs no
            # index but that of the ids, and this one stays small.
            models.Index(
                fields=["state", "-id"], condition=~Q(state="delivered"), name="delivery_log_by_state"
            ),
            # The log filtered by destination, by rule or by event, newest first.
            models.Index(fields=["destination", "-id"], name="delivery_log_by_destination"),
            models.Index(fields=["rule", "-id"], name="delivery_log_by_rule"),
            models.Index(fields=["event", "-id"], name="delivery_log_by_event"),
            # The log of what ended badly, of one destination, rule or event. Without these a rare filter reads all that
            # was given up everywhere; what is delivered or waits is in none, so that sending pays nothing for them.
            models.Index(
                fields=["destination", "state", "-id"],
                condition=Q(state__in=["failed", "cancelled", "skipped"]),
                name="delivery_unsent_by_destination",
            ),
            models.Index(
                fields=["rule", "state", "-id"],
                condition=Q(state__in=["failed", "cancelled", "skipped"]),
                name="delivery_unsent_by_rule",
            ),
            models.Index(
                fields=["event", "state", "-id"],
                condition=Q(state__in=["failed", "cancelled", "skipped"]),
                name="delivery_unsent_by_event",
            ),
            # The log of what went wrong: by the answer's status, by the error.
            models.Index(
                fields=["status_code", "-id"],
                condition=Q(status_code__gte=300),
                name="delivery_log_by_status",
            ),
            models.Index(
                fields=["error_code", "-id"], condition=~Q(error_code=""), name="delivery_log_by_error"
            ),
            # Retention: what is finished and still has its body, oldest first.
            models.Index(
                fields=["id"],
                condition=~Q(state="pending") & ~Q(body=b""),
                name="delivery_with_a_body",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def get_absolute_url(self) -> str:
        return reverse("delivery", args=[self.pk])

    @property
    def event_label(self) -> str:
        """As `get_event_display`, which translates every event on every call: the log shows many."""
        return str(Event(self.event).label)

    @property
    def state_label(self) -> str:
        return str(self.State(self.state).label)

    @property
    def version(self) -> str:
        """What a page that shows it compares to notice that it has moved on."""
        return f"{self.attempts_made}-{self.state}{'-sent' if self.leased_until else ''}"


class Attempt(models.Model):
    """One try of a delivery: written before the call is made, completed after it."""

    # Its index is that of the numbers below.
    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField()
    trigger = models.CharField(max_length=8, choices=Delivery.Trigger)
    url = models.CharField(max_length=2000)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)
    timings = models.JSONField(default=dict)
    resolved_ip = models.CharField(max_length=45, blank=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    error_code = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)
    request_headers = models.JSONField(default=list)
    response_headers = models.JSONField(default=list)
    response_body = models.TextField(blank=True)
    truncated = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["-number"]
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["delivery", "number"], name="the_attempts_of_a_delivery_are_numbered"
            )
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id} #{self.number}"
