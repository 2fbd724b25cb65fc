"""What is sold: the catalogue, and the lines of a deal.

A line keeps its own name and price, whatever the catalogue says later.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

CENT = Decimal("0.01")


class Period(models.TextChoices):
    """How often a price is paid."""

    ONCE = "", _("once")
    MONTHLY = "monthly", _("per month")
    QUARTERLY = "quarterly", _("per quarter")
    YEARLY = "yearly", _("per year")


MONTHS = {Period.MONTHLY: 1, Period.QUARTERLY: 3, Period.YEARLY: 12}


class Product(models.Model):
    """One entry of the catalogue. An archived one stays on its deals and is offered no more."""

    name = models.CharField(_("name"), max_length=160, unique=True)
    code = models.CharField(_("code"), max_length=60, blank=True)
    unit_price = models.DecimalField(
        _("unit price"), max_digits=14, decimal_places=2, default=0, validators=[MinValueValidator(0)]
    )
    currency = models.CharField(_("currency"), max_length=3, default="BRL")
    period = models.CharField(_("paid"), max_length=10, choices=Period, blank=True)
    archived = models.BooleanField(_("archived"), default=False)

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(unit_price__gte=0), name="a_product_costs_nothing_or_more"
            )
        ]

    def __str__(self) -> str:
        return self.name


class DealLine(models.Model):
    """A product on a deal, in the deal's currency. Written through `crm.products`."""

    deal = models.ForeignKey("crm.Deal", models.CASCADE, related_name="lines", verbose_name=_("deal"))
    product = models.ForeignKey(
        Product, models.PROTECT, null=True, blank=True, related_name="lines", verbose_name=_("product")
    )
    name = models.CharField(_("name"), max_length=160)
    quantity = models.DecimalField(
        _("quantity"), max_digits=10, decimal_places=2, default=1, validators=[MinValueValidator(CENT)]
    )
    unit_price = models.DecimalField(
        _("unit price"), max_digits=14, decimal_places=2, validators=[MinValueValidator(0)]
    )
    period = models.CharField(_("paid"), max_length=10, choices=Period, blank=True)
    discount = models.DecimalField(
        _("discount (%)"),
        max_digits=5,
        decimal_places=2,
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
    )
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name = _("product on a deal")
        verbose_name_plural = _("products on deals")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(quantity__gt=0, unit_price__gte=0, discount__range=(0, 100)),
                name="a_line_has_a_quantity_a_price_and_a_discount_of_at_most_all",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def total(self) -> Decimal:
        """What is paid each time, with the discount taken off, to the cent."""
        kept = 1 - self.discount / 100
        return (self.quantity * self.unit_price * kept).quantize(CENT, rounding=ROUND_HALF_UP)

    @property
    def is_recurring(self) -> bool:
        return self.period in MONTHS
