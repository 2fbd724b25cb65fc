"""Subscriptions by month of their renewal, overdue ones apart, as the list of renewals shows them."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

from django.db.models import BooleanField, Case, Count, F, Q, QuerySet, Sum, Value, When, Window
from django.db.models.functions import RowNumber, TruncMonth
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from crm import formats
from crm.models import Subscription, SubscriptionQuerySet
from crm.models.subscriptions import is_overdue
from crm.standings import Standing, standing_of

FIRST = 25  # rows of each group; a group has a page of its own for the rest
_RELATED = ("deal__owner", "company", "deal__company")
Grouped: TypeAlias = QuerySet[Any]  # subscriptions with what `group_renewals` adds


@dataclass(slots=True)
class Group:
    """Subscriptions under one heading. `key` is "overdue", "undated" or a month such as "2027-01"."""

    key: str
    title: str
    count: int = 0
    sums: list[tuple[str, Decimal]] = field(default_factory=list)
    rows: list["Row"] = field(default_factory=list)

    @property
    def total(self) -> str:
        return formats.sums(self.sums)

    @property
    def has_more(self) -> bool:
        return self.count > len(self.rows)


@dataclass(frozen=True, slots=True)
class Row:
    plan: Subscription
    standing: Standing

    @property
    def customer(self) -> Any:
        """The company that pays, as far as one is known."""
        return self.plan.company or (self.plan.deal and self.plan.deal.company)


def group_renewals(plans: SubscriptionQuerySet, *, today: date) -> Grouped:
    """The same subscriptions with `late` and, for those that are not, `month`."""
    rows = plans.select_related(*_RELATED)
    return rows.annotate(
        late=Case(
            When(is_overdue(today=today), then=Value(True)), default=Value(False), output_field=BooleanField()
        ),
        month=Case(When(Q(late=True), then=None), default=TruncMonth("renews_on")),
    )


def headings(plans: Grouped) -> dict[str, Group]:
    """Headings, counts and sums, in the order of the page."""
    totals = plans.order_by("-late", F("month").asc(nulls_last=True), "currency")
    groups: dict[str, Group] = {}
    columns = totals.values_list("late", "month", "currency")
    for late, month, currency, count, amount in columns.annotate(count=Count("pk"), paid=Sum("amount")):
        key = _key(late=late, month=month)
        group = groups.setdefault(key, Group(key, _title(late=late, month=month)))
        group.count += count
        if amount:
            group.sums.append((currency, amount))
    return groups


def _key(*, late: bool, month: date | None) -> str:
    return "overdue" if late else f"{month:%Y-%m}" if month else "undated"


def _title(*, late: bool, month: date | None) -> str:
    if late:
        return _("Overdue")
    return capfirst(date_format(month, "YEAR_MONTH_FORMAT")) if month else _("Without a date")


def fill(groups: dict[str, Group], plans: Grouped, *, today: date) -> None:
    """The first rows of every group, in one query."""
    number = Window(
        RowNumber(),
        partition_by=[F("late"), F("month")],
        order_by=[F("renews_on").asc(nulls_last=True), F("pk").asc()],
    )
    first = plans.annotate(number=number).filter(number__lte=FIRST)
    rows: dict[str, list[Row]] = defaultdict(list)
    for plan in first.order_by("-late", F("renews_on").asc(nulls_last=True), "pk"):
        rows[_key(late=plan.late, month=plan.month)].append(Row(plan, standing_of(plan, today=today)))
    for key, group in groups.items():
        group.rows = rows[key]


def of_group(plans: Grouped, key: str) -> Grouped:
    """Those under one heading."""
    if key == "overdue":
        return plans.filter(late=True)
    if key == "undated":
        return plans.filter(late=False, month=None)
    return plans.filter(late=False, month=date.fromisoformat(f"{key}-01"))


def order_of(key: str) -> str:
    """Overdue ones may have no date, so they are paged in the order of their ids, as the undated ones are."""
    return "pk" if key in {"overdue", "undated"} else "renews_on"
