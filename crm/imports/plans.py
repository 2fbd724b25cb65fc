"""How the rows of one file are read: each cell as its column was said to be, into what a deal and its people are given.

Everything that can be judged without writing is judged here, so that a check tells what a run would.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from crm.contacts import normal_domain, normal_email, normal_tax_id
from crm.custom_fields import clean_custom_fields
from crm.edits import EXTERNAL_ID_LENGTH
from crm.folding import fold
from crm.ids import read_id
from crm.imports.targets import Entity, Kind, Target, targets_of
from crm.imports.values import (
    BadCell,
    Cell,
    Dates,
    Decimals,
    as_text,
    read_date,
    read_list,
    read_number,
    read_truth,
)
from crm.models import Company, Contact, CustomField, Deal, Import, LostReason, Pipeline, Source, Stage, User
from crm.phones import to_e164

MODELS: dict[Entity, type[Any]] = {
    Entity.DEAL: Deal,
    Entity.CONTACT: Contact,
    Entity.COMPANY: Company,
}
# What a record can be found by, the surest first; the last one is shared by many.
KEYS = {
    Entity.DEAL: ("id", "external_id", "title"),
    Entity.CONTACT: ("id", "external_id", "tax_id", "email", "phone", "name"),
    Entity.COMPANY: ("id", "external_id", "tax_id", "domain", "name"),
}
_STATUSES = {
    Deal.Status.OPEN: {"open", "aberto", "aberta", "em aberto", "em andamento"},
    Deal.Status.WON: {"won", "ganho", "ganha", "vendido", "vendida", "fechado"},
    Deal.Status.LOST: {"lost", "perdido", "perdida"},
}


class BadRow(ValueError):
    """A row that cannot be imported. The message is fit for the person."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person decides beside the mapping.

    `mode`: "create", "update" or "both". `match_on`: keys of KEYS, by which the file's own records are found. `system`:
    whose ids the external ones are. `stage` and `owner`: ids for new deals whose row names none. `tells`: whether
    rules run.
    """

    mode: str = "both"
    match_on: tuple[str, ...] = ()
    decimals: str = Decimals.COMMA
    dates: str = Dates.DAY_FIRST
    system: str = "import"
    stage: int | None = None
    owner: int | None = None
    tells: bool = False

    @classmethod
    def of(cls, imported: Import) -> "Choices":
        kept = dict(imported.choices)
        return cls(**{**kept, "match_on": tuple(kept.get("match_on", ()))})

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "match_on": list(self.match_on)}

    @property
    def creates(self) -> bool:
        return self.mode != "update"

    @property
    def updates(self) -> bool:
        return self.mode != "create"


@dataclass(slots=True)
class Record:
    """What a row says of one deal, contact or company.

    `fields` are those of `update_deal` and its like (of a deal also stage, status and closed_on); `keys` what it is
    found by, the first first.
    """

    entity: Entity
    fields: dict[str, Any] = field(default_factory=dict)
    keys: list[tuple[str, Any]] = field(default_factory=list)


Reading = dict[Entity, Record]


class Plan:
    """One import's mapping and choices, with the vocabularies that its cells refer to."""

    def __init__(self, imported: Import) -> None:
        self.entity = Entity(imported.entity)
        self.choices = Choices.of(imported)
        known = {target.name: target for target in targets_of(self.entity)}
        self._columns: list[tuple[int, str, Target]] = [
            (place, imported.heads[place] or str(known[name].label), known[name])
            for place, name in enumerate(imported.mapping)
            if name in known
        ]
        self._definitions = {
            entity: {row.key: row for row in CustomField.objects.filter(entity=entity)} for entity in MODELS
        }
        self._users = {user.email.lower(): user for user in User.objects.filter(is_active=True)}
        self._sources = {source.name.lower(): source for source in Source.objects.all()}
        self._reasons = {reason.name.lower(): reason for reason in LostReason.objects.all()}
        self._pipelines = {row.name.lower(): row for row in Pipeline.objects.all()}
        stages = Stage.objects.select_related("pipeline").order_by("pipeline", "position", "pk")
        self._stages = list(stages)
        self.stage = next((stage for stage in self._stages if stage.pk == self.choices.stage), None)
        self.owner = next((user for user in self._users.values() if user.pk == self.choices.owner), None)
        self._readers: dict[Kind, Callable[[Cell], Any]] = {
            Kind.NUMBER: partial(read_number, decimals=Decimals(self.choices.decimals)),
            Kind.MONEY: partial(read_number, decimals=Decimals(self.choices.decimals)),
            Kind.DATE: partial(read_date, dates=Dates(self.choices.dates)),
            Kind.BOOLEAN: read_truth,
            Kind.NAMES: read_list,
            Kind.CHOICES: read_list,
            Kind.EMAILS: lambda cell: [normal_email(text) for text in read_list(cell, between=",; \n")],
            Kind.PHONES: lambda cell: [_phone(text) for text in read_list(cell, between=",;/\n")],
            Kind.TAX_ID: lambda cell: normal_tax_id(as_text(cell)),
            Kind.DOMAIN: lambda cell: normal_domain(as_text(cell)),
            Kind.ID: _own_id,
            Kind.EXTERNAL_ID: _external_id,
            Kind.STATUS: _status,
            Kind.OWNER: partial(_named, self._users, _("Nobody here has the e-mail “%(name)s”.")),
            Kind.SOURCE: partial(_named, self._sources, _("There is no source “%(name)s”.")),
            Kind.LOST_REASON: partial(_named, self._reasons, _("There is no lost reason “%(name)s”.")),
            Kind.PIPELINE: partial(_named, self._pipelines, _("There is no pipeline “%(name)s”.")),
        }

    def read(self, cells: Sequence[Cell]) -> Reading:
        """What a row says. Empty cells say nothing. Raises BadRow with all that is wrong with it."""
        reading: Reading = {}
        problems: list[str] = []
        for place, head, target in self._columns:
            cell = cells[place] if place < len(cells) else ""
            if as_text(cell) == "":
                continue
            record = reading.setdefault(target.entity, Record(target.entity))
            try:
                self._take(record, target, self._value(target, cell))
            except (BadCell, ValidationError) as error:
                problems.append(f"{head}: {' '.join(_messages(error))}")
        try:
            if Entity.DEAL in reading:
                self._find_stage(reading[Entity.DEAL])
        except BadCell as error:
            problems.append(str(error))
        if problems:
            raise BadRow(" ".join(problems))
        if not reading:
            raise BadRow(_("Nothing in this row was mapped."))
        reading.setdefault(self.entity, Record(self.entity))
        for record in reading.values():
            record.keys = self._keys(record)
        return reading

    def reason_to_skip(self, *, is_there: bool) -> str:
        """Why nothing is to be done with a row whose record is there, or is not; else ""."""
        if is_there:
            return "" if self.choices.updates else _("It is there already.")
        return "" if self.choices.creates else _("There is none yet that could be updated.")

    def fields_of_new(self, reading: Reading, entity: Entity) -> dict[str, Any]:
        """What a new record of a row is given, with what stands in for what the row does not say. Raises BadRow."""
        fields = dict(reading[entity].fields)
        name = "title" if entity == Entity.DEAL else "name"
        fields.setdefault(name, _name_for(entity, reading))
        if not fields[name]:
            raise BadRow(_("There is neither a name nor anything that could stand for it."))
        if entity == Entity.DEAL:
            if fields.setdefault("stage", self.stage) is None:
                raise BadRow(_("The row names no stage, and none was chosen."))
            if self.owner is not None:
                fields.setdefault("owner", self.owner)
        fields.pop("id", None)
        return fields

    def _value(self, target: Target, cell: Cell) -> Any:
        if target.kind == Kind.CHOICE:
            return _option(target, as_text(cell))
        if target.kind == Kind.CHOICES:
            return [_option(target, text) for text in read_list(cell)]
        value = self._readers.get(target.kind, as_text)(cell)
        if target.field.startswith("custom_fields."):
            return value.isoformat() if isinstance(value, date) else value
        return value

    def _take(self, record: Record, target: Target, value: Any) -> None:
        """Put a value where it belongs; what several columns say is put together. Raises ValidationError."""
        name, _dot, key = target.field.partition(".")
        if key:
            definition = self._definitions[target.entity][key]
            values = record.fields.setdefault(name, {})
            if target.takes_several:
                value = [*values.get(key, []), *value]
            values |= clean_custom_fields(target.entity, {key: value}, definitions={key: definition})
        elif target.kind == Kind.EXTERNAL_ID:
            record.fields["external_ids"] = {self.choices.system: value}
        elif target.takes_several:
            record.fields[name] = list(dict.fromkeys([*record.fields.get(name, []), *value]))
        else:
            record.fields[name] = _cleaned(target, value)

    def _find_stage(self, deal: Record) -> None:
        """Bring the names of pipeline and stage together. Raises BadCell."""
        pipeline, name = deal.fields.pop("pipeline", None), deal.fields.pop("stage", None)
        home = pipeline or (self.stage.pipeline if self.stage else None)
        if name is None and pipeline is None:
            return
        there = [stage for stage in self._stages if home is None or stage.pipeline_id == home.pk]
        fitting = [stage for stage in there if name is None or stage.name.lower() == name.lower()]
        if not fitting or (home is None and len(fitting) > 1):
            raise BadCell(_("There is no stage “%(name)s”.") % {"name": name or pipeline})
        deal.fields["stage"] = fitting[0]

    def _keys(self, record: Record) -> list[tuple[str, Any]]:
        """By what the record is found: as chosen, or, of people and companies beside a deal, by the name alone
        where the row knows nothing better.
        """
        found = [(key, value) for key in KEYS[record.entity] for value in self._values_of(record, key)]
        if record.entity == self.entity:
            return [(key, value) for key, value in found if key in self.choices.match_on]
        return [(key, value) for key, value in found if key != "name"] or found

    def _values_of(self, record: Record, key: str) -> list[Any]:
        if key == "external_id":
            return [value for value in record.fields.get("external_ids", {}).values() if value]
        if key in ("email", "phone"):
            return list(record.fields.get(f"{key}s", []))
        value = record.fields.get(key)
        if value in (None, ""):
            return []
        return [value.lower() if key in ("name", "title") else value]


def _messages(error: BadCell | ValidationError) -> list[str]:
    return list(error.messages) if isinstance(error, ValidationError) else [str(error)]


def _cleaned(target: Target, value: Any) -> Any:
    """The value as its column keeps it; what has no column of its own as it is. Raises ValidationError."""
    columns = {column.name: column for column in MODELS[target.entity]._meta.fields}
    column = columns.get(target.field)
    if column is None or column.is_relation or column.primary_key:
        return value
    return column.clean(value, None)


def _name_for(entity: Entity, reading: Reading) -> str:
    """What a record is called that has no name: a deal after its contact or company, these by what is known of them."""
    if entity == Entity.DEAL:
        others = (_name_of(reading[part]) for part in (Entity.CONTACT, Entity.COMPANY) if part in reading)
        return next(filter(None, others), "")
    return _name_of(reading[entity])


def _name_of(record: Record) -> str:
    said = record.fields
    ways = (said.get("name"), *said.get("emails", []), *said.get("phones", []), said.get("domain"))
    return next((way for way in (*ways, said.get("tax_id")) if way), "")


def _external_id(cell: Cell) -> str:
    text = as_text(cell)
    if len(text) > EXTERNAL_ID_LENGTH:
        raise BadCell(_("An external id is text of 1 to %d characters.") % EXTERNAL_ID_LENGTH)
    return text


def _phone(text: str) -> str:
    try:
        return to_e164(text)
    except ValueError as error:
        raise BadCell(_("“%(number)s” is no telephone number.") % {"number": text}) from error


def _own_id(cell: Cell) -> int:
    text = as_text(cell)
    number = read_id(text)
    if number is None:
        raise BadCell(_("“%(value)s” is no id.") % {"value": text})
    return number


def _status(cell: Cell) -> Deal.Status:
    word = fold(as_text(cell))
    for status, words in _STATUSES.items():
        if word in words:
            return status
    raise BadCell(_("“%(value)s” is neither open nor won nor lost.") % {"value": as_text(cell)})


def _named(rows: dict[str, Any], problem: str, cell: Cell) -> Any:
    name = as_text(cell)
    if name.lower() not in rows:
        raise BadCell(problem % {"name": name})
    return rows[name.lower()]


def _option(target: Target, text: str) -> str:
    options = {fold(option): option for option in target.options}
    if fold(text) not in options:
        raise BadCell(_("“%(value)s” is none of the choices.") % {"value": text})
    return options[fold(text)]
