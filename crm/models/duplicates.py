"""Contacts and companies that may be the same one twice. Written by `crm.duplicates` alone."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class Duplicate(models.Model):
    """Two rows, the one with the lower id first. A pair that somebody has `dismissed` is not offered again."""

    class Sign(models.TextChoices):
        TAX_ID = "tax_id", _("Same CNPJ root")
        EMAIL = "email", _("Same e-mail")
        PHONE = "phone", _("Same phone")
        DOMAIN = "domain", _("Same domain")
        NAME = "name", _("Alike in name")

    signs = ArrayField(models.CharField(max_length=6, choices=Sign))
    score = models.FloatField()  # the surer, the higher
    dismissed_at = models.DateTimeField(null=True)
    dismissed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    class Meta:
        abstract = True


class DuplicateContacts(Duplicate):
    one = models.ForeignKey("crm.Contact", models.CASCADE, related_name="+")
    other = models.ForeignKey("crm.Contact", models.CASCADE, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["one", "other"], name="two_contacts_are_one_pair"),
            models.CheckConstraint(condition=Q(one__lt=F("other")), name="a_pair_of_contacts_is_in_order"),
        ]
        indexes: ClassVar = [
            # The page of duplicates, the surest first.
            models.Index(
                fields=["-score", "-id"],
                condition=Q(dismissed_at__isnull=True),
                name="contact_pairs_by_score",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.one_id} = {self.other_id}"


class DuplicateCompanies(Duplicate):
    one = models.ForeignKey("crm.Company", models.CASCADE, related_name="+")
    other = models.ForeignKey("crm.Company", models.CASCADE, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["one", "other"], name="two_companies_are_one_pair"),
            models.CheckConstraint(condition=Q(one__lt=F("other")), name="a_pair_of_companies_is_in_order"),
        ]
        indexes: ClassVar = [
            # The page of duplicates, the surest first.
            models.Index(
                fields=["-score", "-id"],
                condition=Q(dismissed_at__isnull=True),
                name="company_pairs_by_score",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.one_id} = {self.other_id}"
