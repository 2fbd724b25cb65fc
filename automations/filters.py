"""The filters of the log of deliveries, for the API's lists and for what is resent by filter."""

from typing import ClassVar

from django_filters import rest_framework as filters

from automations.models import Delivery, Destination, Event, Rule


class DeliveryFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    state = filters.ChoiceFilter(choices=Delivery.State.choices)
    event = filters.ChoiceFilter(choices=Event.choices)
    destination = filters.ModelChoiceFilter(queryset=Destination.objects.all())
    rule = filters.ModelChoiceFilter(queryset=Rule.objects.all())
    deal = filters.NumberFilter(field_name="deal_id")
    created_after = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gt")
    created_before = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Delivery
        fields: ClassVar = ["status_code", "error_code"]
