"""Takes an import back, by what the history says that it has done.

What it created is removed unless somebody has touched it since; what it changed gets its former values, field by field,
unless that field was changed since. Deals go first, then people, then companies, because the ones hang on the others.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Exists, Min, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.actors import Actor
from crm.contacts import delete_companies, delete_contacts, update_company, update_contact
from crm.deals import Draft, change_each, delete_many
from crm.imports.plans import MODELS
from crm.imports.targets import PARTS, Entity
from crm.models import (
    Activity,
    Call,
    Change,
    Company,
    Contact,
    Deal,
    DealFile,
    DealLine,
    Import,
    LostReason,
    Source,
    Stage,
    Subscription,
    User,
)
from crm.refusals import Refused

_OF_DEALS: tuple[type[Any], ...] = (Activity, Call, DealFile, DealLine, Subscription)
BATCH = 200  # records of one transaction
_RELATED: dict[str, Any] = {
    "owner": User,
    "contact": Contact,
    "company": Company,
    "source": Source,
    "lost_reason": LostReason,
    "stage": Stage,
}


@dataclass(frozen=True, slots=True)
class Undone:
    """One batch: "removed", "restored" and "kept" records, and the place to go on behind."""

    tally: Counter[str]
    after: str
    is_all: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """What undoing would do now: records of one kind, and those of them that would stay as they are."""

    entity: Entity
    removed: int
    stay: int
    restored: int


def count_changed(imported: Import) -> int:
    """How many records the import has made or changed."""
    return _done(imported).order_by().values("entity", "object_id").distinct().count()


def forecast_undo(imported: Import) -> list[Forecast]:
    """In numbers, what undoing would do; kinds that it does not touch are left out."""
    found = []
    for entity in PARTS[Entity(imported.entity)]:
        created = MODELS[entity].objects.filter(pk__in=_created(imported, entity))
        removable = _removable(imported, entity).count()
        done = _done(imported).filter(entity=entity).order_by()
        changed = (
            done.exclude(object_id__in=_created(imported, entity)).values("object_id").distinct().count()
        )
        forecast = Forecast(entity, removed=removable, stay=created.count() - removable, restored=changed)
        if forecast.removed or forecast.stay or forecast.restored:
            found.append(forecast)
    return found


def undo_some(imported: Import, *, after: str, actor: Actor) -> Undone:
    """Undo the next records behind `after` ("" at the beginning). The caller's transaction makes it one step."""
    parts = PARTS[Entity(imported.entity)]
    name, _colon, last = (after or f"{parts[0]}:0").partition(":")
    entity = Entity(name)
    done = _done(imported).filter(entity=entity, object_id__gt=int(last)).order_by()
    ids = list(
        done.values("object_id")
        .annotate(first=Min("pk"))
        .order_by("object_id")
        .values_list("object_id", flat=True)[:BATCH]
    )
    tally = _undo_records(imported, entity, ids, actor=actor)
    if len(ids) == BATCH:
        return Undone(tally, after=f"{entity}:{ids[-1]}", is_all=False)
    rest = parts[parts.index(entity) + 1 :]
    return Undone(tally, after=f"{rest[0]}:0" if rest else after, is_all=not rest)


def _done(imported: Import) -> QuerySet[Change]:
    span = Q(pk__gt=imported.changes_after, pk__lte=imported.changes_until)
    return Change.objects.filter(span, chain=imported.chain)


def _created(imported: Import, entity: Entity) -> QuerySet[Change, Any]:
    rows = _done(imported).filter(entity=entity, verb=Change.Verb.CREATED).order_by()
    return rows.values("object_id")


def _by_others(imported: Import, entity: Entity) -> QuerySet[Change]:
    """Changes that others have made since to the record of the outer query."""
    since = Change.objects.filter(pk__gt=imported.changes_after, entity=entity, object_id=OuterRef("pk"))
    return since.exclude(chain=imported.chain).order_by()


def _removable(imported: Import, entity: Entity) -> QuerySet[Any]:
    """What the import has created, nobody has changed since, and nothing else hangs on."""
    rows: QuerySet[Any] = MODELS[entity].objects.filter(pk__in=_created(imported, entity)).order_by()
    untouched = rows.exclude(Exists(_by_others(imported, entity)))
    for hanging in _hanging(imported, entity):
        untouched = untouched.exclude(Exists(hanging))
    return untouched


def _hanging(imported: Import, entity: Entity) -> list[QuerySet[Any]]:
    """What may hang on a record of the outer query and does not go with it."""
    one = {entity: OuterRef("pk")}
    if entity == Entity.DEAL:
        return [model.objects.filter(**one).order_by() for model in _OF_DEALS]
    deals = Deal.objects.filter(**one).order_by()
    if imported.entity == Entity.DEAL:
        deals = deals.exclude(pk__in=_removable(imported, Entity.DEAL).values("pk"))
    if entity == Entity.CONTACT:
        return [deals, *(model.objects.filter(**one).order_by() for model in (Activity, Call))]
    contacts = Contact.objects.filter(**one).order_by()
    contacts = contacts.exclude(pk__in=_removable(imported, Entity.CONTACT).values("pk"))
    return [deals, contacts, Subscription.objects.filter(**one).order_by()]


def _undo_records(imported: Import, entity: Entity, ids: list[int], *, actor: Actor) -> Counter[str]:
    rows = list(_done(imported).filter(entity=entity, object_id__in=ids).order_by("pk"))
    created = {row.object_id for row in rows if row.verb == Change.Verb.CREATED}
    former: dict[int, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        if row.object_id not in created:
            former[row.object_id].setdefault(row.field, row.before)
    tally = _remove(imported, entity, created, actor=actor)
    return tally + _restore(imported, entity, former, actor=actor)


def _remove(imported: Import, entity: Entity, ids: set[int], *, actor: Actor) -> Counter[str]:
    present = MODELS[entity].objects.filter(pk__in=ids).count()
    going = list(_removable(imported, entity).filter(pk__in=ids).order_by("pk").values_list("pk", flat=True))
    if entity == Entity.DEAL:
        delete_many(deal_ids=going, actor=actor)
    elif entity == Entity.CONTACT:
        delete_contacts(contact_ids=going, actor=actor)
    else:
        delete_companies(company_ids=going, actor=actor)
    return Counter(removed=len(going), kept=present - len(going))


def _restore(
    imported: Import, entity: Entity, former: Mapping[int, dict[str, Any]], *, actor: Actor
) -> Counter[str]:
    since = Change.objects.filter(pk__gt=imported.changes_after, entity=entity, object_id__in=former)
    others = set(since.exclude(chain=imported.chain).order_by().values_list("object_id", "field"))
    gone = set(former) - set(
        MODELS[entity].objects.filter(pk__in=former).order_by().values_list("pk", flat=True)
    )
    tally: Counter[str] = Counter()
    drafts: dict[int, Draft] = {}
    closed_on = _closings(imported, former) if entity == Entity.DEAL else {}
    for pk, values in former.items():
        if pk in gone:
            continue
        left = {name: value for name, value in values.items() if (pk, name) not in others}
        try:
            drafts[pk] = _draft(left, closed_on=closed_on.get(pk))
        except Refused:
            left = {}
        tally["restored" if len(left) == len(values) else "kept"] += 1
    refused = _write(entity, drafts, actor=actor)
    return tally + Counter(kept=refused) - Counter(restored=refused)


def _closings(imported: Import, ids: Iterable[int]) -> dict[int, date]:
    """The days on which deals were won or lost before the import, by what the history says."""
    before = Change.objects.filter(pk__lte=imported.changes_after, field="status")
    last = (
        before.filter(entity=Entity.DEAL, object_id__in=ids)
        .order_by("object_id", "-pk")
        .distinct("object_id")
    )
    return {pk: timezone.localdate(at) for pk, at in last.values_list("object_id", "at")}


def _draft(values: Mapping[str, Any], *, closed_on: date | None) -> Draft:
    """Former values, in the form of the history, as verbs take them. Raises Refused where what is named is gone."""
    fields: dict[str, Any] = {}
    for name, value in values.items():
        group, _dot, key = name.partition(".")
        if key:
            fields.setdefault(group, {})[key] = value
        elif name in _RELATED and value is not None:
            row = _RELATED[name].objects.filter(pk=value["id"]).first()
            if row is None:
                raise Refused(_("“%(name)s” is not there any more.") % {"name": value["name"]})
            fields[name] = row
        else:
            fields[name] = value
    status = fields.pop("status", None)
    return Draft(
        fields=fields,
        stage=fields.pop("stage", None),
        status=Deal.Status(status) if status else None,
        closed_on=closed_on,
    )


def _write(entity: Entity, drafts: Mapping[int, Draft], *, actor: Actor) -> int:
    """Write former values; returns how many records refused them."""
    if entity == Entity.DEAL:
        return len(change_each(drafts=drafts, actor=actor).refused)
    refused = 0
    for pk, draft in drafts.items():
        try:
            if entity == Entity.CONTACT:
                update_contact(contact_id=pk, actor=actor, fields=draft.fields)
            else:
                update_company(company_id=pk, actor=actor, fields=draft.fields)
        except Refused:
            refused += 1
    return refused
