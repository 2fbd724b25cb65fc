"""The door for the products on a deal: each line, what all come to, and the deal's value where it follows them.

Whoever writes a line holds the deal's lock. That a line was written stands in the deal's history; other systems are
told where the deal's value follows, and of nothing else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from crm.actors import Actor
from crm.announcements import announce_deals
from crm.deals.door import begin_edit, record_changes, write
from crm.deals.edits import Edit
from crm.edits import change_row
from crm.models import Deal, DealLine
from crm.models.products import CENT, MONTHS, Period
from crm.refusals import InvalidFields, Stale


class StaleLine(Stale):
    """Somebody changed the line since the caller saw it. `line` is the line as it is now."""

    def __init__(self, line: DealLine) -> None:
        self.line = line
        super().__init__(_("Somebody changed this product in the meantime. This is how it stands now."))


@dataclass(frozen=True, slots=True)
class Totals:
    """What lines come to: paid once, paid each month on average, and both together in the first year."""

    once: Decimal
    monthly: Decimal
    first_year: Decimal


def totals_of(lines: Iterable[DealLine]) -> Totals:
    once, yearly = Decimal(), Decimal()
    for line in lines:
        if line.is_recurring:
            yearly += line.total * 12 / MONTHS[Period(line.period)]
        else:
            once += line.total
    return Totals(once=once, monthly=(yearly / 12).quantize(CENT), first_year=(once + yearly).quantize(CENT))


@transaction.atomic
def write_line(
    *,
    deal_id: int,
    fields: Mapping[str, Any],
    actor: Actor,
    line_id: int | None = None,
    version: int | None = None,
) -> DealLine:
    """Put a product on a deal, or change one that is there. `fields` are those of DealLine.

    Raises UnknownDeals, DealLine.DoesNotExist, StaleLine, InvalidFields.
    """
    edit = begin_edit(deal_id)
    line = DealLine(deal=edit.deal) if line_id is None else edit.deal.lines.get(pk=line_id)
    if version is not None and version != line.version:
        raise StaleLine(line)
    before = _as_history(line) if line.pk else None
    for name, value in fields.items():
        setattr(line, name, value)
    try:
        line.full_clean(exclude={"deal", "product"})
    except ValidationError as error:
        raise InvalidFields(error.message_dict) from error
    if before != _as_history(line):
        line.version += 1
        line.save()
        _settle(edit, before=before, after=_as_history(line), actor=actor)
    return line


@transaction.atomic
def delete_line(*, deal_id: int, line_id: int, actor: Actor) -> None:
    """Raises UnknownDeals, DealLine.DoesNotExist."""
    edit = begin_edit(deal_id)
    line = edit.deal.lines.get(pk=line_id)
    before = _as_history(line)
    line.delete()
    _settle(edit, before=before, after=None, actor=actor)


@transaction.atomic
def follow_products(*, deal_id: int, follows: bool, actor: Actor) -> Deal:
    """Let the deal's value be what its products come to in a year, or leave it as it is. Raises UnknownDeals."""
    edit = begin_edit(deal_id)
    if follows:
        edit.follow_products(totals_of(edit.deal.lines.all()).first_year)
    else:
        edit.stop_following()
    write([edit], actor=actor)
    return edit.deal


def _settle(edit: Edit, *, before: Any, after: Any, actor: Actor) -> None:
    """Write down what became of a line, and what follows from it for the deal."""
    deal = edit.deal
    record_changes([change_row(deal, actor=actor, at=edit.at, field="products", before=before, after=after)])
    if deal.follows_products:
        edit.follow_products(totals_of(deal.lines.all()).first_year)
        write([edit], actor=actor)
    announce_deals(pipelines=[deal.pipeline_id], stages=[], deals=[deal.pk], actor=actor)


def _as_history(line: DealLine) -> dict[str, Any]:
    return {
        "name": line.name,
        "quantity": f"{line.quantity:.2f}",
        "unit_price": f"{line.unit_price:.2f}",
        "period": line.period,
        "discount": f"{line.discount:.2f}",
    }
