"""One deal being changed: what `crm.edits` knows of any row, and a deal's way through stages and statuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from crm.edits import RowEdit, as_history, external_ids
from crm.models import Deal, Stage

__all__ = ["PLAIN_FIELDS", "RELATED_FIELDS", "Edit", "as_history", "external_ids"]

PLAIN_FIELDS = ("title", "value", "currency", "expected_close_on")
RELATED_FIELDS = ("owner", "contact", "company", "source", "lost_reason")


@dataclass(slots=True)
class Edit(RowEdit[Deal]):
    """A locked deal with the values it is about to get; `undoes` is when the move was made that this one takes back."""

    plain_fields: ClassVar[tuple[str, ...]] = PLAIN_FIELDS
    related_fields: ClassVar[tuple[str, ...]] = RELATED_FIELDS

    undoes: datetime | None = None

    @property
    def deal(self) -> Deal:
        return self.row

    def take(self, fields: Mapping[str, Any]) -> None:
        """As any row; a value that somebody writes is no longer the products' to say."""
        RowEdit.take(self, fields)
        if "value" in self.before and self.deal.follows_products:
            self._follow(False)

    def follow_products(self, value: Decimal) -> None:
        """Be worth what the products come to, now and from now on."""
        RowEdit.take(self, {"value": value})
        if not self.deal.follows_products:
            self._follow(True)

    def stop_following(self) -> None:
        if self.deal.follows_products:
            self._follow(False)

    def _follow(self, follows: bool) -> None:  # private, and named by its three callers
        self.deal.follows_products = follows
        self.columns.add("follows_products")

    def enter(self, stage: Stage, *, rank: str) -> None:
        """Put the deal into another stage."""
        self.deal.entered_former_stage_at, self.deal.stage_entered_at = self.deal.stage_entered_at, self.at
        self._put(stage, rank=rank)

    def take_back(self, stage: Stage, *, rank: str) -> None:
        """Put the deal back into the stage it has just left, as if it had been there all the time."""
        self.undoes = self.deal.stage_entered_at
        self.deal.stage_entered_at = self.deal.entered_former_stage_at or self.deal.created_at
        self.deal.entered_former_stage_at = None
        self._put(stage, rank=rank)

    def _put(self, stage: Stage, *, rank: str) -> None:
        self._set("stage", stage)
        self.deal.pipeline = stage.pipeline
        self.columns |= {"pipeline", "stage_entered_at", "entered_former_stage_at"}
        self.place(rank)

    def place(self, rank: str) -> None:
        """Give the deal another place in its column; no history is kept of that."""
        self.deal.rank = rank
        self.columns.add("rank")

    def become(self, status: Deal.Status, *, at: datetime | None = None) -> None:
        """Open the deal, or close it `at` a moment, by default now."""
        self._set("status", status)
        self.deal.closed_at = None if status == Deal.Status.OPEN else at or self.at
        self.columns.add("closed_at")

    def is_empty(self, name: str) -> bool:
        """Whether the deal has no value in a field, named as in the API."""
        kind, _dot, key = name.partition(".")
        if kind == "custom_fields":
            return self.deal.custom_fields.get(key) in (None, "", [])
        if kind == "tags":
            return not self.deal.tags.exists()
        return getattr(self.deal, name) in (None, "", 0)
