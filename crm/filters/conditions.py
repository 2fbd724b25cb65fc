"""What each kind of filter asks of a deal, as a `Q`. Rows of other tables are asked for in subqueries, so that no deal
comes twice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from django.db.models import Case, DecimalField, Q, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Lower
from django.db.models.lookups import Contains, GreaterThanOrEqual, In, LessThanOrEqual, Regex

from crm.filters.reading import ME, NONE, Moment
from crm.folding import Folded, fold
from crm.models import Company, Contact, Deal, Tag, User


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks (nobody in particular: None) and when."""

    user: User | None
    now: datetime


Condition: TypeAlias = Callable[[Sequence[Any], Asker], Q]
_COMPARISONS = {"gte": GreaterThanOrEqual, "lte": LessThanOrEqual}


def one_of(column: str) -> Condition:
    return lambda values, _asker: Q(**{f"{column}__in": values})


def row_of(column: str) -> Condition:
    """Rows by id; `none` is where there is no row, `me` the one who asks."""

    def condition(values: Sequence[Any], asker: Asker) -> Q:
        me = [asker.user.pk] if asker.user and ME in values else []
        found = Q(**{f"{column}__in": [value for value in values if isinstance(value, int)] + me})
        return found | Q(**{f"{column}__isnull": True}) if NONE in values else found

    return condition


def compared(column: str, comparison: str) -> Condition:
    """By the first value alone; `comparison` is `gte` or `lte`."""
    return lambda values, _asker: Q(**{f"{column}__{comparison}": values[0]})


def since(column: str) -> Condition:
    def condition(values: Sequence[Moment], _asker: Asker) -> Q:
        begin = values[0]
        return Q(**{f"{column}__{'gte' if begin.on else 'gt'}": begin.at})

    return condition


def until(column: str) -> Condition:
    return lambda values, _asker: Q(**{f"{column}__lt": values[0].end})


def tagged(values: Sequence[str], _asker: Asker) -> Q:
    tags = Tag.objects.annotate(word=Lower("name")).filter(word__in=[name.lower() for name in values])
    links = Deal.tags.through.objects.filter(tag__in=tags.order_by().values("pk"))
    return Q(pk__in=links.values("deal"))


def stale(values: Sequence[bool], asker: Asker) -> Q:
    found = Q(pk__in=Deal.objects.stale(now=asker.now).order_by().values("pk"))
    return found if values[0] else ~found


def says(values: Sequence[str], _asker: Asker) -> Q:
    """Each word stands in the title, or in what search knows of the company or the contact."""
    found = Q()
    for word in fold(values[0]).split():
        companies = Company.objects.filter(words__contains=word).order_by()
        contacts = Contact.objects.filter(words__contains=word).order_by()
        found &= (
            Q(words__contains=word)
            | Q(company__in=companies.values("pk"))
            | Q(contact__in=contacts.values("pk"))
        )
    return found


def text_in(key: str) -> Condition:
    column = KeyTextTransform(key, "custom_fields")
    return lambda values, _asker: Q(Contains(Folded(column), fold(values[0])))


def chosen(key: str) -> Condition:
    return lambda values, _asker: Q(In(KeyTextTransform(key, "custom_fields"), list(values)))


def chosen_among(key: str) -> Condition:
    def condition(values: Sequence[str], _asker: Asker) -> Q:
        found = Q()
        for value in values:
            found |= Q(custom_fields__contains={key: [value]})
        return found

    return condition


def is_so(key: str) -> Condition:
    return lambda values, _asker: Q(custom_fields__contains={key: values[0]})


def number_in(key: str, comparison: str) -> Condition:
    """Numbers and amounts, whose values stand in JSON as numbers and as texts."""

    def condition(values: Sequence[Decimal], _asker: Asker) -> Q:
        text = KeyTextTransform(key, "custom_fields")
        exact = DecimalField(max_digits=40, decimal_places=10)
        number = Case(When(Q(Regex(text, r"^-?[0-9]{1,20}(\.[0-9]+)?$")), then=Cast(text, exact)))
        return Q(_COMPARISONS[comparison](number, values[0]))

    return condition


def day_in(key: str, comparison: str) -> Condition:
    """Days stand in JSON as ISO texts, which sort as days do."""

    def condition(values: Sequence[Any], _asker: Asker) -> Q:
        return Q(_COMPARISONS[comparison](KeyTextTransform(key, "custom_fields"), values[0].isoformat()))

    return condition
