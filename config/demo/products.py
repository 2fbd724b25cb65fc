"""What the demo's team sells: a catalogue, and products on some of its open deals, whose value follows them."""

from datetime import datetime
from decimal import Decimal

from config.demo import sales
from crm.actors import Actor
from crm.models import Change, Deal, Product
from crm.models.deals import open_door
from crm.products import follow_products, write_line

_CATALOGUE = [
    ("Plano Essencial", "PL-E", "189.00", "monthly"),
    ("Plano Profissional", "PL-P", "389.00", "monthly"),
    ("Plano Empresa", "PL-X", "9480.00", "yearly"),
    ("Implantação", "SV-I", "3500.00", ""),
    ("Treinamento, por turma", "SV-T", "850.00", ""),
]
_EVERY = 4  # which of the open deals have products
_DISCOUNT = Decimal(10)


def load_products(*, actor: Actor, now: datetime) -> None:
    plans = [
        Product.objects.create(name=name, code=code, unit_price=Decimal(price), period=period)
        for name, code, price, period in _CATALOGUE
    ]
    deals = Deal.objects.open().filter(pipeline__name=sales.SALES.name)
    for number, deal in enumerate(deals.order_by("pk")[::_EVERY]):
        _sell(plans[number % 3], deal, quantity=number % 3 + 1, discount=Decimal(), actor=actor)
        _sell(plans[3 + number % 2], deal, quantity=1, discount=_DISCOUNT * (number % 2), actor=actor)
        follow_products(deal_id=deal.pk, follows=True, actor=actor)
        _date_back(deal, now=now)


def _date_back(deal: Deal, *, now: datetime) -> None:
    """As if it had been done when the deal came into its stage."""
    history = Change.objects.filter(entity=Change.Entity.DEAL, object_id=deal.pk, at__gte=now)
    history.update(at=deal.stage_entered_at)
    with open_door():
        Deal.objects.filter(pk=deal.pk).update(updated_at=deal.stage_entered_at)


def _sell(product: Product, deal: Deal, *, quantity: int, discount: Decimal, actor: Actor) -> None:
    fields = {
        "product": product,
        "name": product.name,
        "quantity": Decimal(quantity),
        "unit_price": product.unit_price,
        "period": product.period,
        "discount": discount,
    }
    write_line(deal_id=deal.pk, fields=fields, actor=actor)
