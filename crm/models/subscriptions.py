"""Plans a customer pays for again and again, as billing systems and ERPs report them."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Subscription(models.Model):
    """One plan with its next renewal date."""

    class Status(models.TextChoices):
        TRIAL = "trial", _("Trial")
        ACTIVE = "active", pgettext_lazy("subscription", "Active")
        PAST_DUE = "past_due", _("Past due")
        PAUSED = "paused", pgettext_lazy("subscription", "Paused")
        CANCELLED = "cancelled", _("Cancelled")

    deal = models.ForeignKey(
        "crm.Deal",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="subscriptions",
        verbose_name=_("deal"),
    )
    company = models.ForeignKey(
        "crm.Company",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="subscriptions",
        verbose_name=_("company"),
    )
    plan = models.CharField(_("plan"), max_length=160)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.ACTIVE)
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=2, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, default="BRL")
    renews_on = models.DateField(_("renews on"), null=True, blank=True)
    system = models.CharField(_("system"), max_length=60, blank=True)
    external_id = models.CharField(_("external id"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        ordering: ClassVar = ["renews_on", "id"]
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["system", "external_id"],
                condition=~models.Q(external_id=""),
                name="a_subscription_is_known_once_per_system",
            )
        ]
        indexes: ClassVar = [
            # Renewals coming due, and `?renews_before=`.
            models.Index(fields=["renews_on"], name="subscription_by_renewal"),
        ]

    def __str__(self) -> str:
        return self.plan
