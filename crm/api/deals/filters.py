"""What lists of deals can be narrowed by."""

from typing import Any, ClassVar

from django.utils import timezone
from django_filters import rest_framework as filters

from crm.models import Deal, DealQuerySet


class DealFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """`external_system` and `external_id` together mean one name in one system."""

    tag = filters.CharFilter(field_name="tags__name", lookup_expr="iexact")
    created_after = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gt")
    updated_after = filters.IsoDateTimeFilter(field_name="updated_at", lookup_expr="gt")
    stale = filters.BooleanFilter(method="by_staleness", label="stale")
    external_system = filters.CharFilter(method="leave", label="external_system")
    external_id = filters.CharFilter(method="leave", label="external_id")

    class Meta:
        model = Deal
        fields: ClassVar = ["pipeline", "stage", "status", "owner", "contact", "company", "source"]

    def by_staleness(self, deals: DealQuerySet, _name: str, wanted: bool) -> DealQuerySet:
        stale = deals.stale(now=timezone.now())
        return stale if wanted else deals.exclude(pk__in=stale.order_by().values("pk"))

    def leave(self, deals: DealQuerySet, _name: str, _value: Any) -> DealQuerySet:
        """Both are taken together in `filter_queryset`, since they must be true of one row."""
        return deals

    def filter_queryset(self, queryset: DealQuerySet) -> DealQuerySet:
        deals: DealQuerySet = super().filter_queryset(queryset)
        asked = {"system": "external_system", "value": "external_id"}
        values = {
            f"external_id_rows__{column}": self.form.cleaned_data[name] for column, name in asked.items()
        }
        given = {column: value for column, value in values.items() if value}
        return deals.filter(**given).distinct() if given else deals
