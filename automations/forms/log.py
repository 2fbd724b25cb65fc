"""The filters above the log of deliveries, kept in the address bar."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from automations.filters import ANSWERS, filter_deliveries
from automations.models import Delivery, Destination, Event, Rule
from crm.search import LONGEST
from crm.views.fields import StageField

SPAN = "span"  # the period that has a start and an end of its own
_PERIODS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
MINUTE = "%Y-%m-%dT%H:%M"


def _moment(label: Any) -> forms.DateTimeField:
    picked = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MINUTE)
    return forms.DateTimeField(label=label, required=False, input_formats=[MINUTE], widget=picked)


class LogFilter(forms.Form):
    """What cannot be read narrows nothing."""

    state = forms.ChoiceField(
        required=False, choices=[("", ""), *Delivery.State.choices], widget=forms.HiddenInput
    )
    search = forms.CharField(
        label=_("Search deals"),
        required=False,
        max_length=LONGEST,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Search deals")}),
    )
    rule = forms.ModelChoiceField(
        Rule.objects.present(), label=_("Rule"), required=False, empty_label=_("All rules")
    )
    stage = StageField(label=_("Stage of the rule"), empty=_("All stages"))
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
            (SPAN, _("From … to …")),
        ],
    )
    start = _moment(_("From"))
    end = _moment(_("To"))
    deal = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def words(self, *, now: datetime) -> dict[str, str | int]:
        """What is chosen, in the words of `automations.filters`."""
        self.is_valid()
        given = {name: value for name, value in self.cleaned_data.items() if value}
        start, end, period = given.pop("start", None), given.pop("end", None), given.pop("period", "")
        words = {name: getattr(value, "pk", value) for name, value in given.items()}
        if period in _PERIODS:
            start, end = now - _PERIODS[period], None
        if period and start:
            words["created_after"] = start.isoformat()
        if period and end:
            words["created_before"] = end.isoformat()
        return words

    def narrow(self, deliveries: QuerySet[Delivery], *, now: datetime) -> QuerySet[Delivery]:
        return filter_deliveries(deliveries, self.words(now=now))

    @property
    def is_narrowing(self) -> bool:
        """Whether anything but the state is chosen."""
        self.is_valid()
        return any(value for name, value in self.cleaned_data.items() if name != "state")
