"""Fields an organisation adds to deals, contacts and companies. Values stand in their `custom_fields` by key."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class CustomField(models.Model):
    """The definition of one added field."""

    class Entity(models.TextChoices):
        DEAL = "deal", _("Deal")
        CONTACT = "contact", _("Contact")
        COMPANY = "company", _("Company")

    class Type(models.TextChoices):
        TEXT = "text", _("Text")
        NUMBER = "number", _("Number")
        MONEY = "money", _("Money")
        DATE = "date", _("Date")
        CHOICE = "choice", _("Choice")
        CHOICES = "choices", _("Several choices")
        BOOLEAN = "boolean", _("Yes or no")
        EMAIL = "email", _("E-mail")
        PHONE = "phone", _("Phone")
        URL = "url", _("URL")
        CPF = "cpf", "CPF"
        CNPJ = "cnpj", "CNPJ"

    entity = models.CharField(_("belongs to"), max_length=10, choices=Entity)
    key = models.CharField(
        _("key"),
        max_length=60,
        validators=[RegexValidator(r"\A[a-z][a-z0-9_]*\Z", _("Lower-case letters, digits and _ only."))],
    )
    label = models.CharField(_("label"), max_length=80)
    type = models.CharField(_("type"), max_length=10, choices=Type, default=Type.TEXT)
    options = models.JSONField(_("options"), default=list, blank=True)
    required = models.BooleanField(_("required"), default=False)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        ordering: ClassVar = ["entity", "position", "id"]
        verbose_name = _("custom field")
        verbose_name_plural = _("custom fields")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["entity", "key"], name="a_custom_field_key_is_unique_per_entity")
        ]

    def __str__(self) -> str:
        return self.label
