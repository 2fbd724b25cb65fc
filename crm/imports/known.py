"""Who and what is there already, for the rows of a file: asked of the database for many rows at once, and told of what
the rows before them have made.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from itertools import count
from typing import Any

from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from crm.deals import lock_present
from crm.imports.plans import MODELS, BadRow, Reading, Record
from crm.imports.targets import Entity
from crm.models import Company, Contact, Deal, ExternalId

Row = Deal | Contact | Company
Pairs = Iterable[tuple[Any, int]]


class Known:
    """Finds records by the keys of `crm.imports.plans.KEYS`. `system` is whose ids the external ones are."""

    def __init__(self, *, system: str) -> None:
        self._system = system
        self._ids: dict[tuple[Entity, str, Any], set[int]] = defaultdict(set)
        self._rows: dict[tuple[Entity, int], Row] = {}
        self._new = count(-1, -1)

    def learn(self, readings: Collection[Reading]) -> None:
        """Look up all that these rows may mean."""
        wanted: dict[tuple[Entity, str], set[Any]] = defaultdict(set)
        for reading in readings:
            for record in reading.values():
                for key, value in record.keys:
                    wanted[record.entity, key].add(value)
        for (entity, key), values in wanted.items():
            for value, pk in self._look_up(entity, key, values):
                self._ids[entity, key, value].add(pk)

    def lock(self) -> None:
        """Lock and load what was found: deals, then companies, then contacts, each in the order of their ids.

        Every other write takes its locks in this order, and those of stages after them, so that nobody waits for us
        while we wait for them.
        """
        found: dict[Entity, set[int]] = {entity: set() for entity in MODELS}
        for (entity, _key, _value), ids in self._ids.items():
            found[entity] |= ids
        for deal in lock_present(found[Entity.DEAL]):
            self._rows[Entity.DEAL, deal.pk] = deal
        for entity in (Entity.COMPANY, Entity.CONTACT):
            rows = MODELS[entity].objects.filter(pk__in=found[entity]).order_by("pk")
            for row in rows.select_for_update(no_key=True):
                self._rows[entity, row.pk] = row

    def find(self, record: Record) -> int | None:
        """What a record means, by the first of its keys that anything has: an id, or what `add` has returned.

        Raises BadRow where several have it.
        """
        for key, value in record.keys:
            ids = self._ids.get((record.entity, key, value), set())
            if len(ids) > 1:
                raise BadRow(_("%(n)d are found by “%(value)s”.") % {"n": len(ids), "value": value})
            if ids:
                return next(iter(ids))
        return None

    def row(self, entity: Entity, found: int) -> Any:
        """The row that `find` has found."""
        return self._rows[entity, found]

    def add(self, record: Record, row: Row | None = None) -> int:
        """Take note of what a row has made, or would make, and return a number below 0 that stands for it."""
        number = next(self._new)
        for key, value in record.keys:
            self._ids[record.entity, key, value].add(number)
        if row is not None:
            self._rows[record.entity, number] = row
        return number

    def replace(self, entity: Entity, found: int, row: Row) -> None:
        """Take note that a row has changed."""
        self._rows[entity, found] = row

    def _look_up(self, entity: Entity, key: str, values: Collection[Any]) -> Pairs:
        if key == "external_id":
            named = ExternalId.objects.filter(system=self._system, value__in=values)
            ids = named.exclude(**{entity: None}).values_list("value", f"{entity}_id")
            return [(value, int(pk)) for value, pk in ids]
        return _LOOK_UPS[key](MODELS[entity], values)


def _by_column(column: str) -> Callable[[type[Any], Collection[Any]], Pairs]:
    def look_up(model: type[Any], values: Collection[Any]) -> Pairs:
        rows = model.objects.filter(**{f"{column}__in": values}).order_by()
        return list(rows.values_list(column, "pk"))

    return look_up


def _by_words(column: str) -> Callable[[type[Any], Collection[Any]], Pairs]:
    """Whatever its case."""

    def look_up(model: type[Any], values: Collection[Any]) -> Pairs:
        rows = model.objects.alias(lower=Lower(column)).filter(lower__in=values).order_by()
        return [(text.lower(), pk) for text, pk in rows.values_list(column, "pk")]

    return look_up


def _by_list(column: str) -> Callable[[type[Any], Collection[Any]], Pairs]:
    def look_up(model: type[Any], values: Collection[Any]) -> Pairs:
        rows = model.objects.filter(**{f"{column}__overlap": list(values)}).order_by()
        return [
            (item, pk) for items, pk in rows.values_list(column, "pk") for item in items if item in values
        ]

    return look_up


_LOOK_UPS: dict[str, Callable[[type[Any], Collection[Any]], Pairs]] = {
    "id": _by_column("id"),
    "tax_id": _by_column("tax_id"),
    "domain": _by_column("domain"),
    "email": _by_list("emails"),
    "phone": _by_list("phones"),
    "title": _by_words("title"),
    "name": _by_words("name"),
}
