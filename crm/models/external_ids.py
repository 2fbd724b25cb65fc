"""What other systems call our deals, contacts and companies."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

_exactly_one_owner = (
    models.Q(deal__isnull=False, contact__isnull=True, company__isnull=True)
    | models.Q(deal__isnull=True, contact__isnull=False, company__isnull=True)
    | models.Q(deal__isnull=True, contact__isnull=True, company__isnull=False)
)


class ExternalId(models.Model):
    """One name in one system. An object has at most one name per system; a system may give several
    objects the same name (a customer number on each of that customer's deals).

    A `former` one came from something that was merged into the object: it is still found by it, beside the present one.
    """

    system = models.CharField(_("system"), max_length=60)
    value = models.CharField(_("id"), max_length=200)
    former = models.BooleanField(_("from before a merge"), default=False)
    deal = models.ForeignKey("crm.Deal", models.CASCADE, null=True, related_name="external_id_rows")
    contact = models.ForeignKey("crm.Contact", models.CASCADE, null=True, related_name="external_id_rows")
    company = models.ForeignKey("crm.Company", models.CASCADE, null=True, related_name="external_id_rows")

    class Meta:
        verbose_name = _("external id")
        verbose_name_plural = _("external ids")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=_exactly_one_owner, name="an_external_id_belongs_to_exactly_one_object"
            ),
            models.UniqueConstraint(
                fields=["deal", "system"],
                condition=models.Q(deal__isnull=False),
                name="a_deal_has_one_id_per_system",
            ),
            models.UniqueConstraint(
                fields=["contact", "system"],
                condition=models.Q(contact__isnull=False, former=False),
                name="a_contact_has_one_id_per_system",
            ),
            models.UniqueConstraint(
                fields=["company", "system"],
                condition=models.Q(company__isnull=False, former=False),
                name="a_company_has_one_id_per_system",
            ),
        ]
        indexes: ClassVar = [
            # Inbound matching by external id, and the API's `external_system` and `external_id` filters.
            models.Index(fields=["system", "value"], name="external_id_lookup"),
        ]

    def __str__(self) -> str:
        return f"{self.system}:{self.value}"
