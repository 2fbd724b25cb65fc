"""Two contacts, or two companies, become one: the one that is kept takes over all that the other had.

Deals, calls, activities, subscriptions, people, tags, addresses and ids in other systems move; of the fields that hold
one value the caller says whose is kept. The other row is gone afterwards, and its history says where it went.

Locks are taken deals first, then companies, then contacts, each in the order of their ids, as an inbound request and an
edit of a deal take theirs. Two merges wait for each other: who merges the same pair at once finds one of them gone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.actors import Actor
from crm.contacts import apply_fields, refuse_changed
from crm.deals import lock_present, update_many
from crm.edits import as_history, change_row, external_ids
from crm.models import (
    Activity,
    Call,
    Change,
    Company,
    Contact,
    Deal,
    ExternalId,
    ImportRow,
    Subscription,
    Tag,
)
from crm.refusals import Refused

Party = TypeVar("Party", Contact, Company)

_ONE_AT_A_TIME = 7_283_640_117  # an advisory lock of our own
_TRIES = 5
_SINGLE: dict[type, tuple[str, ...]] = {
    Contact: ("name", "job_title", "company", "tax_id"),
    Company: ("name", "domain", "tax_id"),
}
_MANY: dict[type, tuple[str, ...]] = {Contact: ("emails", "phones"), Company: ()}


class NotMergeable(Refused):
    """The two cannot become one."""

    code = "not_mergeable"


@dataclass(frozen=True, slots=True)
class Choice:
    """A field that holds one value, named as in the history, with what it says in both rows. `is_others` proposes the
    other's value: where the kept row says nothing."""

    field: str
    kept: Any
    other: Any

    @property
    def is_others(self) -> bool:
        return self.kept in _EMPTY and self.other not in _EMPTY

    @property
    def differs(self) -> bool:
        return bool(self.kept != self.other and self.other not in _EMPTY and self.kept not in _EMPTY)


_EMPTY: tuple[Any, ...] = (None, "", [])


@dataclass(frozen=True, slots=True)
class Moving:
    """How much goes over to the row that is kept."""

    deals: int
    calls: int
    activities: int
    contacts: int
    subscriptions: int


def merge_contacts(
    *,
    kept_id: int,
    other_id: int,
    actor: Actor,
    take: Iterable[str] | None = None,
    seen: Mapping[int, datetime] | None = None,
) -> Contact:
    """Make two contacts one and return the one that is kept.

    `take` names the fields whose value is the other's (see `choices`); without it those in which the kept one says
    nothing. `seen` has the `updated_at` of both as the caller saw them, by id. Raises Contact.DoesNotExist,
    NotMergeable, ChangedMeanwhile.
    """
    return _merge(Contact, kept_id=kept_id, other_id=other_id, actor=actor, take=take, seen=seen or {})


def merge_companies(
    *,
    kept_id: int,
    other_id: int,
    actor: Actor,
    take: Iterable[str] | None = None,
    seen: Mapping[int, datetime] | None = None,
) -> Company:
    """Make two companies one, as `merge_contacts` does. Raises Company.DoesNotExist, NotMergeable, ChangedMeanwhile."""
    return _merge(Company, kept_id=kept_id, other_id=other_id, actor=actor, take=take, seen=seen or {})


def choices(kept: Party, other: Party) -> list[Choice]:
    """The fields of which one value is kept, those alone in which either says anything."""
    found = [Choice(name, getattr(kept, name), getattr(other, name)) for name in _SINGLE[type(kept)]]
    ours, theirs = kept.custom_fields, other.custom_fields
    found += [Choice(f"custom_fields.{key}", ours.get(key), theirs.get(key)) for key in {**ours, **theirs}]
    ours, theirs = external_ids(kept), external_ids(other)
    found += [
        Choice(f"external_ids.{system}", name, theirs[system])
        for system, name in ours.items()
        if theirs.get(system, name) != name
    ]
    return [choice for choice in found if choice.kept not in _EMPTY or choice.other not in _EMPTY]


def moving(other: Contact | Company) -> Moving:
    is_contact = isinstance(other, Contact)
    return Moving(
        deals=other.deals.count(),
        calls=other.calls.count() if isinstance(other, Contact) else 0,
        activities=other.activities.count() if isinstance(other, Contact) else 0,
        contacts=0 if is_contact else Contact.objects.filter(company=other.pk).count(),
        subscriptions=0 if is_contact else Subscription.objects.filter(company=other.pk).count(),
    )


def survivor_of(model: type[Party], gone_id: int) -> Party | None:
    """The row that a row which is gone went into, through however many merges; None where it was not merged."""
    merges = _merges(model).filter(after__isnull=False)
    found = gone_id
    while (into := merges.filter(object_id=found).values_list("after__id", flat=True).first()) is not None:
        if (survivor := model.objects.filter(pk=into).first()) is not None:
            return survivor
        found = into
    return None


def merged_ids(model: type[Contact] | type[Company], kept_id: int) -> list[int]:
    """The ids of all that was merged into a row, and into those."""
    found = [kept_id]
    merges = _merges(model).filter(before__isnull=False)
    for pk in found:
        found += merges.filter(object_id=pk).values_list("before__id", flat=True)
    return found[1:]


def _merges(model: type[Contact] | type[Company]) -> QuerySet[Change]:
    return Change.objects.filter(entity=str(model._meta.model_name), verb=Change.Verb.MERGED)


class _DealsCameIn(Exception):
    """Between the locks of the deals and those of the rows a deal was given to one of them."""


@transaction.atomic
def _merge(
    model: type[Party],
    *,
    kept_id: int,
    other_id: int,
    actor: Actor,
    take: Iterable[str] | None,
    seen: Mapping[int, datetime],
) -> Party:
    if kept_id == other_id:
        raise NotMergeable(_("These are one and the same already."))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ONE_AT_A_TIME])
    for _try in range(_TRIES):
        try:
            with transaction.atomic():  # which gives its locks back where it fails
                kept, other = _locked(model, kept_id, other_id)
                return _Merge(kept=kept, other=other, actor=actor, at=timezone.now()).do(take, seen=seen)
        except _DealsCameIn:
            continue
    raise NotMergeable(_("They are being worked on just now. Try again in a moment."))


def _locked(model: type[Party], kept_id: int, other_id: int) -> tuple[Party, Party]:
    """Both rows, with the deals of both, locked. From here on nothing can be given to either."""
    deals = _deals_of(model, kept_id, other_id)
    before = set(deals)
    lock_present(before)
    if model is Contact:
        employers = Contact.objects.filter(pk__in=(kept_id, other_id)).order_by().values("company")
        list(Company.objects.filter(pk__in=employers).order_by("pk").select_for_update(no_key=True))
    rows: QuerySet[Any] = model.objects.filter(pk__in=(kept_id, other_id)).order_by("pk")
    found = {row.pk: row for row in rows.select_for_update()}
    if missing := {kept_id, other_id} - found.keys():
        raise model.DoesNotExist(f"{model._meta.model_name} {missing}")
    if set(deals.all()) - before:
        raise _DealsCameIn
    return found[kept_id], found[other_id]


def _deals_of(model: type[Contact] | type[Company], *ids: int) -> QuerySet[Any]:
    deals: QuerySet[Any] = Deal.objects.filter(**{f"{model._meta.model_name}__in": ids}).order_by()
    return deals.values_list("pk", flat=True)


@dataclass(frozen=True, slots=True)
class _Merge(Generic[Party]):
    """One merge of two locked rows."""

    kept: Party
    other: Party
    actor: Actor
    at: datetime

    def do(self, take: Iterable[str] | None, *, seen: Mapping[int, datetime]) -> Party:
        for row in (self.kept, self.other):
            refuse_changed(row, seen=seen.get(row.pk))
            if getattr(row, "erased_at", None):
                raise NotMergeable(_("Somebody who was erased is merged with nobody."))
        chosen = self._chosen(take)
        was = _as_was(self.other)
        fields = self._fields(chosen)
        self._move()
        self._move_ids({choice.field.partition(".")[2] for choice in chosen})
        self._record(was)
        self.other.delete()
        return apply_fields(self.kept, actor=self.actor, at=self.at, fields=fields)

    def _chosen(self, take: Iterable[str] | None) -> list[Choice]:
        """The fields that take the other's value."""
        offered = choices(self.kept, self.other)
        if take is None:
            return [choice for choice in offered if choice.is_others]
        wanted = set(take)
        if unknown := wanted - {choice.field for choice in offered}:
            raise NotMergeable(_("There is nothing to take in: %s.") % ", ".join(sorted(unknown)))
        return [choice for choice in offered if choice.field in wanted]

    def _fields(self, chosen: Sequence[Choice]) -> dict[str, Any]:
        """What the kept row is given, as the door takes it."""
        both = (self.kept, self.other)
        fields: dict[str, Any] = {
            many: [value for row in both for value in getattr(row, many)] for many in _MANY[type(self.kept)]
        }
        if isinstance(self.kept, Contact):
            tags = Tag.objects.filter(contacts__in=[row.pk for row in both])
            fields["tags"] = [tag.name for tag in tags.distinct()]
        for choice in chosen:
            group, _dot, key = choice.field.partition(".")
            if group == "external_ids":
                continue
            fields[group] = {**fields.get(group, {}), key: choice.other} if key else choice.other
        return fields

    def _move(self) -> None:
        """All that refers to the other row refers to the kept one now."""
        name = str(self.kept._meta.model_name)
        deals = list(_deals_of(type(self.other), self.other.pk))
        outcome = update_many(deal_ids=deals, actor=self.actor, fields={name: self.kept})
        if outcome.refused:
            raise NotMergeable(str(outcome.refused[0][1]))
        if isinstance(self.kept, Contact):
            Call.objects.filter(contact=self.other.pk).update(contact=self.kept)
            Activity.objects.filter(contact=self.other.pk).update(contact=self.kept)
            ImportRow.objects.filter(contact=self.other.pk).update(contact=self.kept)
            return
        Subscription.objects.filter(company=self.other.pk).update(company=self.kept)
        people = Contact.objects.filter(company=self.other.pk).order_by("pk")
        for contact in people.select_for_update(no_key=True):
            apply_fields(contact, actor=self.actor, at=self.at, fields={"company": self.kept})

    def _move_ids(self, taken: set[str]) -> None:
        """The kept row is found by every id that either had; of two in one system one is the present one."""
        owner = str(self.kept._meta.model_name)
        rows: QuerySet[ExternalId] = ExternalId.objects.filter(**{f"{owner}__in": (self.kept, self.other)})
        mine = {row.system for row in rows.filter(former=False, **{owner: self.kept})}
        replaced = mine & taken
        rows.filter(former=False, system__in=replaced, **{owner: self.kept}).update(former=True)
        rows.filter(former=False, system__in=mine - replaced, **{owner: self.other}).update(former=True)
        rows.filter(**{owner: self.other}).update(**{owner: self.kept})

    def _record(self, was: Mapping[str, Any]) -> None:
        told: dict[str, Any] = {"actor": self.actor, "at": self.at, "verb": Change.Verb.MERGED}
        Change.objects.bulk_create(
            [
                change_row(self.kept, before=was, **told),
                change_row(self.other, after=as_history(self.kept), **told),
            ]
        )


def _as_was(row: Contact | Company) -> dict[str, Any]:
    """A row that is about to go, as the history keeps it."""
    names = (*_SINGLE[type(row)], *_MANY[type(row)])
    tags = sorted(tag.name for tag in row.tags.all()) if isinstance(row, Contact) else []
    said = {
        **{name: as_history(getattr(row, name)) for name in names},
        "tags": tags,
        "custom_fields": row.custom_fields,
        "external_ids": external_ids(row),
    }
    return {"id": row.pk, **{name: value for name, value in said.items() if value}}
