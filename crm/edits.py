"""One deal, contact or company being changed: takes new values field by field and remembers what each was before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from crm.actors import Actor
from crm.custom_fields import clean_custom_fields, is_storable
from crm.models import Change, Company, Contact, CustomField, Deal, ExternalId, Tag
from crm.models.labels import TAG_LENGTH
from crm.refusals import InvalidFields

Row = TypeVar("Row", Deal, Contact, Company)

SYSTEM_LENGTH, EXTERNAL_ID_LENGTH = 60, 200


@dataclass(slots=True)
class RowEdit(Generic[Row]):
    """A locked row with the values it is about to get.

    `before` and `after` hold, per changed field, the values in the form of the history (see
    `crm.signals.DealEvent`); `columns` the model fields to save.
    """

    plain_fields: ClassVar[tuple[str, ...]]
    related_fields: ClassVar[tuple[str, ...]]

    row: Row
    at: datetime
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)
    is_new: bool = False

    def take(self, fields: Mapping[str, Any]) -> None:
        """Give the row new values. A value equal to the present one changes nothing.

        Related objects are model instances or None, `tags` a list of names, `custom_fields` and `external_ids`
        mappings that are merged (None removes a key). Raises InvalidFields.
        """
        for name, value in fields.items():
            if name in self.plain_fields:
                self._set(name, self._typed(name, value))
            elif name in self.related_fields:
                self._set(name, value)
            elif name == "custom_fields":
                self._merge_custom_fields(value)
            elif name == "external_ids":
                self._merge_external_ids(value)
            elif name == "tags" and not isinstance(self.row, Company):
                self._set_tags(self.row, value)
            else:
                raise InvalidFields({name: [_("There is no such field.")]})
        self._validate()

    @property
    def changes_anything(self) -> bool:
        return bool(self.before or self.columns)

    def history(self, *, actor: Actor) -> list[Change]:
        """A row of history for each changed field, not yet saved."""
        return [
            change_row(self.row, actor=actor, at=self.at, field=name, before=before, after=self.after[name])
            for name, before in self.before.items()
        ]

    def _set(self, name: str, value: Any) -> None:
        present = getattr(self.row, name)
        if present == value:
            return
        setattr(self.row, name, value)
        self.columns.add(name)
        self._remember(name, as_history(present), as_history(value))

    def _remember(self, name: str, before: Any, after: Any) -> None:
        self.before[name], self.after[name] = before, after

    def _typed(self, name: str, value: Any) -> Any:
        """The value as the model keeps it, so that "10" and Decimal("10.00") are the same. Raises InvalidFields."""
        columns = {column.name: column for column in self.row._meta.fields}
        try:
            return columns[name].to_python(self._normal(name, value))
        except ValidationError as error:
            raise InvalidFields({name: error.messages}) from error

    def _normal(self, _name: str, value: Any) -> Any:
        """The one way of writing the value, where there are several. Raises ValidationError."""
        return value

    def _merge_custom_fields(self, values: Mapping[str, Any]) -> None:
        present = self.row.custom_fields
        entity = CustomField.Entity(str(self.row._meta.model_name))
        try:
            cleaned = clean_custom_fields(entity, values)
        except ValidationError as error:
            raise InvalidFields({"custom_fields": error.messages}) from error
        for key, value in cleaned.items():
            if present.get(key) != value:
                self._remember(f"custom_fields.{key}", present.get(key), value)
                self.columns.add("custom_fields")
        merged = {**present, **cleaned}
        self.row.custom_fields = {key: value for key, value in merged.items() if value is not None}

    def _merge_external_ids(self, values: Mapping[str, str | None]) -> None:
        if not values:
            return
        rows = self.row.external_id_rows
        present = dict(rows.filter(former=False).values_list("system", "value"))
        for system, value in values.items():
            _check_external_id(system, value)
            if present.get(system) == value:
                continue
            self._remember(f"external_ids.{system}", present.get(system), value)
            if value is None:
                rows.filter(system=system, former=False).delete()
            else:
                rows.update_or_create(system=system, former=False, defaults={"value": value})

    def _set_tags(self, row: Deal | Contact, names: Sequence[str]) -> None:
        present = {} if self.is_new else dict(row.tags.values_list("name", "pk"))
        wanted = {tag.name: tag.pk for tag in tags_named(names)}
        if wanted.keys() == present.keys():
            return
        links: Any = row.tags.through.objects
        owner = f"{row._meta.model_name}_id"
        if gone := [pk for name, pk in present.items() if name not in wanted]:
            links.filter(**{owner: row.pk}, tag__in=gone).delete()
        new = [pk for name, pk in wanted.items() if name not in present]
        links.bulk_create(
            [row.tags.through(**{owner: row.pk}, tag_id=pk) for pk in new], ignore_conflicts=True
        )
        self._remember("tags", sorted(present), sorted(wanted))

    def _validate(self) -> None:
        """What is referred to is given as an instance, and the database sees to it that it exists."""
        unchanged = {column.name for column in self.row._meta.fields} - self.columns
        try:
            self.row.clean_fields(exclude=unchanged.union(self.related_fields, ("stage", "pipeline")))
        except ValidationError as error:
            raise InvalidFields(error.message_dict) from error


def _check_external_id(system: str, value: str | None) -> None:
    if not _is_short_text(system, SYSTEM_LENGTH):
        raise InvalidFields({"external_ids": [_("A system's name has 1 to %d characters.") % SYSTEM_LENGTH]})
    if value is not None and not _is_short_text(value, EXTERNAL_ID_LENGTH):
        message = _("An external id is text of 1 to %d characters.") % EXTERNAL_ID_LENGTH
        raise InvalidFields({"external_ids": [message]})


def _is_short_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= longest and is_storable(value)


def _check_tags(names: Iterable[str]) -> None:
    if not all(_is_short_text(name.strip(), TAG_LENGTH) for name in names):
        raise InvalidFields({"tags": [_("A tag has 1 to %(most)d characters.") % {"most": TAG_LENGTH}]})


def tags_named(names: Iterable[str]) -> list[Tag]:
    """The tags of those names, whatever their case; made where there are none. Raises InvalidFields."""
    wanted: dict[str, str] = {}
    for name in names:
        wanted.setdefault(name.strip().lower(), name.strip())
    _check_tags(wanted.values())
    if not wanted:
        return []
    rows = Tag.objects.annotate(lower=Lower("name")).filter(lower__in=wanted)
    known = {tag.lower: tag for tag in rows}
    if missing := [Tag(name=name) for lower, name in wanted.items() if lower not in known]:
        Tag.objects.bulk_create(missing, ignore_conflicts=True)  # another one may be making it now
        known = {tag.lower: tag for tag in rows.all()}
    return list(known.values())


def fields_of_new(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a row can take before it is saved for the first time, and what needs its id."""
    later = {name: value for name, value in fields.items() if name in ("tags", "external_ids") and value}
    now = {name: value for name, value in fields.items() if name not in ("tags", "external_ids")}
    return now, later


def check_later(later: Mapping[str, Any]) -> None:
    """Raises InvalidFields for tags or ids elsewhere that no row can have."""
    _check_tags(later.get("tags", ()))
    for system, value in later.get("external_ids", {}).items():
        _check_external_id(system, value)


def attach(rows: Sequence[tuple[Deal | Contact | Company, Mapping[str, Any]]]) -> None:
    """Give rows of one kind that were just saved for the first time their tags and ids elsewhere, checked before.

    However many there are, it takes a handful of statements.
    """
    by_name = {tag.name.lower(): tag for tag in tags_named(_all_tags(rows))}
    links: list[Any] = []
    ids: list[ExternalId] = []
    for row, later in rows:
        owner = str(row._meta.model_name)
        if not isinstance(row, Company):
            tags = {by_name[name.strip().lower()].pk for name in later.get("tags", ())}
            links += [row.tags.through(**{f"{owner}_id": row.pk}, tag_id=pk) for pk in sorted(tags)]
        for system, value in later.get("external_ids", {}).items():
            if value is not None:
                ids.append(ExternalId(**{owner: row}, system=system, value=value))
    if links:
        type(links[0]).objects.bulk_create(links, batch_size=1000)
    ExternalId.objects.bulk_create(ids, batch_size=1000)


def _all_tags(rows: Iterable[tuple[Any, Mapping[str, Any]]]) -> list[str]:
    return [name for _row, later in rows for name in later.get("tags", ())]


def change_row(row: Deal | Contact | Company, *, actor: Actor, at: datetime, **fields: Any) -> Change:
    """One row of a row's history, not yet saved; `fields` are those of Change."""
    return Change(
        entity=Change.Entity(str(row._meta.model_name)),
        object_id=row.pk,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        chain=actor.chain,
        at=at,
        **fields,
    )


def as_history(value: Any) -> Any:
    """A field's value as the history and the payloads show it."""
    if isinstance(value, models.Model):
        return {"id": value.pk, "name": str(value)}
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, date):
        return value.isoformat()
    return value


def external_ids(row: Deal | Contact | Company) -> dict[str, str]:
    """`{system: id}` of a deal, contact or company as it is called now; uses prefetched rows where there are any."""
    rows: list[ExternalId] = sorted(row.external_id_rows.all(), key=lambda row: row.system)
    return {row.system: row.value for row in rows if not row.former}
