"""The columns a list can show: where each is read from, ordered by and how it is written out; and those of deals."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias, TypeVar

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.models import CustomField

ADDED = "cf."  # what the names of columns of custom fields begin with
CHOSEN_FIRST = ("title", "company", "value", "stage", "owner", "created_at")
Plain: TypeAlias = str | int | float | None
_Rows = TypeVar("_Rows", bound=QuerySet[Any])


@dataclass(frozen=True, slots=True)
class Column:
    """`kind` names the way it is shown; `sort` is the path of the column it is ordered by, "" where there is none.

    `nullable` says that some rows have nothing there. `field` is the name under which it is edited in place.
    """

    name: str
    label: str | Promise
    kind: str
    plain: Callable[[Any], Any]
    sort: str = ""
    nullable: bool = False
    related: str = ""
    field: str = ""

    @property
    def is_number(self) -> bool:
        return self.kind in ("money", "day", "ago")


def name_of(row: Any) -> str:
    return "" if row is None else str(row)


_COLUMNS: tuple[Column, ...] = (
    Column("title", _("Deal"), "title", lambda deal: deal.title, sort="title", field="title"),
    Column(
        "company",
        _("Company"),
        "company",
        lambda deal: name_of(deal.company),
        "company__name",
        True,
        "company",
    ),
    Column(
        "contact",
        _("Contact"),
        "contact",
        lambda deal: name_of(deal.contact),
        "contact__name",
        True,
        "contact",
    ),
    Column("value", _("Value"), "money", lambda deal: deal.value, sort="value", field="value"),
    Column("currency", _("Currency"), "text", lambda deal: deal.currency, sort="currency"),
    Column("pipeline", _("Pipeline"), "text", lambda deal: deal.pipeline.name, "", False, "pipeline"),
    Column(
        "stage",
        _("Stage"),
        "stage",
        lambda deal: deal.stage.name,
        "stage__position",
        False,
        "stage__pipeline",
    ),
    Column("status", _("Status"), "text", lambda deal: deal.get_status_display(), sort="status"),
    Column(
        "owner", _("Owner"), "person", lambda deal: name_of(deal.owner), "owner__name", True, "owner", "owner"
    ),
    Column(
        "team",
        _("Team"),
        "text",
        lambda deal: name_of(deal.owner and deal.owner.team),
        "",
        True,
        "owner__team",
    ),
    Column("source", _("Source"), "text", lambda deal: name_of(deal.source), "source__name", True, "source"),
    Column("tags", _("Tags"), "tags", lambda deal: ", ".join(sorted(tag.name for tag in deal.tags.all()))),
    Column(
        "expected_close_on",
        _("Expected close"),
        "day",
        lambda deal: deal.expected_close_on,
        sort="expected_close_on",
        nullable=True,
        field="expected_close_on",
    ),
    Column(
        "stage_entered_at",
        _("In this stage since"),
        "ago",
        lambda deal: deal.stage_entered_at,
        sort="stage_entered_at",
    ),
    Column("created_at", _("Created"), "ago", lambda deal: deal.created_at, sort="created_at"),
    Column("updated_at", _("Updated"), "ago", lambda deal: deal.updated_at, sort="updated_at"),
    Column("closed_at", _("Closed"), "ago", lambda deal: deal.closed_at, sort="closed_at", nullable=True),
    Column(
        "lost_reason",
        _("Lost reason"),
        "text",
        lambda deal: name_of(deal.lost_reason),
        "",
        True,
        "lost_reason",
    ),
)


def all_columns() -> list[Column]:
    """Those every deal has, then those of the custom fields."""
    return [*_COLUMNS, *added_columns(CustomField.Entity.DEAL)]


def added_columns(entity: CustomField.Entity) -> list[Column]:
    """Those of the custom fields of one kind of row."""
    return [_of_custom_field(definition) for definition in CustomField.objects.filter(entity=entity)]


def _of_custom_field(definition: CustomField) -> Column:
    key = definition.key
    return Column(f"{ADDED}{key}", definition.label, "text", lambda row: _said(row.custom_fields.get(key)))


def _said(value: Any) -> Plain:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def chosen_columns(
    offered: Sequence[Column], names: Iterable[str], *, usual: Sequence[str] = CHOSEN_FIRST
) -> list[Column]:
    """The columns of those names, in that order, or the `usual` ones; what a row is called is always the first, and
    unknown names are left out.
    """
    by_name = {column.name: column for column in offered}
    wanted = [name for name in dict.fromkeys([offered[0].name, *names]) if name in by_name]
    return [by_name[name] for name in (wanted if len(wanted) > 1 else usual)]


def order_by(offered: Sequence[Column], sort: str, *, usual: str = "-created_at") -> tuple[Column, bool]:
    """The column that `sort` names (`-` for falling) and whether it falls; as `usual` where it names none."""
    by_name = {column.name: column for column in offered if column.sort}
    known = sort if sort.removeprefix("-") in by_name else usual
    return by_name[known.removeprefix("-")], known.startswith("-")


def with_columns(rows: _Rows, columns: Iterable[Column]) -> _Rows:
    """`rows` with all that the columns read, in a query or two more at most."""
    columns = list(columns)
    related = [column.related for column in columns if column.related]
    if related:
        rows = rows.select_related(*related)
    if not any(column.name.startswith(ADDED) for column in columns):
        rows = rows.defer("custom_fields")
    return rows.prefetch_related("tags") if any(column.kind == "tags" for column in columns) else rows


def plain(value: Any) -> Any:
    """A value as other programs read it: numbers as they are, days and times as ISO, times in the reader's zone."""
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat(timespec="seconds")
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date) else value
