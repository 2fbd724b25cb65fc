"""The addresses that other systems post to."""

import secrets
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from crm.encryption import EncryptedField
from webhooks.limits import LARGEST_BODY

SYSTEM_PREFIX = "endpoint-"


def new_key() -> str:
    """The unguessable part of an endpoint's URL: 43 url-safe characters."""
    return secrets.token_urlsafe(32)


def default_verification() -> dict[str, Any]:
    return {"scheme": "standard_webhooks"}


def default_recording_auth() -> dict[str, Any]:
    return {"scheme": "none"}


def default_handshakes() -> list[str]:
    """Those that only ever hand a sender its own words back."""
    return ["microsoft", "omie", "zadarma"]


class EndpointQuerySet(models.QuerySet["InboundEndpoint"]):
    """Endpoints, with the reads that are used in more than one place."""

    def present(self) -> "EndpointQuerySet":
        """Those that were not deleted. A deleted one stays in the table, because its requests do."""
        return self.filter(deleted_at__isnull=True)


class InboundEndpoint(models.Model):
    """One door for one outside system: how its requests are verified, and what stands in for what they leave out."""

    class ResponseMode(models.TextChoices):
        WAIT = "wait", _("Answer when applied")
        ACCEPT = "accept", _("Answer at once, apply afterwards")

    class Handshake(models.TextChoices):
        """How some systems have an address proved before they use it; Slack's and Meta's come with their schemes."""

        MICROSOFT = "microsoft", _("Microsoft: validationToken")
        OMIE = "omie", _("Omie: ping")
        ZADARMA = "zadarma", _("Zadarma: zd_echo")
        PROBE = "probe", _("A GET without anything, answered 200")

    name = models.CharField(_("name"), max_length=120)
    enabled = models.BooleanField(_("enabled"), default=True)
    # What comes in is kept to be looked at, and not applied.
    setting_up = models.BooleanField(_("being set up"), default=False)
    key = models.CharField(max_length=64, unique=True, default=new_key, editable=False)
    preset = models.CharField(_("preset"), max_length=40, blank=True)
    # {"scheme": …} and what the scheme needs besides its secret; see webhooks.verification.
    verification = models.JSONField(_("verification"), default=default_verification)
    secret = EncryptedField(_("secret"), null=True, blank=True, editable=False)
    previous_secret = EncryptedField(null=True, blank=True, editable=False)
    previous_secret_until = models.DateTimeField(null=True, blank=True, editable=False)
    # What Meta shows when it asks whether the address is ours; where there is none, the secret.
    verify_token = EncryptedField(null=True, blank=True, editable=False)
    handshakes = ArrayField(
        models.CharField(max_length=12, choices=Handshake),
        verbose_name=_("handshakes"),
        default=default_handshakes,
        blank=True,
    )
    allow_get = models.BooleanField(_("take GET requests too"), default=False)
    test_mode = models.BooleanField(_("keep the bodies of unknown senders"), default=False)
    # {"allowed_origins", "honeypot", "redirect_url", "rate_per_address"}; see webhooks.landing.
    landing = models.JSONField(_("landing page"), null=True, blank=True)
    # {"scheme", "username"?, "name"?, "hosts"}: how recordings are fetched; see webhooks.recordings.
    recording_auth = models.JSONField(_("access to recordings"), default=default_recording_auth)
    recording_secret = EncryptedField(null=True, blank=True, editable=False)
    mapping = models.JSONField(_("mapping"), null=True, blank=True)
    # Which deal is meant, and how it is written to; see webhooks.handling.
    matching = models.JSONField(_("finding the deal"), default=dict, blank=True)
    writing = models.JSONField(_("writing"), default=dict, blank=True)
    owner_turn = models.PositiveBigIntegerField(default=0, editable=False)
    dedupe = models.JSONField(_("recognising repeats"), null=True, blank=True)
    default_pipeline = models.ForeignKey(
        "crm.Pipeline", models.SET_NULL, null=True, blank=True, verbose_name=_("pipeline"), related_name="+"
    )
    default_stage = models.ForeignKey(
        "crm.Stage", models.SET_NULL, null=True, blank=True, verbose_name=_("stage"), related_name="+"
    )
    default_owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        verbose_name=_("owner"),
        related_name="+",
    )
    default_source = models.ForeignKey(
        "crm.Source", models.SET_NULL, null=True, blank=True, verbose_name=_("source"), related_name="+"
    )
    response_mode = models.CharField(
        _("answer"), max_length=6, choices=ResponseMode, default=ResponseMode.WAIT
    )
    allowed_networks = ArrayField(
        models.CharField(max_length=43), verbose_name=_("allowed networks"), default=list, blank=True
    )
    rate_limit_per_minute = models.PositiveIntegerField(
        _("requests per minute"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    max_body_bytes = models.PositiveIntegerField(
        _("largest body (bytes)"),
        default=1024 * 1024,
        validators=[MinValueValidator(1), MaxValueValidator(LARGEST_BODY)],
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = EndpointQuerySet.as_manager()
    new_secret: str | None = None  # a secret just made, for the one answer that shows it; never saved
    row_version: str | None = None  # as it was read for a request; see webhooks.remembered

    class Meta:
        ordering: ClassVar = ["name", "id"]
        verbose_name = _("inbound endpoint")
        verbose_name_plural = _("inbound endpoints")

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/webhooks/endpoints/{self.pk}/"

    @property
    def system(self) -> str:
        """Whose calls and subscriptions it reports, as they say it."""
        return f"{SYSTEM_PREFIX}{self.pk}"

    @property
    def url(self) -> str:
        """The whole address, to be given to the sender."""
        return f"{settings.PUBLIC_URL}{reverse('receive', args=[self.key])}"
