"""The filters above the list of rules, kept in the address bar."""

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from automations.models import Delivery, Destination, Event, Rule
from crm.models import Pipeline
from crm.views.fields import StageField

_TROUBLE = (
    Q(last_state=Delivery.State.FAILED)
    | ~Q(destination__status=Destination.Status.ACTIVE)
    | Q(destination__failing_since__isnull=False)
)
_STATES = {"on": Q(enabled=True), "paused": Q(enabled=False), "trouble": _TROUBLE}


class RuleFilter(forms.Form):
    """What cannot be read narrows nothing."""

    q = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=120,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Name or URL")}),
    )
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[
            ("", _("Any state")),
            ("on", _("On")),
            ("paused", _("Paused")),
            ("trouble", _("In trouble")),
        ],
    )
    event = forms.ChoiceField(
        label=_("Event"), required=False, choices=[("", _("All events")), *Event.choices]
    )
    pipeline = forms.ModelChoiceField(
        Pipeline.objects.filter(archived=False),
        label=_("Pipeline"),
        required=False,
        empty_label=_("All pipelines"),
    )
    stage = StageField(label=_("Stage"), empty=_("Any stage"))
    destination = forms.ModelChoiceField(
        Destination.objects.present(),
        label=_("Destination"),
        required=False,
        empty_label=_("All destinations"),
    )

    @property
    def is_narrowing(self) -> bool:
        self.is_valid()
        return any(self.cleaned_data.values())

    def narrow(self, rules: QuerySet[Rule]) -> QuerySet[Rule]:
        """Those that fit; `rules` have their `last_state`."""
        self.is_valid()
        given = {name: value for name, value in self.cleaned_data.items() if value}
        fits = Q()
        for name in ("event", "destination"):
            if name in given:
                fits &= Q(**{name: given[name]})
        if "q" in given:
            fits &= Q(name__icontains=given["q"]) | Q(destination__url__icontains=given["q"])
        if "state" in given:
            fits &= _STATES[given["state"]]
        if "stage" in given:
            fits &= Q(stage=given["stage"]) | Q(from_stage=given["stage"])
        if "pipeline" in given:
            fits &= Q(pipeline=given["pipeline"]) | Q(stage__pipeline=given["pipeline"])
        return rules.filter(fits)
