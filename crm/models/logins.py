"""Coming in: invitations, the second step of the login, and the attempts that a limit counts."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from crm.encryption import EncryptedField
from crm.models.users import Team, User


class Invitation(models.Model):
    """Somebody who may become a user through a link in a mail. `nonce` is what the newest link carries."""

    email = models.EmailField(_("e-mail"))
    role = models.CharField(_("role"), max_length=10, choices=User.Role, default=User.Role.REP)
    team = models.ForeignKey(
        Team, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("team")
    )
    language = models.CharField(_("language"), max_length=8, choices=User.Language)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    nonce = models.CharField(max_length=43)
    sent_at = models.DateTimeField(_("sent"))
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["email", "id"]
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("email"), condition=Q(accepted_at=None), name="one_open_invitation_per_email"
            )
        ]

    def __str__(self) -> str:
        return self.email


class TwoStep(models.Model):
    """A person's second step: codes of an app (TOTP, RFC 6238), and recovery codes for when the phone is lost.

    `key` is the shared secret in base 32, `last_step` the newest time step whose code was used, so that a code that
    was looked over a shoulder is worth nothing. Of the recovery codes only SHA-256 digests are kept.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="two_step")
    key = EncryptedField()
    confirmed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)
    recovery_digests = EncryptedField(default=list)

    def __str__(self) -> str:
        return str(self.user)


class LoginAttempt(models.Model):
    """A try to come in that has not succeeded. `account` is an e-mail in lower case, whether or not it is known."""

    class Kind(models.TextChoices):
        PASSWORD = "password"  # noqa: S105  # a kind of attempt
        CODE = "code"
        RESET = "reset"

    at = models.DateTimeField()
    kind = models.CharField(max_length=10, choices=Kind)
    account = models.CharField(max_length=254)
    address = models.CharField(max_length=45)

    class Meta:
        indexes: ClassVar = [
            # How often an account was tried lately, and from where.
            models.Index(fields=["kind", "account", "at"], name="login_attempts_of_an_account"),
            # How often an address tried lately.
            models.Index(fields=["kind", "address", "at"], name="login_attempts_of_an_address"),
            # Removing what is too old to count.
            models.Index(fields=["at"], name="login_attempts_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.address}"
