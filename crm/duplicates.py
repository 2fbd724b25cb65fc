"""Contacts and companies that may be the same one twice: found by what they share, offered, merged or dismissed.

Comparing each row with all others takes a millisecond or more, so nobody waits for it: what has changed is compared by
the worker within seconds, many at once, and the pairs found are kept. A person's page asks anew about that one row.
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, Generic, TypeAlias, TypeVar

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from crm.folding import fold, folded_sql
from crm.models import Company, Contact, DuplicateCompanies, DuplicateContacts, User
from crm.models.contacts import CNPJ_ROOT
from crm.models.duplicates import Duplicate
from crm.phones import all_phone_variants

Party = TypeVar("Party", Contact, Company)
Ends: TypeAlias = tuple[int, int]  # ids of two rows
Sign = Duplicate.Sign

ALIKE = 0.6  # of all trigrams of both names: "Padaria do Sol" and "Padaria Sol", "Souza" and "Sousa"
MOST = 10  # rows that share one thing; what more have in common is a switchboard or a mail host
_NAMESAKES = 5  # rows that are alike in name alone: there are many Marias
_SURENESS = {Sign.TAX_ID: 5, Sign.EMAIL: 4, Sign.PHONE: 3, Sign.DOMAIN: 2, Sign.NAME: 0}
_CNPJ = 14  # digits
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Found(Generic[Party]):
    """A row that may be the same one. `likeness` is that of the names, from 0 to 1."""

    row: Party
    signs: list[Sign]
    likeness: float

    @property
    def score(self) -> float:
        return sum(_SURENESS[sign] for sign in self.signs) + self.likeness


def duplicates_of(row: Party) -> list[Found[Party]]:
    """Those that share something with `row`, the surest first, without those that somebody has dismissed."""
    dismissed = {pk for pair in _pairs([row]).exclude(dismissed_at=None) for pk in _ends(pair)}
    return [found for found in _find([row])[row.pk] if found.row.pk not in dismissed]


@transaction.atomic
def _find(rows: Sequence[Party], *, beside: Iterable[Ends] = ()) -> dict[int, list[Found[Party]]]:
    """What may be the same as each row, by its id. `beside` are pairs, the row's id first, that are compared however
    unlike they are.

    However many rows there are, it is a handful of statements.
    """
    model, by_id = type(rows[0]), {row.pk: row for row in rows}
    present = [row for row in rows if getattr(row, "erased_at", None) is None]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL pg_trgm.similarity_threshold = %s", [ALIKE])
        # What folding and comparing costs is underrated, so that the database would rather look at everybody.
        cursor.execute("SET LOCAL enable_seqscan = off")
        pairs = {ends for ends in beside if by_id[ends[0]] in present}
        for condition, values in _SHARED[model]:
            pairs |= _sharing(
                cursor, model, condition, [(row.pk, each) for row in present for each in values(row)]
            )
        pairs |= _namesakes(cursor, present)
        likeness = _likeness(cursor, model, pairs)
        cursor.execute("SET LOCAL enable_seqscan = on")
    others: dict[int, Party] = model.objects.in_bulk({other for _row, other in likeness})
    found: dict[int, list[Found[Party]]] = {row.pk: [] for row in rows}
    for (pk, other), alike in likeness.items():
        if other in others:
            found[pk].append(_compared(by_id[pk], others[other], likeness=alike))
    return {
        pk: sorted((each for each in those if each.signs), key=lambda each: (-each.score, each.row.pk))
        for pk, those in found.items()
    }


def _sharing(cursor: Any, model: type[Any], condition: str, wanted: Sequence[tuple[int, str]]) -> set[Ends]:
    """Each row with those that share one of its values, `MOST` a value at most."""
    sql = f"""
        SELECT wanted.id, other.id FROM unnest(%s::bigint[], %s::text[]) AS wanted (id, value)
        CROSS JOIN LATERAL (
            SELECT id FROM {model._meta.db_table} WHERE {condition} AND id <> wanted.id LIMIT {MOST}
        ) AS other
    """  # noqa: S608  # constants
    cursor.execute(sql, [[pk for pk, _value in wanted], [value for _pk, value in wanted]])
    return set(cursor.fetchall())


def _namesakes(cursor: Any, rows: Sequence[Contact | Company]) -> set[Ends]:
    """Each row with those whose names are most alike."""
    if not rows:
        return set()
    name = folded_sql("name")
    sql = f"""
        SELECT wanted.id, other.id FROM unnest(%s::bigint[], %s::text[]) AS wanted (id, name)
        CROSS JOIN LATERAL (
            SELECT id FROM {rows[0]._meta.db_table} AS party WHERE {name} %% wanted.name AND id <> wanted.id
            ORDER BY similarity({name}, wanted.name) DESC, id LIMIT {_NAMESAKES}
        ) AS other
    """  # noqa: S608  # constants
    cursor.execute(sql, [[row.pk for row in rows], [fold(row.name) for row in rows]])
    return set(cursor.fetchall())


def _likeness(cursor: Any, model: type[Any], pairs: Collection[Ends]) -> dict[Ends, float]:
    """Of each pair that is there, how alike the names are."""
    table = model._meta.db_table
    sql = f"""
        SELECT one.id, other.id, similarity({folded_sql("one.name")}, {folded_sql("other.name")})
        FROM unnest(%s::bigint[], %s::bigint[]) AS pair (one, other)
        JOIN {table} AS one ON one.id = pair.one JOIN {table} AS other ON other.id = pair.other
    """  # noqa: S608  # constants
    cursor.execute(sql, [[one for one, _other in pairs], [other for _one, other in pairs]])
    return {(one, other): float(likeness) for one, other, likeness in cursor.fetchall()}


def _compared(row: Party, other: Party, *, likeness: float) -> Found[Party]:
    signs = [sign for sign in Sign if _HAS[type(row)].get(sign, _never)(row, other)]
    if likeness >= ALIKE and (signs or not _differ(row, other)):
        signs.append(Sign.NAME)
    return Found(row=other, signs=signs, likeness=likeness)


def _never(_row: Any, _other: Any) -> bool:
    return False


def _share_email(row: Contact, other: Contact) -> bool:
    return not set(row.emails).isdisjoint(other.emails)


def _share_phone(row: Contact, other: Contact) -> bool:
    return not set(all_phone_variants(row.phones)).isdisjoint(other.phones)


def _share_domain(row: Company, other: Company) -> bool:
    return bool(row.domain) and row.domain == other.domain


def _share_root(row: Company, other: Company) -> bool:
    return bool(_cnpj_root(row)) and _cnpj_root(row) == _cnpj_root(other)


_HAS: dict[type, dict[Sign, Any]] = {
    Contact: {Sign.EMAIL: _share_email, Sign.PHONE: _share_phone},
    Company: {Sign.TAX_ID: _share_root, Sign.DOMAIN: _share_domain},
}


def _cnpj_root(company: Company) -> str:
    return company.tax_id[:CNPJ_ROOT] if len(company.tax_id) == _CNPJ else ""


# What finds those that share something surer than a name, each condition by an index, and what of a row it looks for.
_SHARED: dict[type, tuple[tuple[str, Callable[[Any], Iterable[str]]], ...]] = {
    Contact: (
        ("emails @> ARRAY[wanted.value]::varchar[]", lambda row: row.emails),
        ("phones @> ARRAY[wanted.value]::varchar[]", lambda row: all_phone_variants(row.phones)),
    ),
    Company: (
        (
            f"left(tax_id, {CNPJ_ROOT}) = wanted.value AND tax_id <> ''",
            lambda row: filter(None, [_cnpj_root(row)]),
        ),
        ("domain = wanted.value", lambda row: filter(None, [row.domain])),
    ),
}


def _differ(row: Contact | Company, other: Contact | Company) -> bool:
    """Whether something says that two of the same name are two: a tax id of each, an employer of each."""
    if row.tax_id and other.tax_id and row.tax_id != other.tax_id:
        return True
    if isinstance(row, Contact) and isinstance(other, Contact):
        return bool(row.company_id and other.company_id and row.company_id != other.company_id)
    return False


# ---- The pairs that are kept ----


def pairs_to_decide(model: type[Contact] | type[Company]) -> QuerySet[Any]:
    """The pairs that nobody has dismissed."""
    pairs: QuerySet[Any] = _table(model).objects.filter(dismissed_at=None)
    return pairs


def dismiss(*, one: Contact | Company, other: Contact | Company, user: User, now: datetime) -> None:
    """Two that are not the same: they are offered no more."""
    low, high = sorted((one.pk, other.pk))
    _table(type(one)).objects.update_or_create(
        one_id=low,
        other_id=high,
        defaults={"dismissed_at": now, "dismissed_by": user},
        create_defaults={"dismissed_at": now, "dismissed_by": user, "signs": [], "score": 0},
    )


def compare_changed(*, now: datetime, for_seconds: float) -> int:
    """Compare what has changed with all others, for some seconds at most; returns how many rows were compared.

    Nothing is locked: a row that changes meanwhile is compared again, and two who do the same do it twice.
    """
    until, compared = time.monotonic() + for_seconds, 0
    for model in (Contact, Company):
        rows: QuerySet[Any] = model.objects.filter(duplicates_sought_at=None).order_by("pk")
        while time.monotonic() < until and (some := list(rows[:_AT_ONCE])):
            _compare(some, now=now)
            compared += len(some)
    return compared


def _compare(rows: Sequence[Contact | Company], *, now: datetime) -> None:
    try:
        with transaction.atomic():
            _keep(rows)
    except IntegrityError:  # one of them, or of those found, was deleted meanwhile
        if len(rows) > 1:
            for row in rows:
                _compare([row], now=now)
        return
    # With a condition on what was compared, so that a change made since is looked at in its turn.
    as_compared = (Q(pk=row.pk, updated_at=row.updated_at) for row in rows)
    type(rows[0]).objects.filter(reduce(or_, as_compared)).update(duplicates_sought_at=now)


def _keep(rows: Sequence[Any]) -> None:
    """Write the pairs that the rows are in, and forget those that nothing speaks for any more."""
    table, ids = _table(type(rows[0])), {row.pk for row in rows}
    kept = {_ends(pair): pair.dismissed_at for pair in _pairs(rows)}
    beside = {(pk, other) for one, two in kept for pk, other in ((one, two), (two, one)) if pk in ids}
    found = _find(rows, beside=beside)
    signed = {
        (min(pk, each.row.pk), max(pk, each.row.pk)): each for pk, those in found.items() for each in those
    }
    gone = [
        Q(one=one, other=two) for (one, two), at in kept.items() if at is None and (one, two) not in signed
    ]
    if gone:
        table.objects.filter(reduce(or_, gone), dismissed_at=None).delete()
    pairs = [
        table(one_id=one, other_id=other, signs=signed[one, other].signs, score=signed[one, other].score)
        for one, other in sorted(signed)  # in one order, so that two never wait for each other
    ]
    table.objects.bulk_create(
        pairs, update_conflicts=True, unique_fields=["one", "other"], update_fields=["signs", "score"]
    )


def _ends(pair: Any) -> Ends:
    return pair.one_id, pair.other_id


def _table(model: type[Contact] | type[Company]) -> Any:
    return DuplicateContacts if model is Contact else DuplicateCompanies


def _pairs(rows: Sequence[Contact | Company]) -> QuerySet[Any]:
    pairs: QuerySet[Any] = _table(type(rows[0])).objects.filter(Q(one__in=rows) | Q(other__in=rows))
    return pairs
