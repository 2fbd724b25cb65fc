"""Count and sums of any set of deals, by the database: in one query, whatever their number."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, DecimalField, ExpressionWrapper, F, Sum

from crm import formats
from crm.models import DealQuerySet


@dataclass(frozen=True, slots=True)
class Sums:
    """Amounts by currency; `weighted` takes the probability of each deal's stage."""

    count: int
    amounts: tuple[tuple[str, Decimal], ...]
    weighted: tuple[tuple[str, Decimal], ...]

    @property
    def total(self) -> str:
        return formats.sums(self.amounts)

    @property
    def total_weighted(self) -> str:
        return formats.sums(self.weighted)


def sums_of(deals: DealQuerySet) -> Sums:
    weighted = ExpressionWrapper(F("value") * F("stage__probability") / 100, output_field=DecimalField())
    rows = deals.order_by("currency").values("currency")
    count, amounts, expected = 0, {}, defaultdict(Decimal)
    for row in rows.annotate(count=Count("pk"), amount=Sum("value"), weighted=Sum(weighted)):
        count += row["count"]
        amounts[row["currency"]] = row["amount"]
        expected[row["currency"]] = round(row["weighted"], 2)
    return Sums(count=count, amounts=tuple(amounts.items()), weighted=tuple(expected.items()))
