"""The form of a rule: when, under which conditions, what, and where to. A new destination can be made along with it."""

from typing import Any

from django import forms
from django.db import transaction
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy

from automations.conditions import problems_of
from automations.destinations import DestinationError, create_destination
from automations.explanations import describe_rule
from automations.fields import changing_fields
from automations.forms.conditions import Row, rows_from, rows_of
from automations.forms.fields import UNITS
from automations.models import Destination, Event, Rule
from automations.rules import RuleError, create_rule, update_rule
from automations.starters import starter_of
from crm.ids import read_id
from crm.models import Pipeline, Stage, User
from crm.views.fields import StageField

WITH_DAYS = (Event.DEAL_STALE, Event.SUBSCRIPTION_RENEWAL_DUE)
_MONO = {"class": "mono", "spellcheck": "false", "autocomplete": "off"}
_UNITS = [
    ("min", gettext_lazy("minutes")),
    ("h", gettext_lazy("hours")),
    ("d", gettext_lazy("days")),
]
_WEEKDAYS = [
    (1, gettext_lazy("Mon")),
    (2, gettext_lazy("Tue")),
    (3, gettext_lazy("Wed")),
    (4, gettext_lazy("Thu")),
    (5, gettext_lazy("Fri")),
    (6, gettext_lazy("Sat")),
    (7, gettext_lazy("Sun")),
]
_PLACES = {
    "conditions": "match",
    "fields": "fields_changed",
    "payload": "expression",
    "delay_seconds": "delay",
    "sending_window": "opens",
}


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
    days = forms.IntegerField(label=gettext_lazy("Days"), required=False, min_value=0, max_value=3650)
    fields_changed = forms.MultipleChoiceField(
        label=gettext_lazy("Fields"), required=False, widget=forms.CheckboxSelectMultiple
    )
    match = forms.ChoiceField(
        label=gettext_lazy("Send when"),
        required=False,
        choices=[("all", gettext_lazy("all of these hold")), ("any", gettext_lazy("any of these holds"))],
    )
    condition_expression = forms.CharField(
        label=gettext_lazy("JMESPath condition"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, **_MONO}),
    )
    delay = forms.IntegerField(label=gettext_lazy("Wait"), required=False, min_value=0)
    delay_unit = forms.ChoiceField(label=gettext_lazy("Unit"), required=False, choices=_UNITS)
    if_left = forms.ChoiceField(
        label=gettext_lazy("If the deal has left the stage by then"),
        required=False,
        choices=Rule.IfLeft.choices,
    )
    has_window = forms.BooleanField(
        label=gettext_lazy("Only on certain days and hours"),
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "toggle"}),
    )
    weekdays = forms.TypedMultipleChoiceField(
        label=gettext_lazy("Days"),
        required=False,
        coerce=int,
        choices=_WEEKDAYS,
        widget=forms.CheckboxSelectMultiple,
    )
    opens = forms.CharField(
        label=gettext_lazy("From"), required=False, widget=forms.TimeInput(attrs={"type": "time"})
    )
    closes = forms.CharField(
        label=gettext_lazy("To"), required=False, widget=forms.TimeInput(attrs={"type": "time"})
    )
    payload_mode = forms.ChoiceField(
        label=gettext_lazy("Body"),
        required=False,
        choices=[("standard", gettext_lazy("Standard")), ("custom", gettext_lazy("Custom (JMESPath)"))],
    )
    expression = forms.CharField(
        label=gettext_lazy("Expression"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6, **_MONO}),
    )
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
    position = forms.IntegerField(
        label=gettext_lazy("Order"), required=False, min_value=0, max_value=2_147_483_647
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.data.get("destination"):
            self.fields["new_name"].required = self.fields["new_url"].required = False
        changing = self.fields["fields_changed"]
        if isinstance(changing, forms.MultipleChoiceField):
            changing.choices = self._changing()

    def _changing(self) -> list[tuple[str, Any]]:
        """The fields to choose from, and what was chosen elsewhere without being one: the door judges that."""
        offered = changing_fields()
        given = self["fields_changed"].value() or []
        return offered + [(name, name) for name in given if name not in dict(offered)]

    @cached_property
    def rows(self) -> list[Row]:
        """The conditions as they stand on the page."""
        if self.is_bound:
            return rows_from(self.data)  # type: ignore[arg-type]  # forms are given a QueryDict
        return rows_of(self.initial.get("conditions", {}))

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
            self.take_errors(refusal.errors, {"name": "new_name", "url": "new_url"})
        except RuleError as refusal:
            self.take_errors(self._apart(refusal.errors), _PLACES)
        return None

    def _fields(self) -> dict[str, Any]:
        destination = self.cleaned_data["destination"]
        if destination is None:
            new = {"name": self.cleaned_data["new_name"], "url": self.cleaned_data["new_url"]}
            destination = create_destination(fields=new)
        return {**self.values(), "name": self.cleaned_data["name"], "destination": destination}

    def values(self) -> dict[str, Any]:
        """What the rule is to be, as far as it is filled in, but for its name and destination."""
        given = self.cleaned_data
        event = given.get("event", Event.DEAL_STAGE_CHANGED)
        values = {name: given.get(name) for name in ("pipeline", "stage", "from_stage")}
        values |= {
            "event": event,
            "days": given.get("days") if event in WITH_DAYS else None,
            "fields": given.get("fields_changed", []) if event == Event.DEAL_UPDATED else [],
            "conditions": self._conditions(),
            "payload": self._payload(),
            "delay_seconds": (given.get("delay") or 0) * UNITS[given.get("delay_unit") or "min"],
            "if_left": given.get("if_left") or Rule.IfLeft.CANCEL,
            "sending_window": self._window(),
        }
        if given.get("position") is not None:
            values["position"] = given["position"]
        return values

    def _conditions(self) -> dict[str, Any]:
        conditions: dict[str, Any] = {}
        if self.rows:
            match = self.cleaned_data.get("match") or "all"
            conditions = {"match": match, "rows": [row.as_json() for row in self.rows]}
        if expression := self.cleaned_data.get("condition_expression"):
            conditions["expression"] = expression
        return conditions

    def _payload(self) -> dict[str, Any]:
        if self.cleaned_data.get("payload_mode") != "custom":
            return {"mode": "standard"}
        return {"mode": "custom", "expression": self.cleaned_data.get("expression", "")}

    def _window(self) -> dict[str, Any]:
        given = self.cleaned_data
        if not given.get("has_window"):
            return {}
        return {"weekdays": given.get("weekdays", []), "from": given.get("opens"), "to": given.get("closes")}

    def _apart(self, errors: dict[str, list[str]]) -> dict[str, list[str]]:
        """What is wrong with the expression of the conditions apart from what is wrong with their rows."""
        expression = {"expression": self.cleaned_data.get("condition_expression", "")}
        of_expression = problems_of(expression)
        of_rows = [problem for problem in errors.get("conditions", []) if problem not in of_expression]
        parts = {"conditions": of_rows, "condition_expression": of_expression}
        others = {name: problems for name, problems in errors.items() if name != "conditions"}
        return others | {name: problems for name, problems in parts.items() if problems}

    def take_errors(self, errors: dict[str, list[str]], places: dict[str, str]) -> None:
        for name, problems in errors.items():
            place = places.get(name, name)
            self.add_error(place if place in self.fields else None, problems)

    def draft(self, *, saved: Rule | None = None) -> Rule:
        """The rule as far as it is filled in, unsaved, for the preview. Call it after `is_valid`.

        `saved` is the rule that it would be a change of.
        """
        given = self.cleaned_data
        destination = given.get("destination") or Destination(
            name=given.get("new_name", ""), url=given.get("new_url", "")
        )
        draft = Rule(name=given.get("name", ""), destination=destination, **self.values())
        if saved is not None:
            draft.pk, draft.enabled = saved.pk, saved.enabled
        return draft


def initial_of(rule: Rule) -> dict[str, Any]:
    """What the form of a rule shows at first."""
    names = (
        "name",
        "event",
        "pipeline",
        "stage",
        "from_stage",
        "destination",
        "days",
        "if_left",
        "position",
        "conditions",
    )
    unit = next((name for name in ("d", "h") if rule.delay_seconds % UNITS[name] == 0), "min")
    window = rule.sending_window
    return {name: getattr(rule, name) for name in names} | {
        "fields_changed": rule.fields,
        "match": rule.conditions.get("match", "all"),
        "condition_expression": rule.conditions.get("expression", ""),
        "delay": rule.delay_seconds // UNITS[unit] or None,
        "delay_unit": unit if rule.delay_seconds else "min",
        "has_window": bool(window),
        "weekdays": window.get("weekdays", [1, 2, 3, 4, 5]),
        "opens": window.get("from", "09:00"),
        "closes": window.get("to", "18:00"),
        "payload_mode": rule.payload.get("mode", "standard"),
        "expression": rule.payload.get("expression", ""),
    }


def initial_from_link(given: Any) -> dict[str, Any]:
    """What a link sets: `?pipeline=&stage=&event=`, or `?starter=` one of those. Nonsense is left out."""
    starter = starter_of(given.get("starter", ""))
    event = starter.event if starter else given.get("event", "")
    stage = _by_id(Stage, given.get("stage", ""))
    begun = Rule(
        event=event if event in Event else Event.DEAL_STAGE_CHANGED,
        stage=stage,
        pipeline=stage.pipeline if stage else _by_id(Pipeline, given.get("pipeline", "")),
    )
    initial: dict[str, Any] = {
        "weekdays": [1, 2, 3, 4, 5],
        "opens": "09:00",
        "closes": "18:00",
        "delay_unit": "min",
    }
    initial |= {name: getattr(begun, name) for name in ("event", "stage", "pipeline")}
    initial |= {"destination": Destination.objects.present().first(), "name": describe_rule(begun)}
    if starter is None:
        return initial
    payload = {"payload_mode": "custom", "expression": starter.expression}
    return initial | {"name": str(starter.name), **payload, **starter.fields}


def _by_id(model: Any, text: str) -> Any:
    return model.objects.filter(pk=read_id(text)).first()
