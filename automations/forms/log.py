"""The filters above the log of deliveries, kept in the address bar."""

from datetime import datetime, timedelta

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from automations.models import Delivery, Destination, Event, Rule
from crm.ids import earliest_id

_ANSWERS = {
    "none": Q(status_code__isnull=True),
    **{
        f"{hundred}xx": Q(status_code__gte=hundred * 100, status_code__lt=hundred * 100 + 100)
        for hundred in (2, 3, 4, 5)
    },
}
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
        choices=[
            ("", _("Any answer")),
            ("2xx", _("2xx: taken")),
            ("3xx", _("3xx: redirect")),
            ("4xx", _("4xx: refused")),
            ("5xx", _("5xx: receiver's fault")),
            ("none", _("No answer")),
        ],
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

    def narrow(self, deliveries: QuerySet[Delivery], *, now: datetime) -> QuerySet[Delivery]:
        self.is_valid()
        given = {name: value for name, value in self.cleaned_data.items() if value}
        same = {
            name: given[name] for name in ("state", "rule", "destination", "event", "deal") if name in given
        }
        deliveries = deliveries.filter(**same)
        if "answer" in given:
            deliveries = deliveries.filter(_ANSWERS[given["answer"]])
        if "period" in given:
            since = now - _PERIODS[given["period"]]
            deliveries = deliveries.filter(created_at__gt=since, pk__gte=earliest_id("msg", at=since))
        return deliveries

    @property
    def is_narrowing(self) -> bool:
        """Whether anything but the state is chosen."""
        self.is_valid()
        return any(value for name, value in self.cleaned_data.items() if name != "state")
