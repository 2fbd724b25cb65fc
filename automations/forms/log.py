"""The filters above the log of deliveries, kept in the address bar."""

from datetime import datetime, timedelta

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from automations.filters import ANSWERS, filter_deliveries
from automations.models import Delivery, Destination, Event, Rule

_PERIODS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}


class LogFilter(forms.Form):
    """What cannot be read narrows nothing."""

    state = forms.ChoiceField(
        required=False, choices=[("", ""), *Delivery.State.choices], widget=forms.HiddenInput
    )
    rule = forms.ModelChoiceField(
        Rule.objects.present(), label=_("Rule"), required=False, empty_label=_("All rules")
    )
    destination = forms.ModelChoiceField(
        Destination.objects.present(),
        label=_("Destination"),
        required=False,
        empty_label=_("All destinations"),
    )
    event = forms.ChoiceField(
        label=_("Event"), required=False, choices=[("", _("All events")), *Event.choices]
    )
    answer = forms.ChoiceField(
        label=_("Answer"),
        required=False,
        choices=[("", _("Any answer")), *ANSWERS.items()],
    )
    period = forms.ChoiceField(
        label=_("Period"),
        required=False,
        choices=[
            ("", _("Any time")),
            ("hour", _("Last hour")),
            ("day", _("Last 24 hours")),
            ("week", _("Last 7 days")),
            ("month", _("Last 30 days")),
        ],
    )
    deal = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def words(self, *, now: datetime) -> dict[str, str | int]:
        """What is chosen, in the words of `automations.filters`."""
        self.is_valid()
        given = {name: value for name, value in self.cleaned_data.items() if value}
        words = {name: getattr(value, "pk", value) for name, value in given.items() if name != "period"}
        if "period" in given:
            words["created_after"] = (now - _PERIODS[given["period"]]).isoformat()
        return words

    def narrow(self, deliveries: QuerySet[Delivery], *, now: datetime) -> QuerySet[Delivery]:
        return filter_deliveries(deliveries, self.words(now=now))

    @property
    def is_narrowing(self) -> bool:
        """Whether anything but the state is chosen."""
        self.is_valid()
        return any(value for name, value in self.cleaned_data.items() if name != "state")
