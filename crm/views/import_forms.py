"""What a person says of a file: what it holds, what its columns become, and how its rows are to be taken."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.forms import BoundField
from django.utils.translation import get_language, gettext_lazy, pgettext_lazy
from django.utils.translation import gettext as _

from crm.edits import SYSTEM_LENGTH
from crm.imports.files import MOST_BYTES, UnreadableFile, read_table
from crm.imports.plans import KEYS, Choices
from crm.imports.targets import Entity, Kind, Target, guess_mapping, targets_of
from crm.imports.values import Cell, Dates, Decimals, as_text, likely_dates, likely_decimals
from crm.models import Import, User
from crm.views.fields import StageField, at_most

SHOWN = 3  # values of a column beside its heading
JUDGED = 500  # rows that the shape of numbers and dates is guessed from

_KEY_LABELS = {
    "id": gettext_lazy("Id in Stagehook"),
    "external_id": gettext_lazy("External id"),
    "tax_id": gettext_lazy("Tax id"),
    "email": gettext_lazy("E-mail"),
    "phone": gettext_lazy("Phone"),
    "domain": gettext_lazy("Domain"),
    "title": gettext_lazy("Title"),
    "name": gettext_lazy("Name"),
}
_FIELD_OF_KEY = {"email": "emails", "phone": "phones"}


class UploadForm(forms.Form):
    """A file that can be read; `cleaned_data["table"]` is what it holds."""

    entity = forms.ChoiceField(label=gettext_lazy("What is in the file?"), choices=Entity.choices)
    file = forms.FileField(
        label=gettext_lazy("File"),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx"}),
        help_text=gettext_lazy("CSV or XLSX, up to 20 MB and 50,000 rows. The first row holds the headings."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["file"].widget.attrs |= at_most(MOST_BYTES)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        file = cleaned.get("file")
        if isinstance(file, UploadedFile) and file.file is not None:
            try:
                cleaned["table"] = read_table(file.file)
            except UnreadableFile as problem:
                self.add_error("file", str(problem))
        return cleaned


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file as the page shows it."""

    head: str
    samples: list[str]
    bound: BoundField


class MappingForm(forms.Form):
    """What each column becomes, and the choices of `crm.imports.plans.Choices`."""

    mode = forms.ChoiceField(
        label=gettext_lazy("What to do"),
        choices=[
            ("both", gettext_lazy("Create new ones and update those that are there")),
            ("create", gettext_lazy("Create new ones only")),
            ("update", gettext_lazy("Update those that are there only")),
        ],
    )
    match_on = forms.MultipleChoiceField(
        label=gettext_lazy("Those that are there are found by"),
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=gettext_lazy("Tried in this order, as far as a row has a value."),
    )
    decimals = forms.ChoiceField(label=gettext_lazy("Numbers are written"), choices=Decimals.choices)
    dates = forms.ChoiceField(label=gettext_lazy("Dates are written"), choices=Dates.choices)
    system = forms.SlugField(
        label=gettext_lazy("External ids come from"),
        max_length=SYSTEM_LENGTH,
        help_text=gettext_lazy("The name of the other system in one word, such as omie or pipedrive."),
    )
    stage = StageField(
        label=gettext_lazy("Stage of new deals"), empty=gettext_lazy("The one that the row names")
    )
    owner = forms.ModelChoiceField(
        User.objects.filter(is_active=True),
        label=gettext_lazy("Owner of new deals whose row names none"),
        required=False,
        empty_label=pgettext_lazy("owner", "Nobody"),
    )
    tells = forms.BooleanField(
        label=gettext_lazy("Let automations run"),
        required=False,
        help_text=gettext_lazy("Otherwise nothing is sent because of this import."),
    )

    def __init__(self, imported: Import, user: User, data: Any = None) -> None:
        self._imported, self._entity = imported, Entity(imported.entity)
        self._targets = {target.name: target for target in targets_of(self._entity)}
        rows = imported.rows.values_list("cells", flat=True)[:JUDGED]
        self._rows: list[list[Cell]] = list(rows)
        mapping = imported.mapping or guess_mapping(imported.heads, list(self._targets.values()))
        super().__init__(data, initial=self._first_choices(mapping))
        self._add_columns(mapping)
        keys = KEYS[self._entity]
        self.fields["match_on"].choices = [(key, _KEY_LABELS[key]) for key in keys]  # type: ignore[attr-defined]
        if self._entity != Entity.DEAL:
            del self.fields["stage"], self.fields["owner"]
        if not user.is_admin:
            del self.fields["tells"]

    def columns(self) -> Iterable[Column]:
        for place, head in enumerate(self._imported.heads):
            values = (as_text(row[place]) for row in self._rows)
            samples = list(dict.fromkeys(value for value in values if value))[:SHOWN]
            shown = head or _("Column %(number)d") % {"number": place + 1}
            yield Column(head=shown, samples=samples, bound=self[f"column_{place}"])

    @property
    def preview(self) -> list[list[str]]:
        """The first rows as they stand in the file."""
        return [[as_text(cell) for cell in row] for row in self._rows[:5]]

    @property
    def choices(self) -> Choices:
        """What was chosen, of a valid form."""
        said = self.cleaned_data
        stage, owner = said.get("stage"), said.get("owner")
        return Choices(
            mode=said["mode"],
            match_on=tuple(said["match_on"]),
            decimals=said["decimals"],
            dates=said["dates"],
            system=said["system"],
            stage=stage.pk if stage else None,
            owner=owner.pk if owner else None,
            tells=said.get("tells", False),
        )

    @property
    def mapping(self) -> list[str]:
        return [self.cleaned_data[f"column_{place}"] for place in range(len(self._imported.heads))]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        self._refuse_repetitions(cleaned)
        if self.errors:
            return cleaned
        fields = {target.field for target in self._mapped(self.mapping) if target.entity == self._entity}
        if not fields and (self._entity != Entity.DEAL or not any(self.mapping)):
            self.add_error(None, _("No column becomes anything yet."))
        keys: list[str] = cleaned["match_on"]
        for key in keys:
            if _FIELD_OF_KEY.get(key, key) not in fields:
                text = _("No column holds “%(key)s” of what is imported.") % {"key": _KEY_LABELS[key]}
                self.add_error("match_on", text)
        if cleaned["mode"] != "create" and not keys:
            self.add_error("match_on", _("Choose at least one, or create new ones only."))
        needs_stage = self._entity == Entity.DEAL and cleaned["mode"] != "update"
        if needs_stage and not cleaned.get("stage") and not fields & {"stage", "pipeline"}:
            self.add_error("stage", _("No column names the stage, so choose one."))
        return cleaned

    def _refuse_repetitions(self, cleaned: dict[str, Any]) -> None:
        taken: set[str] = set()
        for place in range(len(self._imported.heads)):
            name = cleaned.get(f"column_{place}") or ""
            if name in taken and not self._targets[name].takes_several:
                self.add_error(f"column_{place}", _("Another column becomes this already."))
            taken.add(name)
            taken.discard("")

    def _add_columns(self, mapping: Sequence[str]) -> None:
        groups: list[Any] = [("", _("Leave out"))]
        for entity, targets in groupby(self._targets.values(), key=lambda target: target.entity):
            whose = "" if entity == self._entity else f"{entity.label} · "
            groups.append((entity.label, [(target.name, f"{whose}{target.label}") for target in targets]))
        for place, name in enumerate(mapping):
            head = self._imported.heads[place] or str(place + 1)
            self.fields[f"column_{place}"] = forms.ChoiceField(
                label=_("What “%(head)s” becomes") % {"head": head},
                choices=groups,
                required=False,
                initial=name if name in self._targets else "",
            )

    def _first_choices(self, mapping: Sequence[str]) -> dict[str, Any]:
        if self._imported.choices:
            return dict(self._imported.choices)
        is_portuguese = (get_language() or "").startswith("pt")
        comma, day_first = Decimals.COMMA, Dates.DAY_FIRST
        decimals = comma if is_portuguese else Decimals.POINT
        dates = day_first if is_portuguese else Dates.MONTH_FIRST
        return {
            "mode": "both",
            "match_on": self._likely_keys(mapping),
            "decimals": likely_decimals(self._cells(mapping, Kind.MONEY, Kind.NUMBER), default=decimals),
            "dates": likely_dates(self._cells(mapping, Kind.DATE), default=dates),
            "system": "import",
        }

    def _likely_keys(self, mapping: Sequence[str]) -> list[str]:
        """All that are mapped, and what many may share only where there is nothing better."""
        fields = {target.field for target in self._mapped(mapping) if target.entity == self._entity}
        there = [key for key in KEYS[self._entity] if _FIELD_OF_KEY.get(key, key) in fields]
        return [key for key in there if key not in ("name", "title")] or there

    def _mapped(self, mapping: Sequence[str]) -> list[Target]:
        return [self._targets[name] for name in mapping if name in self._targets]

    def _cells(self, mapping: Sequence[str], *kinds: Kind) -> list[Cell]:
        places = [
            place
            for place, name in enumerate(mapping)
            if name in self._targets and self._targets[name].kind in kinds
        ]
        return [row[place] for row in self._rows for place in places]
