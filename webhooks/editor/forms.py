"""The form of the editor around its rows: which records, how the deal is found, how it is written to."""

import json
from collections.abc import Mapping, Sequence
from copy import copy
from hashlib import sha256
from typing import Any

from django import forms
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from crm.ids import read_id
from crm.models import User
from crm.refusals import InvalidFields
from webhooks.editor.offers import Offer
from webhooks.editor.rows import Row, first_rows, mapping_from, rows_from, rows_of
from webhooks.handling import MATCHING, OWNERS, WRITING, matching_of, writing_of
from webhooks.mapping import check_mapping, mappings_of
from webhooks.models import InboundEndpoint

_LABELS: dict[str, Any] = {
    "within": (
        gettext_lazy("Look for the deal"),
        {"all": gettext_lazy("In all pipelines"), "pipeline": gettext_lazy("In the pipeline of new deals")},
    ),
    "when_several": (
        gettext_lazy("If several match"),
        {"newest": gettext_lazy("Take the newest open one"), "review": gettext_lazy("Let a person choose")},
    ),
    "if_missing": (
        gettext_lazy("If none matches"),
        {
            "create": gettext_lazy("Make a new deal"),
            "ignore": gettext_lazy("Do nothing"),
            "reject": gettext_lazy("Refuse the request"),
        },
    ),
    "stage": (
        gettext_lazy("Move deals"),
        {"any": gettext_lazy("To any stage"), "forward": gettext_lazy("Only forward")},
    ),
    "status": (
        gettext_lazy("Open closed deals again"),
        {"any": gettext_lazy("If the sender says so"), "forward": pgettext_lazy("how often", "Never")},
    ),
    "unknown_fields": (
        gettext_lazy("Custom fields that do not exist"),
        {"refuse": gettext_lazy("Refuse"), "create": pgettext_lazy("unknown things", "Make them")},
    ),
    "unknown_tags": (
        gettext_lazy("Tags that do not exist"),
        {"create": pgettext_lazy("unknown things", "Make them"), "refuse": gettext_lazy("Refuse")},
    ),
    "owner": (
        gettext_lazy("Owner of new deals"),
        {
            "fixed": gettext_lazy("Always the endpoint’s owner"),
            "round_robin": gettext_lazy("One after the other"),
            "fewest_open": gettext_lazy("Who has the fewest open deals"),
        },
    ),
}


def _choice(name: str, values: Any) -> forms.ChoiceField:
    label, words = _LABELS[name]
    return forms.ChoiceField(label=label, choices=[(value, words[value]) for value in values])


class MappingForm(forms.Form):
    """Rows or JSON, and the settings. `rows` are the editor's rows, with the errors of each.

    Of several mappings the rows are those of one, `part`; the others stay as they are saved.
    """

    mode = forms.ChoiceField(
        label=gettext_lazy("Mapping"),
        choices=[("rows", gettext_lazy("Field by field")), ("json", gettext_lazy("As JSON, for experts"))],
        widget=forms.RadioSelect,
    )
    each = forms.CharField(label=gettext_lazy("List of records"), required=False)
    when = forms.CharField(label=gettext_lazy("Only where"), required=False)
    otherwise = forms.CharField(
        label=gettext_lazy("What to say of the others"), required=False, max_length=200
    )
    text = forms.CharField(
        label=gettext_lazy("Mapping as JSON"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 16, "class": "mono", "spellcheck": "false"}),
    )
    owners = forms.ModelMultipleChoiceField(
        User.objects.filter(is_active=True),
        label=gettext_lazy("Among"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(
        self, data: QueryDict | None = None, *, endpoint: InboundEndpoint, part: int | None = None
    ) -> None:
        given = (read_id(data.get("part", "")) or 0) if data is not None else part
        self.parts = parts_of(endpoint.mapping)
        self.part = min(given or 0, len(self.parts))
        super().__init__(data, initial=initial_of(endpoint, part=self.part))
        for name, values in (*MATCHING.items(), *WRITING.items()):
            self.fields[name] = _choice(name, values)
        # Another list has other records, which offer other values.
        self.fields["each"].widget.attrs |= {
            "list": "mapping-lists",
            "autocomplete": "off",
            "class": "mono",
            "hx-post": reverse("mapping-rows", args=[endpoint.pk]),
            "hx-trigger": "change",
            "hx-target": "#mapping-rows",
        }
        self.rows: list[Row] = rows_of_part(self.parts, self.part) if data is None else rows_from(data)

    def mapping(self) -> Any:
        """What is filled in, None for no mapping. Raises InvalidFields for JSON that cannot be read."""
        given = {name: self.data.get(name, "") for name in ("mode", "each", "when", "otherwise", "text")}
        if given["mode"] == "json":
            return _read_json(given["text"])
        paths = [row.path for row in self.rows if row.expression.strip()]
        if twice := next((path for path in paths if paths.count(path) > 1), None):
            text = _("This field is filled in twice.")
            raise InvalidFields({f"mapping.fields.{twice}": [text]})
        own = mapping_from(self.rows, each=given["each"], when=given["when"], otherwise=given["otherwise"])
        return self._among_the_others(own)

    @property
    def place(self) -> int:
        """Among all mappings; one that is new stands before the first that takes everything."""
        if self.part < len(self.parts):
            return self.part
        takes_all = (place for place, each in enumerate(self.parts) if not each.get("when"))
        return next(takes_all, len(self.parts))

    def _among_the_others(self, own: dict[str, Any] | None) -> Any:
        """All mappings with this one in its place; without it where it says nothing."""
        others = self.parts[: self.part] + self.parts[self.part + 1 :]
        told = [own] if own else []
        whole = [*others[: self.place], *told, *others[self.place :]]
        return whole if len(whole) > 1 else next(iter(whole), None)

    def values(self) -> dict[str, Any]:
        """What the door of endpoints takes. Raises InvalidFields."""
        chosen = self.cleaned_data
        owners = [owner.pk for owner in chosen[OWNERS]]
        return {
            "mapping": self.mapping(),
            "matching": {name: chosen[name] for name in MATCHING},
            "writing": {**{name: chosen[name] for name in WRITING}, OWNERS: owners},
        }

    def draft(self, endpoint: InboundEndpoint) -> InboundEndpoint:
        """The endpoint as it would be, not saved. Raises InvalidFields."""
        self.is_valid()
        endpoint.mapping = self.mapping()
        chosen = self.cleaned_data
        endpoint.matching = {name: chosen[name] for name in MATCHING if name in chosen}
        endpoint.writing = {name: chosen[name] for name in WRITING if name in chosen}
        return endpoint

    def take_refusal(self, refusal: InvalidFields) -> None:
        """Put what the door objects to beside the row or the field it is about."""
        for name, problems in refusal.errors.items():
            path = name.removeprefix("mapping.").removeprefix(f"[{self.place}].")
            for row in self.rows:
                if path == f"fields.{row.path}":
                    row.error = " ".join(problems)
            if path in self.fields:
                self.add_error(path, problems)
            else:
                place = "text" if self.data.get("mode") == "json" else None
                self.add_error(place, [f"{path}: {problem}" for problem in problems])


def drafted(
    data: QueryDict, endpoint: InboundEndpoint
) -> tuple[InboundEndpoint | None, list[tuple[str, str]]]:
    """The endpoint as it is filled in, not saved; or None with the (path, message) of what is wrong."""
    try:
        draft = MappingForm(data, endpoint=endpoint).draft(copy(endpoint))
        wrong = [] if draft.mapping is None else check_mapping(draft.mapping)
    except InvalidFields as refusal:
        wrong = [(name.removeprefix("mapping."), " ".join(texts)) for name, texts in refusal.errors.items()]
    return (None, wrong) if wrong else (draft, [])


def fingerprint(draft: InboundEndpoint) -> str:
    """Of what decides what becomes of a request: who has seen it has seen what would happen."""
    decisive = [draft.mapping, draft.matching, draft.writing]
    return sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()


def parts_of(mapping: Any) -> list[Mapping[str, Any]]:
    """A mapping as the list of alternatives it is; empty where there is none."""
    return [] if mapping is None else mappings_of(mapping)


def initial_of(endpoint: InboundEndpoint, *, part: int) -> dict[str, Any]:
    own = dict(enumerate(parts_of(endpoint.mapping))).get(part, {})
    writing = writing_of(endpoint.writing)
    return {
        "mode": "rows",
        **{name: own.get(name) or "" for name in ("each", "when", "otherwise")},
        "text": as_text(endpoint.mapping),
        **matching_of(endpoint.matching),
        **writing,
    }


def rows_of_part(parts: Sequence[Mapping[str, Any]], part: int) -> list[Row]:
    return rows_of(parts[part], Offer()) if part < len(parts) else first_rows()


def as_text(mapping: Any) -> str:
    return "" if mapping is None else json.dumps(mapping, indent=2, ensure_ascii=False)


def _read_json(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = {"line": getattr(error, "lineno", 1), "column": getattr(error, "colno", 1)}
        message = _("This is no JSON (line %(line)d, column %(column)d).") % where
        raise InvalidFields({"text": [message]}) from error
