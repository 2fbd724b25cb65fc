"""Where to send, and how that has been going."""

from datetime import datetime
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from automations.models.kept import KeptQuerySet
from automations.schedule import DEFAULT_SCHEDULE
from automations.signing import generate_secret
from crm.encryption import EncryptedField


def default_schedule() -> list[int]:
    return list(DEFAULT_SCHEDULE)


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
        OAUTH2 = "oauth2", _("OAuth 2 client credentials")

    class BodyFormat(models.TextChoices):
        JSON = "json", "JSON"
        FORM = "form", _("Form")

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")
        FAILING = "failing", _("Failing")
        DISABLED = "disabled", _("Disabled")

    name = models.CharField(_("name"), max_length=120)
    url = models.CharField(_("URL"), max_length=2000)
    variables = EncryptedField(_("variables in the URL"), default=dict, blank=True)
    method = models.CharField(_("method"), max_length=5, choices=Method, default=Method.POST)
    headers = EncryptedField(_("headers"), default=dict, blank=True)
    auth = models.CharField(_("authentication"), max_length=6, choices=Auth, default=Auth.NONE)
    credentials = EncryptedField(_("credentials"), default=dict, blank=True)
    body_format = models.CharField(_("body"), max_length=4, choices=BodyFormat, default=BodyFormat.JSON)
    ca_bundle = models.TextField(_("own certificate authorities (PEM)"), blank=True)
    client_certificate = EncryptedField(_("client certificate and key (PEM)"), default=str, blank=True)
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
    status_reason = models.CharField(max_length=40, blank=True, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    failures_in_row = models.PositiveIntegerField(default=0, editable=False)
    # How the newest failure of that row went.
    last_failure_status = models.PositiveSmallIntegerField(null=True, editable=False)
    last_failure_error = models.CharField(max_length=40, blank=True, editable=False)
    # While it is failing: when one delivery is sent to see whether it is well again.
    probe_at = models.DateTimeField(null=True, editable=False)
    # With a limit per second: when the next request may leave.
    rate_free_at = models.DateTimeField(null=True, editable=False)
    # How much of the way to being disabled people have been told about, and when of deliveries given up.
    told_percent = models.PositiveSmallIntegerField(default=0, editable=False)
    told_given_up_at = models.DateTimeField(null=True, editable=False)
    # What people are still to be told: how many deliveries were given up, and of a recovery, since when it had failed.
    given_up_untold = models.PositiveIntegerField(default=0, editable=False)
    recovered_from = models.DateTimeField(null=True, editable=False)
    told_recovery_at = models.DateTimeField(null=True, editable=False)
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
