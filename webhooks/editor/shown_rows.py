"""A row as the page shows it: what its inputs offer, and what it gives of the sample."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from crm.expressions import ExpressionError
from webhooks.editor.offers import Offer
from webhooks.editor.readings import Reader, Reading, as_shown
from webhooks.editor.rows import LISTS, Row, kind_of
from webhooks.editor.samples import Pick
from webhooks.editor.words import Table, fixed, fixed_in, table_in, tabled
from webhooks.mapping.fields import Kind, NativeField

_TRANSLATED = (Kind.TEXT, Kind.CHOICE, Kind.EMAIL, Kind.ANY)


@dataclass(frozen=True)
class ShownRow:
    row: Row
    offer: Offer
    reader: Reader

    @property
    def kind(self) -> Kind:
        return kind_of(self.row, self.offer)

    @property
    def groups(self) -> list[tuple[str | Promise, list[NativeField]]]:
        """What the field can be; one that is not offered, such as a whole group, is offered to its own row."""
        native = self.row.native
        if self.offer.has(self.row.field) or native is None:
            return self.offer.groups
        return [*self.offer.groups, (native.label, [replace(native, path=self.row.field)])]

    @property
    def picks(self) -> list[Pick]:
        return self.reader.picks

    @property
    def words(self) -> Sequence[str]:
        return self.offer.words(self.row.field)

    @property
    def is_list(self) -> bool:
        return self.kind in LISTS

    @cached_property
    def table(self) -> Table | None:
        return self.row.table or table_in(self.row.expression)

    @cached_property
    def fixed(self) -> list[str] | None:
        """The values that the row says of every request; None where it reads the sample."""
        if self.row.fixed is not None:
            return self.row.fixed
        return fixed_in(self.row.expression) if self.row.expression else None

    @property
    def always(self) -> str:
        """The expression with which a value that is always the same begins."""
        return fixed([""], is_list=self.is_list)

    @cached_property
    def source(self) -> str:
        """The value of the sample that is read; "" where the row is filled in otherwise."""
        return self.reader.source_of(self.table.of if self.table else self.row.expression)

    @cached_property
    def readings(self) -> list[Reading]:
        if not self.source:
            return []
        found = self.reader.readings(self.kind, self.source)
        if self.kind not in _TRANSLATED:
            return found
        of = self.table.of if self.table else self.source
        table = self.table or Table(of, [(as_shown(self._value(of)), "")])
        return [*found, Reading(_("Each word in ours"), tabled(table), "")]

    @property
    def is_by_hand(self) -> bool:
        """Whether the expression is none that the choices make."""
        is_written = bool(self.row.expression.strip()) and self.fixed is None and self.table is None
        return is_written and self.row.expression.strip() not in {each.expression for each in self.readings}

    @cached_property
    def problem(self) -> str:
        """Why the expression cannot be read over the sample; "" where it can."""
        try:
            self.reader.value(self.row.expression)
        except ExpressionError as error:
            return error.message
        return ""

    @property
    def result(self) -> str:
        return as_shown(self._value(self.row.expression))

    def _value(self, expression: str) -> object:
        try:
            return self.reader.value(expression)
        except ExpressionError:
            return None
