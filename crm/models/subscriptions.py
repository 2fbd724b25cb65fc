"""Plans a customer pays for again and again, as billing systems and ERPs report them."""

from datetime import date
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.models.deals import Deal

if TYPE_CHECKING:
    from crm.models.users import User


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    """Subscriptions, with the reads that are used in more than one place."""

    def running(self) -> "SubscriptionQuerySet":
        """Those that will renew, or should have."""
        return self.filter(status__in=Subscription.RUNNING)

    def overdue(self, *, today: date) -> "SubscriptionQuerySet":
        """Not paid in time, as the billing system says or as the date shows."""
        return self.filter(is_overdue(today=today))

    def visible_to(self, user: "User") -> "SubscriptionQuerySet":
        """Those of deals the person sees, and those of no deal."""
        deals = Deal.objects.visible_to(user).order_by().values("pk")
        return self.filter(models.Q(deal=None) | models.Q(deal__in=deals))


class Subscription(models.Model):
    """One plan with its next renewal date."""

    class Status(models.TextChoices):
        TRIAL = "trial", _("Trial")
        ACTIVE = "active", pgettext_lazy("subscription", "Active")
        PAST_DUE = "past_due", _("Past due")
        PAUSED = "paused", pgettext_lazy("subscription", "Paused")
        CANCELLED = "cancelled", _("Cancelled")

    RUNNING: ClassVar = (Status.TRIAL, Status.ACTIVE, Status.PAST_DUE)

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

    objects = SubscriptionQuerySet.as_manager()

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

    def is_overdue(self, *, today: date) -> bool:
        """As the function of that name has it."""
        late = self.renews_on is not None and self.renews_on < today
        return self.status in self.RUNNING and (late or self.status == self.Status.PAST_DUE)


def is_overdue(*, today: date) -> models.Q:
    """Of a running subscription that was not paid, or whose date is past."""
    late = models.Q(status=Subscription.Status.PAST_DUE) | models.Q(renews_on__lt=today)
    return models.Q(status__in=Subscription.RUNNING) & late


class RenewalReminder(models.Model):
    """That people were told of one renewal of one subscription, which happens once."""

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="reminders")
    renews_on = models.DateField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subscription", "renews_on"], name="people_are_told_of_a_renewal_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subscription}: {self.renews_on}"
