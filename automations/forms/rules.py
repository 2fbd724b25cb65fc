"""The form of a rule: when, and where to. A new destination can be made along with it."""

from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext_lazy

from automations.destinations import DestinationError, create_destination
from automations.explanations import describe_rule
from automations.models import Destination, Event, Rule
from automations.rules import RuleError, create_rule, update_rule
from crm.models import Pipeline, Stage, User
from crm.views.fields import StageField


class DestinationField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic for the type checker only
    """A destination; None stands for one that is made along with the rule."""

    def clean(self, value: Any) -> Any:
        return super().clean(value) if value else None


class RuleForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    event = forms.ChoiceField(label=gettext_lazy("Event"), choices=Event.choices)
    pipeline = forms.ModelChoiceField(
        Pipeline.objects.filter(archived=False),
        label=gettext_lazy("Pipeline"),
        required=False,
        empty_label=gettext_lazy("Any pipeline"),
    )
    stage = StageField(label=gettext_lazy("Stage"), empty=gettext_lazy("Any stage"))
    from_stage = StageField(label=gettext_lazy("Coming from"), empty=gettext_lazy("Any stage"))
    destination = DestinationField(
        Destination.objects.present(),
        label=gettext_lazy("Destination"),
        empty_label=gettext_lazy("+ New destination"),
    )
    new_name = forms.CharField(label=gettext_lazy("Its name"), max_length=120)
    new_url = forms.CharField(
        label=gettext_lazy("URL"),
        max_length=2000,
        widget=forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.data.get("destination"):
            self.fields["new_name"].required = self.fields["new_url"].required = False

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        if values.get("event") != Event.DEAL_STAGE_CHANGED:
            values["from_stage"] = None  # its input is hidden then
        return values

    def save(self, *, rule: Rule | None, by: User) -> Rule | None:
        """The rule made or changed, with its new destination; None where the doors object, told beside the fields."""
        try:
            with transaction.atomic():
                fields = self._fields()
                if rule is None:
                    return create_rule(fields=fields, by=by)
                return update_rule(rule_id=rule.pk, fields=fields)
        except DestinationError as refusal:
            self._take_errors(refusal.errors, {"name": "new_name", "url": "new_url"})
        except RuleError as refusal:
            self._take_errors(refusal.errors, {})
        return None

    def _fields(self) -> dict[str, Any]:
        values = {
            name: self.cleaned_data[name] for name in ("name", "event", "pipeline", "stage", "from_stage")
        }
        destination = self.cleaned_data["destination"]
        if destination is None:
            new = {"name": self.cleaned_data["new_name"], "url": self.cleaned_data["new_url"]}
            destination = create_destination(fields=new)
        return {**values, "destination": destination}

    def _take_errors(self, errors: dict[str, list[str]], places: dict[str, str]) -> None:
        for name, problems in errors.items():
            place = places.get(name, name)
            self.add_error(place if place in self.fields else None, problems)

    def draft(self) -> Rule:
        """The rule as far as it is filled in, unsaved, for the preview. Call it after `is_valid`."""
        given = self.cleaned_data
        destination = given.get("destination") or Destination(
            name=given.get("new_name", ""), url=given.get("new_url", "")
        )
        return Rule(
            name=given.get("name", ""),
            event=given.get("event", Event.DEAL_STAGE_CHANGED),
            pipeline=given.get("pipeline"),
            stage=given.get("stage"),
            from_stage=given.get("from_stage"),
            destination=destination,
        )


def initial_of(rule: Rule) -> dict[str, Any]:
    """What the form of a rule shows at first."""
    names = ("name", "event", "pipeline", "stage", "from_stage", "destination")
    return {name: getattr(rule, name) for name in names}


def initial_from_link(given: Any) -> dict[str, Any]:
    """What a link from the board sets: `?pipeline=&stage=&event=`. Nonsense is left out."""
    initial: dict[str, Any] = {"event": given.get("event", "")}
    if initial["event"] not in Event:
        initial["event"] = Event.DEAL_STAGE_CHANGED
    stage = _by_id(Stage, given.get("stage", ""))
    pipeline = stage.pipeline if stage else _by_id(Pipeline, given.get("pipeline", ""))
    initial |= {"stage": stage, "pipeline": pipeline, "destination": Destination.objects.present().first()}
    initial["name"] = describe_rule(Rule(event=initial["event"], stage=stage, pipeline=pipeline))
    return initial


def _by_id(model: Any, text: str) -> Any:
    return model.objects.filter(pk=int(text)).first() if text.isdecimal() else None
