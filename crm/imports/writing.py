"""Writes a chunk of rows through the doors of companies, contacts and deals, new ones of each kind together.

A row is written wholly or not at all. Where rows turn out to be impossible while they are written, the chunk is taken
back and written again without them: rows written after a bad one may have leant on what it had made.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.utils.translation import gettext as _

from crm.actors import Actor
from crm.contacts import Newcomer, new_company, new_contact, save_new, update_company, update_contact
from crm.deals import Draft, change_each, create_each
from crm.imports.known import Known
from crm.imports.plans import BadRow, Plan, Reading, Record
from crm.imports.targets import Entity
from crm.models import Company, Contact, Deal, ImportRow
from crm.refusals import Refused

logger = logging.getLogger(__name__)
Outcome = ImportRow.Outcome


@dataclass(slots=True)
class Result:
    """What became of a row: `reason` says why nothing did, `contact` is the person it was about."""

    outcome: Outcome
    reason: str = ""
    contact: int | None = None


def write_rows(rows: Sequence[ImportRow], *, plan: Plan, actor: Actor) -> dict[int, Result]:
    """The result of each row, by its number. One transaction.

    Where something breaks that we did not think of, the rows are tried one by one, so that it costs one row.
    """
    try:
        with transaction.atomic():
            return _write(rows, plan=plan, actor=actor)
    except (
        OperationalError,
        InterfaceError,
    ):  # the database is not there, or chose another's lock: not the rows' fault
        raise
    except Exception:
        if len(rows) > 1:
            each = [write_rows([row], plan=plan, actor=actor) for row in rows]
            return {number: result for results in each for number, result in results.items()}
        logger.exception("Row %s of import %s cannot be written.", rows[0].number, rows[0].imported_id)
        return {rows[0].number: Result(Outcome.FAILED, _("The row cannot be stored."))}


def _write(rows: Sequence[ImportRow], *, plan: Plan, actor: Actor) -> dict[int, Result]:
    readings: dict[int, Reading] = {}
    failed: dict[int, Result] = {}
    for row in rows:
        try:
            readings[row.number] = plan.read(row.cells)
        except BadRow as problem:
            failed[row.number] = Result(Outcome.FAILED, str(problem))
    while True:
        with transaction.atomic():
            writer = _Writer(plan, readings, actor=actor)
            writer.write()
            if not writer.failed:
                return failed | writer.results
            transaction.set_rollback(True)
        failed |= writer.failed
        readings = {number: reading for number, reading in readings.items() if number not in failed}


@dataclass(slots=True)
class _Waiting:
    """Deals that are about to be written together, with the numbers of their rows."""

    new: list[tuple[int, Record, Draft]] = field(default_factory=list)
    changed: dict[int, tuple[int, Draft]] = field(default_factory=dict)
    keys: set[tuple[str, Any]] = field(default_factory=set)


class _Writer:
    """One go at a chunk: companies, then contacts, then deals, because the ones refer to the others.

    `results` has the rows that were written or skipped, `failed` those that were refused.
    """

    def __init__(self, plan: Plan, readings: Mapping[int, Reading], *, actor: Actor) -> None:
        self.results: dict[int, Result] = {}
        self.failed: dict[int, Result] = {}
        self._plan, self._readings, self._actor = plan, readings, actor
        self._parties: dict[int, dict[Entity, Contact | Company]] = {number: {} for number in readings}
        self._said: dict[tuple[Entity, int], Mapping[str, Any]] = {}
        self._waiting = _Waiting()
        self._known = Known(system=plan.choices.system)
        self._known.learn(readings.values())
        self._known.lock()

    def write(self) -> None:
        self._set_outcomes()
        for entity in (Entity.COMPANY, Entity.CONTACT):
            self._write_parties(entity)
        for number, parties in self._parties.items():
            if number in self.results and (contact := parties.get(Entity.CONTACT)):
                self.results[number].contact = contact.pk
        if self._plan.entity == Entity.DEAL:
            for number, reading in self._rows_to_write():
                self._take_deal(number, reading)
            self._write_deals()

    def _set_outcomes(self) -> None:
        """What becomes of each row if nothing refuses it: that depends on the rows before it."""
        coming: set[tuple[str, Any]] = set()
        for number, reading in self._readings.items():
            main = reading[self._plan.entity]
            try:
                is_there = self._known.find(main) is not None or not coming.isdisjoint(main.keys)
            except BadRow as problem:
                self._fail(number, problem)
                continue
            if reason := self._plan.reason_to_skip(is_there=is_there):
                self.results[number] = Result(Outcome.SKIPPED, reason)
                continue
            coming.update(main.keys)
            self.results[number] = Result(Outcome.UPDATED if is_there else Outcome.CREATED)

    def _rows_to_write(self) -> list[tuple[int, Reading]]:
        skipped = Outcome.SKIPPED
        return [
            (number, reading)
            for number, reading in self._readings.items()
            if number in self.results and self.results[number].outcome != skipped
        ]

    def _write_parties(self, entity: Entity) -> None:
        """Find, make or change the companies, or contacts, of all rows. New ones are saved together."""
        newcomers: list[Newcomer[Any]] = []
        for number, reading in self._rows_to_write():
            if entity not in reading:
                continue
            try:
                row = self._party(number, reading, entity, newcomers=newcomers)
            except (BadRow, Refused) as problem:
                self._fail(number, problem)
            else:
                self._parties[number][entity] = row
        save_new(newcomers, actor=self._actor)

    def _party(
        self, number: int, reading: Reading, entity: Entity, *, newcomers: list[Newcomer[Any]]
    ) -> Contact | Company:
        """The company or contact of a row; a new one joins `newcomers`. Raises BadRow, Refused."""
        record = reading[entity]
        links = self._links(number)
        found = self._known.find(record)
        if found is None:
            newcomer = _NEW[entity](self._plan.fields_of_new(reading, entity) | links)
            newcomers.append(newcomer)
            self._said[entity, self._known.add(record, newcomer.row)] = record.fields | links
            made: Contact | Company = newcomer.row
            return made
        row: Contact | Company = self._known.row(entity, found)
        said = record.fields | links
        if not self._plan.choices.updates or self._said.get((entity, found)) == said:
            return row
        if row._state.adding:
            save_new(newcomers, actor=self._actor)
            newcomers.clear()
        if fields := _news(row, said):
            row = _UPDATE[entity](row.pk, actor=self._actor, fields=fields)
            self._known.replace(entity, found, row)
        self._said[entity, found] = said
        return row

    def _links(self, number: int) -> dict[str, Any]:
        return {str(entity): row for entity, row in self._parties[number].items()}

    def _take_deal(self, number: int, reading: Reading) -> None:
        """Put a row's deal among those that wait; the ones before it are written first where it speaks of one."""
        record = reading[Entity.DEAL]
        links = self._links(number)
        if not self._waiting.keys.isdisjoint(record.keys):
            self._write_deals()
        try:
            found = self._known.find(record)
            if found is None:
                draft = _draft(self._plan.fields_of_new(reading, Entity.DEAL) | links)
                self._waiting.new.append((number, record, draft))
                self._waiting.keys.update(record.keys)
                return
        except BadRow as problem:
            self._fail(number, problem)
            return
        deal = self._known.row(Entity.DEAL, found)
        if deal.pk in self._waiting.changed:
            self._write_deals()
        self._waiting.changed[deal.pk] = (number, _draft(_news(deal, record.fields | links)))

    def _write_deals(self) -> None:
        waiting, self._waiting = self._waiting, _Waiting()
        made = create_each(drafts=[draft for _number, _record, draft in waiting.new], actor=self._actor)
        for (number, record, _new), answer in zip(waiting.new, made, strict=True):
            if isinstance(answer, Deal):
                self._known.add(record, answer)
            else:
                self._fail(number, answer)
        drafts = {pk: draft for pk, (_number, draft) in waiting.changed.items()}
        for deal, refusal in change_each(drafts=drafts, actor=self._actor).refused:
            self._fail(waiting.changed[deal.pk][0], refusal)

    def _fail(self, number: int, problem: Exception) -> None:
        self.results.pop(number, None)
        self.failed[number] = Result(Outcome.FAILED, str(problem))


_NEW: dict[Entity, Callable[[Mapping[str, Any]], Newcomer[Any]]] = {
    Entity.CONTACT: new_contact,
    Entity.COMPANY: new_company,
}
_UPDATE: dict[Entity, Callable[..., Contact | Company]] = {
    Entity.CONTACT: lambda pk, **said: update_contact(contact_id=pk, **said),
    Entity.COMPANY: lambda pk, **said: update_company(company_id=pk, **said),
}


def _draft(fields: Mapping[str, Any]) -> Draft:
    """A deal's fields with what is not a field taken out."""
    apart = ("stage", "status", "closed_on")
    rest = {name: value for name, value in fields.items() if name not in apart}
    return Draft(fields=rest, **{name: fields.get(name) for name in apart})


def _news(row: Deal | Contact | Company, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What of these fields a record does not have yet. Lists grow: an import takes no e-mail and no tag away."""
    news: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "tags" and not isinstance(row, Company):
            present = list(row.tags.values_list("name", flat=True))
            news[name] = [*present, *value]
        elif name in ("emails", "phones"):
            news[name] = list(dict.fromkeys([*getattr(row, name), *value]))
        elif name == "custom_fields":
            news[name] = {key: said for key, said in value.items() if row.custom_fields.get(key) != said}
        else:
            news[name] = value
    return {
        name: value
        for name, value in news.items()
        if name != "id" and value != {} and (not hasattr(row, name) or getattr(row, name) != value)
    }
