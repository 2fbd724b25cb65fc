"""Erasing a person: what we know of somebody is taken away, and what was done with them stays without saying with whom.

Deals, their values and their course stay; what was written and kept in them goes, because no program can tell which
sentence or which file is about the person. What shall stay is given to another contact before, with its deal. That
there were activities and calls stays, without what they said, the person's number and voice.
"""

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import signals
from crm.actors import Actor
from crm.announcements import announce_deals
from crm.calls import calls_with, forget_caller
from crm.contacts import update_contact
from crm.deals import lock_present, update_deal
from crm.files import delete_file
from crm.merging import merged_ids
from crm.models import Activity, Change, Contact, CustomField, Deal, DealFile, ExternalId, ImportRow, Notice
from crm.timeline import Touched, answers_to
from crm.traces import Traces

_PERSONAL = (CustomField.Type.EMAIL, CustomField.Type.PHONE, CustomField.Type.CPF)


@transaction.atomic
def erase_contact(*, contact_id: int, actor: Actor) -> Contact:
    """Take away all that a contact says, and what was written and kept in its deals too.

    Sends `contact_erased` with the contact as it was. Raises Contact.DoesNotExist.
    """
    # Deals first, as everybody locks them.
    lock_present(Deal.objects.filter(contact=contact_id).values_list("pk", flat=True))
    contact = Contact.objects.select_for_update(no_key=True).get(pk=contact_id)
    deals, traces = list(Deal.objects.filter(contact=contact).order_by("pk")), Traces.of(contact)
    deal_ids = [deal.pk for deal in deals]
    name = _("Erased contact")
    for deal in deals:
        _empty_deal(deal, traces=traces, name=name, actor=actor)
    signals.contact_erased.send(sender=Contact, contact=contact, deal_ids=deal_ids, at=timezone.now())
    _forget_texts(contact, traces=traces, deal_ids=deal_ids)
    forget_caller(contact=contact, deal_ids=deal_ids)
    empty: dict[str, Any] = {
        "name": name,
        "emails": [],
        "phones": [],
        "tax_id": "",
        "job_title": "",
        "tags": [],
        "company": None,
    }
    erased = update_contact(contact_id=contact_id, actor=actor, fields=empty)
    erased.custom_fields, erased.erased_at = {}, timezone.now()
    erased.save(update_fields=["custom_fields", "erased_at"])
    ExternalId.objects.filter(contact=contact).delete()
    _clean_history(contact, traces=traces, deal_ids=deal_ids)
    return erased


def what_erasing_touches(contact: Contact) -> list[Touched]:
    """What `erase_contact` would take away, and what it leaves of it."""
    deals, traces = list(Deal.objects.filter(contact=contact)), Traces.of(contact)
    deal_ids = [deal.pk for deal in deals]
    calls = calls_with(contact=contact, deal_ids=deal_ids)
    fields = sum(len(_personal_fields(deal, traces=traces)) for deal in deals)
    counts: list[tuple[str, str, int]] = [
        (_("Deals"), _("stay; the name goes out of their titles"), len(deals)),
        (_("Added fields of the deals"), _("are emptied where they hold or name the person"), fields),
        (_("Files of the deals"), _("are deleted"), DealFile.objects.filter(deal__in=deal_ids).count()),
        (
            _("Notes and activities of the deals"),
            _("stay without their text"),
            Activity.objects.filter(deal__in=deal_ids).count(),
        ),
        (
            _("Activities with the person alone"),
            _("are deleted"),
            Activity.objects.filter(contact=contact).count(),
        ),
        (
            _("Texts elsewhere with an address or a number"),
            _("lose the name, addresses and numbers"),
            _texts_elsewhere(contact, traces=traces, deal_ids=deal_ids).count(),
        ),
        (_("Calls"), _("stay, without the number"), calls.count()),
        (
            _("Recordings"),
            _("are deleted"),
            calls.exclude(recording_url="", recording_file="").count(),
        ),
        (_("Notices to users"), _("are deleted"), _notices(contact, deal_ids=deal_ids).count()),
        (_("Rows of imported files"), _("are emptied"), _import_rows(contact, traces=traces).count()),
        (_("Ids in other systems"), _("are deleted"), contact.external_id_rows.count()),
        (_("Entries of the history"), _("stay without what they said"), _history_of(contact).count()),
    ]
    touched = [Touched(text, fate, count) for text, fate, count in counts]
    for answer in answers_to(signals.erasure_requested, Contact, contact=contact, deal_ids=deal_ids):
        touched += answer
    return touched


def _empty_deal(deal: Deal, *, traces: Traces, name: str, actor: Actor) -> None:
    """What the deal itself says of the person, and its files."""
    title = traces.without_name(deal.title, instead=name)[:200]
    emptied = dict.fromkeys(_personal_fields(deal, traces=traces))
    update_deal(deal_id=deal.pk, actor=actor, fields={"title": title, "custom_fields": emptied})
    for file_id in deal.files.values_list("pk", flat=True):
        delete_file(file_id=file_id, actor=actor)
    announce_deals(pipelines=[deal.pipeline_id], stages=[], deals=[deal.pk], actor=actor)


def _personal_fields(deal: Deal, *, traces: Traces) -> list[str]:
    """The keys of added fields that hold what belongs to a person, or whose text names this one."""
    personal = _personal_keys()
    return [
        key
        for key, value in deal.custom_fields.items()
        if key in personal or (isinstance(value, str) and traces.are_in(value))
    ]


def _personal_keys() -> set[str]:
    fields = CustomField.objects.filter(entity=CustomField.Entity.DEAL, type__in=_PERSONAL)
    return set(fields.values_list("key", flat=True))


def _forget_texts(contact: Contact, *, traces: Traces, deal_ids: Collection[int]) -> None:
    """What was written of the person in deals and elsewhere, told to users, and brought along in files."""
    Activity.objects.filter(contact=contact).delete()
    Activity.objects.filter(deal__in=deal_ids).update(subject="", body="")
    elsewhere = list(_texts_elsewhere(contact, traces=traces, deal_ids=deal_ids))
    for activity in elsewhere:
        activity.subject, activity.body = traces.blanked(activity.subject), traces.blanked(activity.body)
    Activity.objects.bulk_update(elsewhere, ["subject", "body"])
    _notices(contact, deal_ids=deal_ids).delete()
    _import_rows(contact, traces=traces).update(cells=[], reason="")


def _texts_elsewhere(contact: Contact, *, traces: Traces, deal_ids: Collection[int]) -> QuerySet[Activity]:
    others = Activity.objects.exclude(deal__in=deal_ids).exclude(contact=contact)
    return others.filter(traces.own_in("subject", "body"))


def _notices(contact: Contact, *, deal_ids: Collection[int]) -> QuerySet[Notice]:
    pages = [contact.get_absolute_url(), *(Deal(pk=pk).get_absolute_url() for pk in deal_ids)]
    return Notice.objects.filter(url__in=pages)


def _import_rows(contact: Contact, *, traces: Traces) -> QuerySet[ImportRow]:
    """Those that were about the person, and those that name them and came to nothing."""
    rows = ImportRow.objects.alias(said=Cast("cells", TextField()))
    return rows.filter(Q(contact=contact) | traces.own_in("said"))


def _history_of(contact: Contact) -> QuerySet[Change]:
    ids = [contact.pk, *merged_ids(Contact, contact.pk)]
    return Change.objects.filter(entity=Change.Entity.CONTACT, object_id__in=ids)


def _clean_history(contact: Contact, *, traces: Traces, deal_ids: Collection[int]) -> None:
    """That something changed stays, from what to what goes; of a merge also into whom."""
    ids = [contact.pk, *merged_ids(Contact, contact.pk)]
    merges = _history_of(contact).filter(verb=Change.Verb.MERGED)
    for merge in merges:
        merge.before, merge.after = _only_id(merge.before), _only_id(merge.after)
    Change.objects.bulk_update(merges, ["before", "after"])
    of_deals = Change.objects.filter(entity=Change.Entity.DEAL)
    was_theirs = of_deals.filter(Q(before__id__in=ids) | Q(after__id__in=ids), field="contact")
    personal = {"files", *(f"custom_fields.{key}" for key in _personal_keys())}
    said = [
        row.pk
        for row in of_deals.filter(object_id__in=deal_ids)
        if row.field in personal or _names_person(row, traces=traces)
    ]
    for rows in (
        _history_of(contact).exclude(verb=Change.Verb.MERGED),
        was_theirs,
        of_deals.filter(pk__in=said),
    ):
        rows.update(before=None, after=None)


def _names_person(change: Change, *, traces: Traces) -> bool:
    """Whether a former title or added field of the person's deal says who it is."""
    if change.field.partition(".")[0] not in ("title", "custom_fields"):
        return False
    return any(isinstance(value, str) and traces.are_in(value) for value in (change.before, change.after))


def _only_id(said: Any) -> dict[str, int] | None:
    return {"id": said["id"]} if said else None
