"""The bar of filters over the board, the lists and the forecast, and the dialog in which they are chosen."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from crm.filters import DealFilters, read_filters
from crm.filters.chips import Chip, chips
from crm.ids import read_id
from crm.models import CustomField, Deal, DealQuerySet, Pipeline, Source, Tag, Team, User
from crm.views.access import PageRequest
from crm.views.fields import DayField, StageField

KEPT = ("columns", "sort", "view")  # what an address says besides its filters
BOARD_BUT = ("pipeline", "status")  # what the board itself decides


@dataclass(frozen=True)
class FilterBar:
    """What the templates of the bar need. `layout` is `board`, `list` or `forecast`."""

    request: PageRequest
    filters: DealFilters
    layout: str
    pipeline: Pipeline | None = None

    @cached_property
    def chips(self) -> list[Chip]:
        return chips(self.filters)

    @property
    def path(self) -> str:
        return self.request.path

    @property
    def query(self) -> str:
        return self.filters.query()

    @property
    def kept(self) -> str:
        """What the address says besides its filters, to be added to a query string: `` or `&sort=value`."""
        kept = QueryDict(mutable=True)
        for name in KEPT:
            if self.request.GET.get(name):
                kept[name] = self.request.GET[name]
        return f"&{kept.urlencode(safe=',')}" if kept else ""

    @property
    def is_mine(self) -> bool:
        mine = {"me", str(self.request.user.pk)}
        return any(given.group == "owner" and set(given.texts) <= mine for given in self.filters.given)

    @property
    def is_stale(self) -> bool:
        return any(given.group == "stale" and given.values == (True,) for given in self.filters.given)

    @property
    def without_owner(self) -> str:
        return self.filters.query(without=["owner"])

    @property
    def without_stale(self) -> str:
        return self.filters.query(without=["stale"])

    @property
    def dialog_url(self) -> str:
        pipeline = f"&pipeline={self.pipeline.pk}" if self.pipeline else ""
        return f"{reverse('filters')}?layout={self.layout}{pipeline}&{self.query}{self.kept}"

    @property
    def views_url(self) -> str:
        board = f"&board={self.pipeline.pk}" if self.pipeline else ""
        return f"{reverse('views')}?layout={self.layout}{board}&{self.query}{self.kept}"


@dataclass(frozen=True, slots=True)
class Hiding:
    """A chip, and how many deals there would be without it."""

    chip: Chip
    count: int


def filters_of(request: PageRequest, *, but: Collection[str] = ()) -> DealFilters:
    return read_filters(request.GET, user=request.user, but=but)


def what_hides(bar: FilterBar, deals: DealQuerySet) -> list[Hiding]:
    """For a list that its filters leave empty: which of them, taken away alone, would show something."""
    now = timezone.now()
    found = [
        Hiding(chip=chip, count=bar.filters.narrow(deals, now=now, without=[chip.group]).count())
        for chip in bar.chips
    ]
    return [each for each in found if each.count]


class FilterForm(forms.Form):
    """The filters as inputs, under the names they have in an address."""

    q = forms.CharField(label=gettext_lazy("Text"), required=False, max_length=200)
    stale = forms.ChoiceField(
        label=gettext_lazy("Stale"),
        required=False,
        choices=[
            ("", gettext_lazy("Stale or not")),
            ("true", gettext_lazy("Too long in the stage")),
            ("false", gettext_lazy("Not too long in the stage")),
        ],
    )
    owner = forms.MultipleChoiceField(label=gettext_lazy("Owner"), required=False)
    team = forms.MultipleChoiceField(label=gettext_lazy("Team"), required=False)
    tag = forms.MultipleChoiceField(label=gettext_lazy("Tag"), required=False)
    source = forms.MultipleChoiceField(label=gettext_lazy("Source"), required=False)
    value_min = forms.DecimalField(label=gettext_lazy("Value from"), required=False)
    value_max = forms.DecimalField(label=gettext_lazy("Value up to"), required=False)
    close_after = DayField(label=gettext_lazy("Expected close from"), required=False)
    close_before = DayField(label=gettext_lazy("Expected close until"), required=False)
    created_after = DayField(label=gettext_lazy("Created from"), required=False)
    created_before = DayField(label=gettext_lazy("Created until"), required=False)
    updated_after = DayField(label=gettext_lazy("Updated from"), required=False)
    updated_before = DayField(label=gettext_lazy("Updated until"), required=False)

    def __init__(self, filters: DealFilters, *, layout: str) -> None:
        initial = {
            given.filter.name: list(given.texts) if given.filter.many else given.texts[0]
            for given in filters.given
        }
        super().__init__(initial=initial, auto_id="filter-%s")
        people = [("me", _("Me")), ("none", _("Nobody"))]
        none = [("none", _("None"))]
        self._offer("owner", people + _named(User.objects.filter(is_active=True)))
        self._offer("team", _named(Team.objects.all()))
        self._offer("tag", [(name, name) for name in Tag.objects.values_list("name", flat=True)])
        self._offer("source", none + _named(Source.objects.all()))
        if layout == "list":
            self.fields["pipeline"] = forms.MultipleChoiceField(label=_("Pipeline"), required=False)
            self._offer("pipeline", _named(Pipeline.objects.filter(archived=False)))
            self.fields["stage"] = StageField(label=_("Stage"), empty="—")
            self.fields["status"] = forms.MultipleChoiceField(label=_("Status"), required=False)
            self._offer("status", list(Deal.Status.choices))
            self.initial["stage"] = next(iter(self.initial.get("stage") or []), None)
        for definition in CustomField.objects.filter(entity=CustomField.Entity.DEAL):
            self.fields.update(_added(definition))

    def _offer(self, name: str, choices: list[tuple[Any, Any]]) -> None:
        field = self.fields[name]
        field.widget = forms.CheckboxSelectMultiple()
        field.choices = choices  # type: ignore[attr-defined]  # a MultipleChoiceField

    @property
    def choices(self) -> list[forms.BoundField]:
        """The fields of which several values may be ticked, where there is anything to tick."""
        ticked = [bound for bound in self if isinstance(bound.field.widget, forms.CheckboxSelectMultiple)]
        return [bound for bound in ticked if bound.field.choices]  # type: ignore[attr-defined]

    @property
    def inputs(self) -> list[forms.BoundField]:
        return [bound for bound in self if not isinstance(bound.field.widget, forms.CheckboxSelectMultiple)]


def _named(rows: Any) -> list[tuple[str, str]]:
    return [(str(row.pk), str(row)) for row in rows]


def _added(definition: CustomField) -> dict[str, forms.Field]:
    name, label = f"cf.{definition.key}", definition.label
    least, most = _("%(field)s from") % {"field": label}, _("%(field)s up to") % {"field": label}
    match CustomField.Type(definition.type):
        case CustomField.Type.NUMBER | CustomField.Type.MONEY:
            return {
                f"{name}.min": forms.DecimalField(label=least, required=False),
                f"{name}.max": forms.DecimalField(label=most, required=False),
            }
        case CustomField.Type.DATE:
            return {
                f"{name}.min": DayField(label=least, required=False),
                f"{name}.max": DayField(label=most, required=False),
            }
        case CustomField.Type.CHOICE | CustomField.Type.CHOICES:
            options = [(option, option) for option in definition.options]
            ticks = forms.CheckboxSelectMultiple()
            return {
                name: forms.MultipleChoiceField(label=label, choices=options, required=False, widget=ticks)
            }
        case CustomField.Type.BOOLEAN:
            answers = [("", "—"), ("true", _("Yes")), ("false", _("No"))]
            return {name: forms.ChoiceField(label=label, choices=answers, required=False)}
        case _:
            return {name: forms.CharField(label=label, required=False, max_length=200)}


@login_required
@require_safe
def choose(request: PageRequest) -> HttpResponse:
    """The dialog of filters for a page: `?layout=`, for a board `?pipeline=`, and the filters there are already."""
    layout, pipeline = request.GET.get("layout", ""), read_id(request.GET.get("pipeline", ""))
    is_board = layout == "board" and pipeline is not None
    action = reverse("board", args=[pipeline]) if is_board else _PATHS.get(layout, "/deals/")
    filters = filters_of(request, but=BOARD_BUT if is_board else ())
    context = {
        "form": FilterForm(filters, layout=layout),
        "action": action,
        "kept": [(name, request.GET[name]) for name in KEPT if request.GET.get(name)],
    }
    return render(request, "crm/_filter_form.html", context)


_PATHS = {"list": "/deals/", "forecast": "/forecast/"}
