"""Search across deals, contacts and companies: pieces of words, without accents, and in spite of typing errors.

Every word typed must stand in what is found; only where that finds too little we look for what is spelled alike
(PostgreSQL's trigrams), because likeness is dear and its finds are worse. Each step stops at `CANDIDATES` rows, so
that a word that half of all deals contain costs no more than a rare one; the best of these come first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db import connection, transaction
from django.db.models import F, Model, Q, QuerySet

from crm.custom_fields import is_storable
from crm.folding import fold
from crm.ids import read_ids
from crm.models import Company, Contact, Deal, DealQuerySet, User

SHOWN = 6  # of each kind
CANDIDATES = 200
ALIKE = 0.5  # of a word's trigrams: "padria" still finds "padaria", and few things find each other by chance
LONGEST = 100
_RELATIVES = 50  # companies and contacts whose deals are looked for

_Row = TypeVar("_Row", bound=Model)


class Kind(StrEnum):
    DEAL = "deal"
    CONTACT = "contact"
    COMPANY = "company"


@dataclass(frozen=True, slots=True)
class Found:
    """What is found of each kind, the best first."""

    deals: Sequence[Deal] = ()
    contacts: Sequence[Contact] = ()
    companies: Sequence[Company] = ()

    def __bool__(self) -> bool:
        return bool(self.deals or self.contacts or self.companies)


@transaction.atomic
def find(*, text: str, user: User) -> Found:
    """What `text` finds of what `user` may see; nothing for an empty text."""
    words = _words(text)
    if not words:
        return Found()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL pg_trgm.word_similarity_threshold = %s", [ALIKE])
    companies = _rows(Company.objects.all(), words, limit=_RELATIVES)
    contacts = _rows(Contact.objects.select_related("company"), words, limit=_RELATIVES)
    return Found(
        deals=_deals(Deal.objects.visible_to(user), words, companies=companies, contacts=contacts),
        contacts=contacts[:SHOWN],
        companies=companies[:SHOWN],
    )


def _words(text: str) -> list[str]:
    """What is looked for: folded words; a number such as a tax id or a phone without its punctuation."""
    if not is_storable(text):
        return []
    folded = fold(text[:LONGEST]).strip()
    digits = re.sub(r"[\s().+/-]", "", folded)
    return [digits] if digits.isdecimal() and len(digits) > 3 else folded.split()


def _rows(rows: QuerySet[_Row], words: Sequence[str], *, limit: int) -> list[_Row]:
    found = _best(rows, _contains(words), words)[:limit]
    return list(found) or list(_best(rows, _is_like(words), words)[:limit])


def _deals(
    visible: DealQuerySet, words: Sequence[str], *, companies: Sequence[Company], contacts: Sequence[Contact]
) -> list[Deal]:
    """By their titles, then by the companies and contacts that were found, the newest first."""
    shown = visible.select_related("company", "stage").defer("custom_fields")
    found = list(_best(shown, _contains(words), words)[:SHOWN])
    if len(found) < SHOWN and (companies or contacts):
        of_them = Q(company__in=[row.pk for row in companies]) | Q(contact__in=[row.pk for row in contacts])
        others = shown.filter(of_them).exclude(pk__in=[deal.pk for deal in found])
        found += others.order_by("-created_at", "-pk")[: SHOWN - len(found)]
    return found or list(_best(shown, _is_like(words), words)[:SHOWN])


def _contains(words: Sequence[str]) -> Q:
    """A word of one or two letters, which has no trigram inside, is looked for at the beginning alone."""
    found = Q()
    for word in words:
        is_short = len(word) < 3 and len(words) == 1
        found &= Q(words__startswith=word) if is_short else Q(words__contains=word)
    return found


def deals_titled(*, text: str) -> list[int]:
    """The ids of deals whose titles hold every word of `text`: the first `CANDIDATES` that the database comes upon."""
    words = _words(text)
    found = Deal.objects.filter(_contains(words)).order_by() if words else Deal.objects.none()
    return list(found.values_list("pk", flat=True)[:CANDIDATES])


def _is_like(words: Sequence[str]) -> Q:
    found = Q()
    for word in words:
        found &= Q(words__trigram_word_similar=word)
    return found


def _best(rows: QuerySet[_Row], condition: Q, words: Sequence[str]) -> QuerySet[_Row]:
    """The first `CANDIDATES` that the database comes upon, ordered by how well they fit; open deals before closed."""
    some = rows.filter(condition).order_by().values("pk")[:CANDIDATES]
    likeness = TrigramWordSimilarity(" ".join(words), "words")
    best: QuerySet[_Row] = rows.filter(pk__in=some).alias(  # type: ignore[assignment]  # the stubs lose the model
        likeness=likeness
    )
    ties = [F("closed_at").desc(nulls_first=True)] if rows.model is Deal else []
    return best.order_by(F("likeness").desc(), *ties, "-pk")


def recent(*, names: Sequence[str], user: User) -> Found:
    """What was opened last, named `deal:7`, as far as it is there and may be seen, in the order given."""
    ids: dict[str, list[int]] = {kind: [] for kind in Kind}
    for name in names[: 4 * SHOWN]:
        kind, _colon, number = name.partition(":")
        if kind in ids:
            ids[kind] += read_ids([number])
    deals = Deal.objects.visible_to(user).select_related("company", "stage").defer("custom_fields")
    return Found(
        deals=_in_order(deals, ids[Kind.DEAL]),
        contacts=_in_order(Contact.objects.select_related("company"), ids[Kind.CONTACT]),
        companies=_in_order(Company.objects.all(), ids[Kind.COMPANY]),
    )


def _in_order(rows: QuerySet[_Row], ids: Sequence[int]) -> list[_Row]:
    there = {row.pk: row for row in rows.filter(pk__in=ids)} if ids else {}
    return [there[number] for number in dict.fromkeys(ids) if number in there][:SHOWN]
