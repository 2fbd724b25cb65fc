"""The filters of the log of deliveries: for the API's lists, for the page, and for what is chosen by filter."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_filters import rest_framework as filters

from automations.models import Delivery, Destination, Event, Rule
from crm.ids import earliest_id
from crm.models import Stage
from crm.refusals import Refused
from crm.search import deals_titled

ANSWERS = {
    "2xx": gettext_lazy("2xx: taken"),
    "3xx": gettext_lazy("3xx: redirect"),
    "4xx": gettext_lazy("4xx: refused"),
    "5xx": gettext_lazy("5xx: receiver's fault"),
    "none": gettext_lazy("No answer"),
}
_ID_MARGIN = timedelta(minutes=1)  # an id is made in the moment before the row says when it was created


class UnknownFilter(Refused):
    """A filter that does not exist, or a value that it does not take."""


class DeliveryFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """`stage` is that of the rules, `search` finds deals by pieces of the words in their titles.

    `failed_after` and `failed_before` look at when a delivery was given up, which is what its `due_at` says
    then.
    """

    state = filters.ChoiceFilter(choices=Delivery.State.choices)
    event = filters.ChoiceFilter(choices=Event.choices)
    destination = filters.ModelChoiceFilter(queryset=Destination.objects.all())
    rule = filters.ModelChoiceFilter(queryset=Rule.objects.all())
    stage = filters.ModelChoiceFilter(queryset=Stage.objects.all(), field_name="rule__stage")
    deal = filters.NumberFilter(field_name="deal_id")
    search = filters.CharFilter(method="by_deal_search")
    answer = filters.ChoiceFilter(choices=list(ANSWERS.items()), method="by_answer")
    created_after = filters.IsoDateTimeFilter(method="by_creation_after")
    created_before = filters.IsoDateTimeFilter(method="by_creation_before")
    failed_after = filters.IsoDateTimeFilter(method="by_failure_after")
    failed_before = filters.IsoDateTimeFilter(method="by_failure_before")

    class Meta:
        model = Delivery
        fields: ClassVar = ["status_code", "error_code"]

    def by_answer(self, rows: QuerySet[Delivery], _name: str, answer: str) -> QuerySet[Delivery]:
        if answer == "none":
            return rows.filter(status_code__isnull=True).exclude(error_code="")
        lowest = int(answer[0]) * 100
        return rows.filter(status_code__gte=lowest, status_code__lt=lowest + 100)

    def by_deal_search(self, rows: QuerySet[Delivery], _name: str, text: str) -> QuerySet[Delivery]:
        return rows.filter(deal__in=deals_titled(text=text))

    def by_creation_after(self, rows: QuerySet[Delivery], _name: str, at: datetime) -> QuerySet[Delivery]:
        return rows.filter(created_at__gt=at, pk__gte=earliest_id("msg", at=at - _ID_MARGIN))

    def by_creation_before(self, rows: QuerySet[Delivery], _name: str, at: datetime) -> QuerySet[Delivery]:
        return rows.filter(created_at__lt=at, pk__lt=earliest_id("msg", at=at + _ID_MARGIN))

    def by_failure_after(self, rows: QuerySet[Delivery], _name: str, at: datetime) -> QuerySet[Delivery]:
        return rows.filter(_given_up(Q(due_at__gte=at)))

    def by_failure_before(self, rows: QuerySet[Delivery], _name: str, at: datetime) -> QuerySet[Delivery]:
        return rows.filter(_given_up(Q(due_at__lt=at)))


def _given_up(when: Q) -> Q:
    return when & Q(state=Delivery.State.FAILED)


def filter_deliveries(deliveries: QuerySet[Delivery], words: Mapping[str, Any]) -> QuerySet[Delivery]:
    """Those that fit `words`, which are the list's filters. Raises UnknownFilter."""
    unknown = words.keys() - DeliveryFilter.base_filters.keys()
    if unknown:
        raise UnknownFilter(_("There is no such filter: %s.") % ", ".join(sorted(unknown)))
    if not words:
        return deliveries
    chosen = DeliveryFilter(data=words, queryset=deliveries)
    if not chosen.is_valid():
        problems = [f"{name}: {problem}" for name, several in chosen.errors.items() for problem in several]
        raise UnknownFilter(" ".join(problems))
    fitting: QuerySet[Delivery] = chosen.qs
    return fitting
