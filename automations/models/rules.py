"""What is waited for, and what is sent then."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from automations.models.destinations import Destination
from automations.models.events import Event
from automations.models.kept import KeptQuerySet
from crm.models import Change


class Rule(models.Model):
    """When this happens to a deal, send it there."""

    class IfLeft(models.TextChoices):
        CANCEL = "cancel", _("Do not send")
        KEEP = "keep", _("Send all the same")

    name = models.CharField(_("name"), max_length=120)
    enabled = models.BooleanField(_("enabled"), default=True)
    event = models.CharField(_("event"), max_length=40, choices=Event, default=Event.DEAL_STAGE_CHANGED)
    # Pipelines and stages end through `crm.stages`, which sees to the rules; no other way takes them along.
    pipeline = models.ForeignKey(
        "crm.Pipeline",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="rules",
        verbose_name=_("pipeline"),
    )
    stage = models.ForeignKey(
        "crm.Stage",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="rules",
        verbose_name=_("stage entered"),
    )
    from_stage = models.ForeignKey(
        "crm.Stage",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="rules_on_leaving",
        verbose_name=_("stage left"),
    )
    destination = models.ForeignKey(
        Destination, models.CASCADE, related_name="rules", verbose_name=_("destination")
    )
    # For "fields change": which ones, as paths in `data.previous`; empty for any.
    fields = ArrayField(models.CharField(max_length=120), verbose_name=_("fields"), default=list, blank=True)
    # For what comes with time: days in the stage, or days before the renewal.
    days = models.PositiveSmallIntegerField(
        _("days"), null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(3650)]
    )
    conditions = models.JSONField(_("conditions"), default=dict, blank=True)
    payload = models.JSONField(_("payload"), default=dict, blank=True)
    delay_seconds = models.PositiveIntegerField(_("delay (s)"), default=0)
    if_left = models.CharField(
        _("when the deal has left the stage by then"), max_length=6, choices=IfLeft, default=IfLeft.CANCEL
    )
    sending_window = models.JSONField(_("sending window"), default=dict, blank=True)
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


class Occurrence(models.Model):
    """That a rule for what comes with time has acted on something, once for each moment it is about.

    `subject_id` is the deal or the subscription, `moment` when the deal entered its stage, or the renewal's midnight.
    """

    rule = models.ForeignKey(Rule, models.CASCADE, related_name="occurrences")
    subject_id = models.BigIntegerField()
    moment = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["rule", "subject_id", "moment"], name="a_rule_acts_once_for_each_moment"
            )
        ]

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.subject_id} at {self.moment}"


class RuleDay(models.Model):
    """How what a rule sent ended on one day (UTC); `automations.rule_days` says how it is counted and read."""

    # Its index is that of the days below.
    rule = models.ForeignKey(Rule, models.CASCADE, related_name="days_sent", db_index=False)
    day = models.DateField()
    delivered = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rule", "day"], name="a_day_of_a_rule_is_counted_in_one_row")
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.day}"


class RuleChange(models.Model):
    """What changed about a rule, from what, to what, by whom; one row a save, never edited.

    `before` and `after` are objects by field; `automations.rule_history` says how values are written.
    """

    # Its index is that of the history below.
    rule = models.ForeignKey(Rule, models.CASCADE, related_name="changes", db_index=False)
    verb = models.CharField(max_length=10, choices=Change.Verb)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=160)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            # The history of one rule, newest first.
            models.Index(fields=["rule", "-id"], name="rule_history"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.verb}"
