"""One deal being changed: what `crm.edits` knows of any row, and a deal's way through stages and statuses."""

from dataclasses import dataclass
from typing import ClassVar

from crm.deals.errors import MissingFields
from crm.edits import RowEdit, as_history, external_ids
from crm.models import Deal, Stage

__all__ = ["PLAIN_FIELDS", "RELATED_FIELDS", "Edit", "as_history", "external_ids"]

PLAIN_FIELDS = ("title", "value", "currency", "expected_close_on")
RELATED_FIELDS = ("owner", "contact", "company", "source", "lost_reason")


@dataclass(slots=True)
class Edit(RowEdit[Deal]):
    """A locked deal with the values it is about to get."""

    plain_fields: ClassVar[tuple[str, ...]] = PLAIN_FIELDS
    related_fields: ClassVar[tuple[str, ...]] = RELATED_FIELDS

    @property
    def deal(self) -> Deal:
        return self.row

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

    def _is_empty(self, name: str) -> bool:
        kind, _dot, key = name.partition(".")
        if kind == "custom_fields":
            return self.deal.custom_fields.get(key) in (None, "", [])
        if kind == "tags":
            return not self.deal.tags.exists()
        return getattr(self.deal, name) in (None, "", 0)
