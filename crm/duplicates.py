"""Contacts and companies that may be the same one twice: found by what they share, offered, merged or dismissed.

Comparing each row with all others takes some milliseconds, so nobody waits for it: what has changed is compared by the
worker within seconds, and the pairs found are kept. A person's page asks anew about that one row.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.contrib.postgres.lookups import TrigramSimilar
from django.contrib.postgres.search import TrigramSimilarity
from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Left
from django.db.models.lookups import Exact

from crm.folding import Folded, fold
from crm.models import Company, Contact, DuplicateCompanies, DuplicateContacts, User
from crm.models.contacts import CNPJ_ROOT
from crm.models.duplicates import Duplicate
from crm.phones import all_phone_variants

Party = TypeVar("Party", Contact, Company)
Sign = Duplicate.Sign

ALIKE = 0.6  # of all trigrams of both names: "Padaria do Sol" and "Padaria Sol", "Souza" and "Sousa"
MOST = 10  # rows that share one thing; what more have in common is a switchboard or a mail host
_NAMESAKES = 5  # rows that are alike in name alone: there are many Marias
_SURENESS = {Sign.TAX_ID: 5, Sign.EMAIL: 4, Sign.PHONE: 3, Sign.DOMAIN: 2, Sign.NAME: 0}
_CNPJ = 14  # digits
_AT_ONCE = 50


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
    dismissed = _partners(_pairs(row).exclude(dismissed_at=None))
    return [found for found in _find(row) if found.row.pk not in dismissed]


@transaction.atomic
def _find(row: Party, *, beside: Collection[int] = ()) -> list[Found[Party]]:
    """What may be the same as `row`; `beside` are ids that are compared with it however unlike they are."""
    if getattr(row, "erased_at", None) is not None:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL pg_trgm.similarity_threshold = %s", [ALIKE])
    others: QuerySet[Any] = type(row).objects.exclude(pk=row.pk)
    ids = others.filter(pk__in=beside).order_by().values("pk")
    for condition in _conditions(row):
        ids = ids.union(others.filter(condition).order_by().values("pk")[:MOST])
    likeness = TrigramSimilarity(Folded("name"), fold(row.name))
    compared = others.annotate(likeness=likeness)
    alike = compared.filter(TrigramSimilar(Folded("name"), fold(row.name)))
    ids = ids.union(alike.order_by("-likeness", "pk").values("pk")[:_NAMESAKES])
    # Asked for first: with the search for them inside, the database looks through everybody.
    found = [
        _compared(row, other) for other in compared.filter(pk__in=list(ids.values_list("pk", flat=True)))
    ]
    return sorted((each for each in found if each.signs), key=lambda each: (-each.score, each.row.pk))


def _conditions(row: Contact | Company) -> list[Q]:
    """What finds the rows that share something surer than a name, each condition by an index."""
    if isinstance(row, Contact):
        found = [
            Q(emails__overlap=row.emails) if row.emails else Q(),
            Q(phones__overlap=all_phone_variants(row.phones)) if row.phones else Q(),
        ]
    else:
        has_root = Q(Exact(Left("tax_id", CNPJ_ROOT), _cnpj_root(row))) & ~Q(tax_id="")
        found = [has_root if _cnpj_root(row) else Q(), Q(domain=row.domain) if row.domain else Q()]
    return [condition for condition in found if condition]


def _compared(row: Party, other: Any) -> Found[Party]:
    likeness: float = other.likeness
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
            for row in some:
                _compare(row, now=now)
                compared += 1
                if time.monotonic() >= until:
                    return compared
    return compared


def _compare(row: Contact | Company, *, now: datetime) -> None:
    try:
        with transaction.atomic():
            _keep(row)
    except IntegrityError:  # one of them was deleted meanwhile
        return
    # With a condition on what was compared, so that a change made since is looked at in its turn.
    type(row).objects.filter(pk=row.pk, updated_at=row.updated_at).update(duplicates_sought_at=now)


def _keep(row: Contact | Company) -> None:
    """Write the pairs that `row` is in, and forget those that nothing speaks for any more."""
    table, kept = _table(type(row)), _pairs(row)
    partners = _partners(kept) - {row.pk}
    found: list[Found[Any]] = _find(row, beside=partners)
    gone = partners - {each.row.pk for each in found}
    kept.filter(Q(one__in=gone) | Q(other__in=gone), dismissed_at=None).delete()
    signed = {(min(row.pk, each.row.pk), max(row.pk, each.row.pk)): each for each in found}
    pairs = [
        table(one_id=one, other_id=other, signs=signed[one, other].signs, score=signed[one, other].score)
        for one, other in sorted(signed)  # in one order, so that two never wait for each other
    ]
    table.objects.bulk_create(
        pairs, update_conflicts=True, unique_fields=["one", "other"], update_fields=["signs", "score"]
    )


def _partners(pairs: QuerySet[Any]) -> set[int]:
    return {pk for pair in pairs for pk in (pair.one_id, pair.other_id)}


def _table(model: type[Contact] | type[Company]) -> Any:
    return DuplicateContacts if model is Contact else DuplicateCompanies


def _pairs(row: Contact | Company) -> QuerySet[Any]:
    pairs: QuerySet[Any] = _table(type(row)).objects.filter(Q(one=row) | Q(other=row))
    return pairs
