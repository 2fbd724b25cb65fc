"""One deal being changed: takes new values field by field and remembers what each was before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from crm.custom_fields import clean_custom_fields
from crm.deals.errors import InvalidFields, MissingFields
from crm.models import CustomField, Deal, ExternalId, Stage, Tag
from crm.models.labels import TAG_LENGTH

_COLUMNS = {column.name: column for column in Deal._meta.fields}
PLAIN_FIELDS = ("title", "value", "currency", "expected_close_on")
RELATED_FIELDS = ("owner", "contact", "company", "source", "lost_reason")


@dataclass(slots=True)
class Edit:
    """A locked deal with the values it is about to get.

    `before` and `after` hold, per changed field, the values in the form of the history (see
    `crm.signals.DealEvent`); `columns` the model fields to save.
    """

    deal: Deal
    at: datetime
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)

    def take(self, fields: Mapping[str, Any]) -> None:
        """Give the deal new values. A value equal to the present one changes nothing.

        Related objects are model instances or None, `tags` a list of names, `custom_fields` and `external_ids`
        mappings that are merged (None removes a key). Raises InvalidFields.
        """
        for name, value in fields.items():
            if name in PLAIN_FIELDS:
                self._set(name, _typed(name, value))
            elif name in RELATED_FIELDS:
                self._set(name, value)
            elif name == "custom_fields":
                self._merge_custom_fields(value)
            elif name == "external_ids":
                self._merge_external_ids(value)
            elif name == "tags":
                self._set_tags(value)
            else:
                raise InvalidFields({name: [_("A deal has no such field.")]})
        self._validate()

    def enter(self, stage: Stage, *, rank: str) -> None:
        """Put the deal into another stage. Raises MissingFields where the stage asks for more."""
        self.require(stage)
        self._set("stage", stage)
        self.deal.pipeline, self.deal.stage_entered_at = stage.pipeline, self.at
        self.columns |= {"pipeline", "stage_entered_at"}
        self.place(rank)

    def require(self, stage: Stage) -> None:
        """Raise MissingFields unless the deal has all that the stage asks for."""
        missing = [name for name in stage.required_fields if self._is_empty(name)]
        if missing:
            raise MissingFields(missing, stage_name=stage.name)

    def place(self, rank: str) -> None:
        """Give the deal another place in its column; no history is kept of that."""
        self.deal.rank = rank
        self.columns.add("rank")

    def become(self, status: Deal.Status) -> None:
        """Open or close the deal."""
        self._set("status", status)
        self.deal.closed_at = None if status == Deal.Status.OPEN else self.at
        self.columns.add("closed_at")

    @property
    def changes_anything(self) -> bool:
        return bool(self.before or self.columns)

    def _set(self, name: str, value: Any) -> None:
        present = getattr(self.deal, name)
        if present == value:
            return
        setattr(self.deal, name, value)
        self.columns.add(name)
        self._remember(name, as_history(present), as_history(value))

    def _remember(self, name: str, before: Any, after: Any) -> None:
        self.before[name], self.after[name] = before, after

    def _merge_custom_fields(self, values: Mapping[str, Any]) -> None:
        present = self.deal.custom_fields
        try:
            cleaned = clean_custom_fields(CustomField.Entity.DEAL, values)
        except ValidationError as error:
            raise InvalidFields({"custom_fields": error.messages}) from error
        for key, value in cleaned.items():
            if present.get(key) != value:
                self._remember(f"custom_fields.{key}", present.get(key), value)
                self.columns.add("custom_fields")
        merged = {**present, **cleaned}
        self.deal.custom_fields = {key: value for key, value in merged.items() if value is not None}

    def _merge_external_ids(self, values: Mapping[str, str | None]) -> None:
        present = dict(self.deal.external_id_rows.values_list("system", "value"))
        for system, value in values.items():
            if present.get(system) == value:
                continue
            self._remember(f"external_ids.{system}", present.get(system), value)
            rows = self.deal.external_id_rows
            if value is None:
                rows.filter(system=system).delete()
            else:
                rows.update_or_create(system=system, defaults={"value": value})

    def _set_tags(self, names: list[str]) -> None:
        present = sorted(self.deal.tags.values_list("name", flat=True))
        tags = [tag_named(name) for name in names]
        wanted = sorted({tag.name for tag in tags})
        if wanted != present:
            self.deal.tags.set(tags)
            self._remember("tags", present, wanted)

    def _validate(self) -> None:
        unchanged = _COLUMNS.keys() - self.columns
        try:
            self.deal.clean_fields(exclude=unchanged)
        except ValidationError as error:
            raise InvalidFields(error.message_dict) from error

    def _is_empty(self, name: str) -> bool:
        kind, _dot, key = name.partition(".")
        if kind == "custom_fields":
            return self.deal.custom_fields.get(key) in (None, "", [])
        if kind == "tags":
            return not self.deal.tags.exists()
        return getattr(self.deal, name) in (None, "", 0)


def _typed(name: str, value: Any) -> Any:
    """The value as the model keeps it, so that "10" and Decimal("10.00") are the same. Raises InvalidFields."""
    try:
        return _COLUMNS[name].to_python(value)
    except ValidationError as error:
        raise InvalidFields({name: error.messages}) from error


def tag_named(name: str) -> Tag:
    """The tag of that name, whatever its case; made where there is none. Raises InvalidFields."""
    name = name.strip()
    if not 1 <= len(name) <= TAG_LENGTH:
        raise InvalidFields({"tags": [_("A tag has 1 to %(most)d characters.") % {"most": TAG_LENGTH}]})
    existing = Tag.objects.filter(name__iexact=name).first()
    return existing or Tag.objects.get_or_create(name=name)[0]


def as_history(value: Any) -> Any:
    """A field's value as the history and the payloads show it."""
    if isinstance(value, models.Model):
        return {"id": value.pk, "name": str(value)}
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, date):
        return value.isoformat()
    return value


def external_ids(deal: Deal) -> dict[str, str]:
    """`{system: id}` of a deal; uses prefetched rows where there are any."""
    rows: list[ExternalId] = sorted(deal.external_id_rows.all(), key=lambda row: row.system)
    return {row.system: row.value for row in rows}
