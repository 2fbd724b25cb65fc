"""The form of a stage, which the settings and Django's admin share."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.models import Stage, Team, User


class StageForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """Who may move deals into the stage is chosen from roles and teams."""

    roles = forms.MultipleChoiceField(choices=User.Role, label=_("roles that may enter"), required=False)
    teams = forms.ModelMultipleChoiceField(
        Team.objects.all(), label=_("teams that may enter"), required=False
    )

    class Meta:
        model = Stage
        fields = (
            "name",
            "position",
            "hue",
            "probability",
            "rotting_days",
            "required_fields",
            "card_limit",
            "limit_is_hard",
            "may_go_back",
        )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, chosen in self.instance.may_enter.items():
            self.fields[name].initial = chosen

    def save(self, commit: bool = True) -> Stage:
        chosen = {
            "roles": self.cleaned_data["roles"],
            "teams": [team.pk for team in self.cleaned_data["teams"]],
        }
        self.instance.may_enter = {name: those for name, those in chosen.items() if those}
        return super().save(commit)  # type: ignore[no-any-return]  # the base is untyped here
