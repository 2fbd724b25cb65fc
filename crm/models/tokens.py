"""API tokens, kept as digests, and the answers that `Idempotency-Key` replays."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.encryption import EncryptedField


class ApiToken(models.Model):
    """A key to the API. The token itself is shown once; only its SHA-256 digest is kept."""

    class Scope(models.TextChoices):
        READ = "read", _("Read")
        WRITE = "write", _("Write")
        ADMIN = "admin", _("Administer")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens", verbose_name=_("owner")
    )
    name = models.CharField(_("name"), max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope), verbose_name=_("scopes"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return self.name

    @property
    def scope_names(self) -> list[str]:
        return [str(self.Scope(scope).label) for scope in self.scopes]


class IdempotentAnswer(models.Model):
    """The first answer to a POST with an `Idempotency-Key`, replayed for 24 hours."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField(null=True)
    # Encrypted, since an answer may be the one that shows a secret.
    body = EncryptedField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "key"], name="an_idempotency_key_is_used_once_per_owner")
        ]
        indexes: ClassVar = [
            # Cleaning up answers older than a day.
            models.Index(fields=["created_at"], name="idempotent_answer_by_age"),
        ]

    def __str__(self) -> str:
        return self.key
