"""The filters of deals: their names in an address, how each is read, and what it asks of a deal."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.filters import conditions, reading
from crm.filters.conditions import Asker, Condition
from crm.models import CustomField, Deal, DealQuerySet, User

ADDED = "cf."  # what the names of filters on custom fields begin with
_MOST_VALUES = 50


@dataclass(frozen=True, slots=True)
class Filter:
    """`group` ties names that make one statement (`value_min`, `value_max`); `label` is that of the group."""

    name: str
    label: str | Promise
    read: Any  # Callable[[str], Any], which a frozen dataclass would take for a method
    condition: Condition
    group: str = ""
    many: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """A filter with the values that an address gives it."""

    filter: Filter
    texts: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def group(self) -> str:
        return self.filter.group or self.filter.name


@dataclass(frozen=True, slots=True)
class DealFilters:
    """`problems` maps names to what is wrong with their values; those values narrow nothing."""

    given: tuple[Given, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    user: User | None = None

    def narrow(self, deals: DealQuerySet, *, now: datetime, without: Collection[str] = ()) -> DealQuerySet:
        """Those of `deals` for which every filter is true, save those of the groups `without`."""
        asker = Asker(user=self.user, now=now)
        for given in self.given:
            if given.group not in without:
                deals = deals.filter(given.filter.condition(given.values, asker))
        return deals

    def query(self, *, without: Collection[str] = ()) -> str:
        """The filters as the query string that says them, always in the same order."""
        query = QueryDict(mutable=True)
        for given in self.given:
            if given.group not in without:
                query.setlist(given.filter.name, list(given.texts))
        return query.urlencode(safe=":,")

    @property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(given.group for given in self.given))


def read_filters(query: QueryDict, *, user: User | None = None, but: Collection[str] = ()) -> DealFilters:
    """The filters an address gives, less those of the names in `but`. Names that are no filters are left alone."""
    given, problems = [], {}
    for each in _asked(query):
        texts = [text.strip() for text in query.getlist(each.name) if text.strip()]
        if not texts or each.name in but:
            continue
        try:
            given.append(_read(each, texts))
        except ValueError:
            problems[each.name] = _("“%(value)s” is no value for “%(name)s”.") % {
                "value": ", ".join(texts)[:100].replace("\0", ""),
                "name": each.name,
            }
    known = {each.name for each in _asked(query)}
    for name in query:
        if name.startswith(ADDED) and name not in known:
            problems[name] = _("There is no custom field for “%(name)s”.") % {"name": name}
    return DealFilters(given=tuple(given), problems=problems, user=user)


def _read(each: Filter, texts: Sequence[str]) -> Given:
    if len(texts) > (_MOST_VALUES if each.many else 1):
        raise ValueError(texts)
    return Given(filter=each, texts=tuple(texts), values=tuple(each.read(text) for text in texts))


def _asked(query: QueryDict) -> Iterable[Filter]:
    added = [name.removeprefix(ADDED).partition(".")[0] for name in query if name.startswith(ADDED)]
    yield from FILTERS
    if added:
        for definition in CustomField.objects.filter(entity=CustomField.Entity.DEAL, key__in=added):
            yield from added_filters(definition)


def _status(text: str) -> str:
    return Deal.Status(text).value


def _range(name: str, label: Promise, column: str) -> list[Filter]:
    return [
        Filter(f"{name}_after", label, reading.moment, conditions.since(column), group=name),
        Filter(f"{name}_before", label, reading.moment, conditions.until(column), group=name),
    ]


FILTERS: list[Filter] = [
    Filter("q", gettext_lazy("Text"), reading.words, conditions.says),
    Filter("pipeline", gettext_lazy("Pipeline"), reading.whole, conditions.one_of("pipeline"), many=True),
    Filter("stage", gettext_lazy("Stage"), reading.whole, conditions.one_of("stage"), many=True),
    Filter("status", gettext_lazy("Status"), _status, conditions.one_of("status"), many=True),
    Filter("owner", gettext_lazy("Owner"), reading.person, conditions.row_of("owner"), many=True),
    Filter("team", gettext_lazy("Team"), reading.row, conditions.row_of("owner__team"), many=True),
    Filter("tag", gettext_lazy("Tag"), reading.words, conditions.tagged, many=True),
    Filter("source", gettext_lazy("Source"), reading.row, conditions.row_of("source"), many=True),
    Filter("contact", gettext_lazy("Contact"), reading.row, conditions.row_of("contact"), many=True),
    Filter("company", gettext_lazy("Company"), reading.row, conditions.row_of("company"), many=True),
    Filter(
        "value_min", gettext_lazy("Value"), reading.amount, conditions.compared("value", "gte"), group="value"
    ),
    Filter(
        "value_max", gettext_lazy("Value"), reading.amount, conditions.compared("value", "lte"), group="value"
    ),
    Filter(
        "close_after",
        gettext_lazy("Expected close"),
        reading.day,
        conditions.compared("expected_close_on", "gte"),
        group="close",
    ),
    Filter(
        "close_before",
        gettext_lazy("Expected close"),
        reading.day,
        conditions.compared("expected_close_on", "lte"),
        group="close",
    ),
    *_range("created", gettext_lazy("Created"), "created_at"),
    *_range("updated", gettext_lazy("Updated"), "updated_at"),
    Filter("stale", gettext_lazy("Stale"), reading.yes_or_no, conditions.stale),
]


def added_filters(definition: CustomField) -> list[Filter]:
    """`cf.KEY`, or for what has an order `cf.KEY.min` and `cf.KEY.max`."""
    name, key, label = f"{ADDED}{definition.key}", definition.key, definition.label
    match CustomField.Type(definition.type):
        case CustomField.Type.NUMBER | CustomField.Type.MONEY:
            return [
                Filter(f"{name}.min", label, reading.amount, conditions.number_in(key, "gte"), group=name),
                Filter(f"{name}.max", label, reading.amount, conditions.number_in(key, "lte"), group=name),
            ]
        case CustomField.Type.DATE:
            return [
                Filter(f"{name}.min", label, reading.day, conditions.day_in(key, "gte"), group=name),
                Filter(f"{name}.max", label, reading.day, conditions.day_in(key, "lte"), group=name),
            ]
        case CustomField.Type.CHOICE:
            return [Filter(name, label, reading.words, conditions.chosen(key), many=True)]
        case CustomField.Type.CHOICES:
            return [Filter(name, label, reading.words, conditions.chosen_among(key), many=True)]
        case CustomField.Type.BOOLEAN:
            return [Filter(name, label, reading.yes_or_no, conditions.is_so(key))]
        case _:
            return [Filter(name, label, reading.words, conditions.text_in(key))]
