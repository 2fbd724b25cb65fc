"""What is sent where, and what became of it: destinations, rules, deliveries, attempts, and the worker's pulse."""

from datetime import datetime
from typing import ClassVar, TypeVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from automations.schedule import DEFAULT_SCHEDULE
from automations.signing import generate_secret
from crm.encryption import EncryptedField
from crm.ids import time_ordered_id


class Event(models.TextChoices):
    """What a rule can wait for."""

    DEAL_CREATED = "deal.created", _("A deal is created")
    DEAL_STAGE_CHANGED = "deal.stage_changed", _("A deal changes its stage")
    DEAL_WON = "deal.won", _("A deal is won")
    DEAL_LOST = "deal.lost", _("A deal is lost")
    DEAL_REOPENED = "deal.reopened", _("A deal is reopened")
    DEAL_UPDATED = "deal.updated", _("A deal's fields change")
    DEAL_DELETED = "deal.deleted", _("A deal is deleted")


def default_schedule() -> list[int]:
    return list(DEFAULT_SCHEDULE)


Row = TypeVar("Row", bound=models.Model)


class KeptQuerySet(models.QuerySet[Row]):
    """Rows that are marked when deleted, since the log goes on showing them."""

    def present(self) -> "KeptQuerySet[Row]":
        return self.filter(deleted_at__isnull=True)


class Destination(models.Model):
    """A URL of another system, and how to speak to it. Deleted ones stay, unseen, for the log's sake."""

    class Method(models.TextChoices):
        POST = "POST"
        PUT = "PUT"
        PATCH = "PATCH"

    class Auth(models.TextChoices):
        NONE = "none", _("None")
        BASIC = "basic", _("User name and password")
        BEARER = "bearer", _("Bearer token")
        HEADER = "header", _("A header of its own")

    class BodyFormat(models.TextChoices):
        JSON = "json", "JSON"

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")
        FAILING = "failing", _("Failing")
        DISABLED = "disabled", _("Disabled")

    name = models.CharField(_("name"), max_length=120)
    url = models.CharField(_("URL"), max_length=2000)
    method = models.CharField(_("method"), max_length=5, choices=Method, default=Method.POST)
    headers = EncryptedField(_("headers"), default=dict, blank=True)
    auth = models.CharField(_("authentication"), max_length=6, choices=Auth, default=Auth.NONE)
    credentials = EncryptedField(_("credentials"), default=dict, blank=True)
    body_format = models.CharField(_("body"), max_length=4, choices=BodyFormat, default=BodyFormat.JSON)
    timeout_seconds = models.PositiveSmallIntegerField(
        _("time limit (s)"), default=10, validators=[MinValueValidator(1), MaxValueValidator(30)]
    )
    max_in_flight = models.PositiveSmallIntegerField(
        _("requests at a time"), default=4, validators=[MinValueValidator(1), MaxValueValidator(64)]
    )
    rate_limit_per_second = models.PositiveSmallIntegerField(
        _("requests per second at most"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
    )
    ordered = models.BooleanField(_("keep the order of each deal's events"), default=True)
    retry_schedule = ArrayField(
        models.PositiveIntegerField(), verbose_name=_("retries after (s)"), default=default_schedule
    )
    stop_on_4xx = models.BooleanField(_("give up at once on a 4xx answer"), default=False)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.ACTIVE)
    paired_endpoint = models.ForeignKey(
        "webhooks.InboundEndpoint",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="paired_destinations",
        verbose_name=_("inbound endpoint of the same system"),
    )
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    secret = EncryptedField(default=generate_secret, editable=False)
    previous_secret = EncryptedField(null=True, editable=False)
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = KeptQuerySet["Destination"].as_manager()

    class Meta:
        ordering: ClassVar = ["name", "id"]
        verbose_name = _("destination")
        verbose_name_plural = _("destinations")

    def __str__(self) -> str:
        return self.name

    def secrets_at(self, now: datetime) -> list[str]:
        """The signing secrets in force, newest first."""
        if self.previous_secret and self.previous_secret_until and now < self.previous_secret_until:
            return [self.secret, self.previous_secret]
        return [self.secret]


class Rule(models.Model):
    """When this happens to a deal, send it there."""

    name = models.CharField(_("name"), max_length=120)
    enabled = models.BooleanField(_("enabled"), default=True)
    event = models.CharField(_("event"), max_length=40, choices=Event, default=Event.DEAL_STAGE_CHANGED)
    pipeline = models.ForeignKey(
        "crm.Pipeline",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="rules",
        verbose_name=_("pipeline"),
    )
    stage = models.ForeignKey(
        "crm.Stage",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="rules",
        verbose_name=_("stage entered"),
    )
    from_stage = models.ForeignKey(
        "crm.Stage",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="rules_on_leaving",
        verbose_name=_("stage left"),
    )
    destination = models.ForeignKey(
        Destination, models.CASCADE, related_name="rules", verbose_name=_("destination")
    )
    conditions = models.JSONField(_("conditions"), default=dict, blank=True)
    payload = models.JSONField(_("payload"), default=dict, blank=True)
    delay_seconds = models.PositiveIntegerField(_("delay (s)"), default=0)
    position = models.PositiveIntegerField(_("position"), default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = KeptQuerySet["Rule"].as_manager()

    class Meta:
        ordering: ClassVar = ["position", "id"]
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        indexes: ClassVar = [
            # Which rules does this event concern? Asked inside every write to a deal.
            models.Index(
                fields=["event"], condition=Q(enabled=True, deleted_at__isnull=True), name="rule_by_event"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("rule", args=[self.pk])


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

    id = models.CharField(primary_key=True, max_length=40, default=new_delivery_id, editable=False)
    event = models.CharField(_("event"), max_length=40, choices=Event)
    rule = models.ForeignKey(Rule, models.PROTECT, null=True, related_name="deliveries")
    destination = models.ForeignKey(Destination, models.PROTECT, related_name="deliveries")
    # Without a constraint: what a deleted deal had to tell still goes out, and the log keeps its number.
    deal = models.ForeignKey(
        "crm.Deal", models.DO_NOTHING, null=True, db_constraint=False, related_name="deliveries"
    )
    deal_title = models.CharField(max_length=200, blank=True)
    sequence = models.PositiveIntegerField(default=0)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=40, blank=True)
    trigger = models.CharField(max_length=8, choices=Trigger, default=Trigger.INITIAL)
    body = models.BinaryField()
    chain = models.UUIDField()
    depth = models.PositiveSmallIntegerField(default=0)
    attempts_made = models.PositiveIntegerField(default=0)
    run_attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(_("next attempt"), default=timezone.now)
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
                condition=Q(state="pending", leased_until__isnull=True),
                name="delivery_claim",
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
                condition=Q(state="pending"),
                name="delivery_order_of_a_deal",
            ),
            # A deal's timeline and the bolt on its card.
            models.Index(fields=["deal", "-id"], name="delivery_by_deal"),
            # The log filtered by state, by destination or by rule, newest first.
            models.Index(fields=["state", "-id"], name="delivery_log_by_state"),
            models.Index(fields=["destination", "-id"], name="delivery_log_by_destination"),
            models.Index(fields=["rule", "-id"], name="delivery_log_by_rule"),
        ]

    def __str__(self) -> str:
        return self.pk

    def get_absolute_url(self) -> str:
        return reverse("delivery", args=[self.pk])


class Attempt(models.Model):
    """One try of a delivery: written before the call is made, completed after it."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempts")
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


class WorkerHeartbeat(models.Model):
    """When a worker's drain last went round."""

    name = models.CharField(primary_key=True, max_length=120)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
