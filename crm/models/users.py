"""Who works here: users with a role, and the teams that share their deals."""

from typing import Any, ClassVar
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.phones import TEL, validate_call_url


def validate_time_zone(name: str) -> None:
    """Raise ValidationError unless `name` is a zone of the IANA database, such as America/Sao_Paulo."""
    if name not in available_timezones():
        raise ValidationError(_("“%(name)s” is not a known time zone."), params={"name": name})


class Team(models.Model):
    """Reps of one team see each other's deals."""

    name = models.CharField(_("name"), max_length=80, unique=True)

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = _("team")
        verbose_name_plural = _("teams")

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Users are found by e-mail, whatever its case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """What `createsuperuser` calls: an admin. The name is the e-mail's first part until it is edited."""
        fields.setdefault("name", email.partition("@")[0])
        return self.create_user(email, password, role=User.Role.ADMIN, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who logs in with an e-mail address."""

    class Role(models.TextChoices):
        ADMIN = "admin", _("Administrator")
        MANAGER = "manager", _("Manager")
        REP = "rep", _("Sales rep")

    class Language(models.TextChoices):
        ENGLISH = "en", "English"
        PORTUGUESE = "pt-br", "Português (Brasil)"

    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=120)
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.REP)
    team = models.ForeignKey(
        Team, models.SET_NULL, null=True, blank=True, related_name="users", verbose_name=_("team")
    )
    language = models.CharField(_("language"), max_length=8, choices=Language, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, validators=[validate_time_zone])
    call_url = models.CharField(
        _("click to call"), max_length=300, default=TEL, validators=[validate_call_url]
    )
    # What the cards of a board show, by the names of `crm.card_fields`; empty: the usual fields.
    card_fields = models.JSONField(default=list, blank=True, editable=False)
    # When what kind of notice comes by e-mail, by the groups of `crm.notice_mails`; of what is not named: at once.
    notice_mails = models.JSONField(default=dict, blank=True, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering: ClassVar = ["name", "id"]
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("email"), name="one_user_per_email_whatever_its_case")
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return str(self)

    def get_short_name(self) -> str:
        return str(self).partition(" ")[0]

    @property
    def is_admin(self) -> bool:
        return self.role == self.Role.ADMIN

    @property
    def is_staff(self) -> bool:
        """Django's admin is open to administrators only."""
        return self.is_admin

    def has_perm(self, perm: str, obj: object = None) -> bool:  # Django's signature
        """What Django's admin asks before anything: the role answers it."""
        return self.is_active and self.is_admin

    def has_module_perms(self, app_label: str) -> bool:  # Django's signature
        return self.is_active and self.is_admin

    @property
    def sees_all_deals(self) -> bool:
        return self.role in (self.Role.ADMIN, self.Role.MANAGER)
