"""Erasing a person: what we know of somebody is taken away, and what was done with them stays without saying with whom.

Deals, their values and their course stay. Notes and activities are the deal's, and go with the deal; those with the
contact alone go now. That there were calls stays, without the person's number and voice.
"""

from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import signals
from crm.actors import Actor
from crm.calls import calls_with, forget_caller
from crm.contacts import update_contact
from crm.deals import lock_present, update_deal
from crm.merging import merged_ids
from crm.models import Activity, Change, Contact, Deal, ExternalId, ImportRow
from crm.timeline import Touched, answers_to


@transaction.atomic
def erase_contact(*, contact_id: int, actor: Actor) -> Contact:
    """Take away all that a contact says, in its history and in the titles of its deals too.

    Sends `contact_erased` with the contact as it was. Raises Contact.DoesNotExist.
    """
    # Deals first, as everybody locks them.
    lock_present(Deal.objects.filter(contact=contact_id).values_list("pk", flat=True))
    contact = Contact.objects.select_for_update(no_key=True).get(pk=contact_id)
    deals = list(Deal.objects.filter(contact=contact).order_by("pk"))
    name = _("Erased contact")
    for deal in deals:
        if deal.title == contact.name:
            update_deal(deal_id=deal.pk, actor=actor, fields={"title": name})
    signals.contact_erased.send(
        sender=Contact, contact=contact, deal_ids=[deal.pk for deal in deals], at=timezone.now()
    )
    Activity.objects.filter(contact=contact).delete()
    forget_caller(contact=contact, deal_ids=[deal.pk for deal in deals])
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
    ImportRow.objects.filter(contact=contact).update(cells=[], reason="")
    _clean_history(contact, deal_ids=[deal.pk for deal in deals])
    return erased


def what_erasing_touches(contact: Contact) -> list[Touched]:
    """What `erase_contact` would take away, and what stays though it may say something of the person."""
    deals = Deal.objects.filter(contact=contact)
    deal_ids = list(deals.values_list("pk", flat=True))
    calls = calls_with(contact=contact, deal_ids=deal_ids)
    recorded = calls.exclude(recording_url="", recording_file="").count()
    notes = Activity.objects.filter(deal__in=deal_ids).count()
    changes = Change.objects.filter(
        entity=Change.Entity.CONTACT, object_id__in=[contact.pk, *merged_ids(Contact, contact.pk)]
    )
    touched = [
        Touched(_("Deals"), _("stay; the name goes where it is the title"), len(deal_ids)),
        Touched(_("Calls"), _("stay, without the number"), calls.count()),
        Touched(_("Recordings"), _("are deleted"), recorded),
        Touched(_("Notes and activities of the deals"), _("stay as they are: look through them"), notes),
        Touched(
            _("Activities with the person alone"),
            _("are deleted"),
            Activity.objects.filter(contact=contact).count(),
        ),
        Touched(_("Ids in other systems"), _("are deleted"), contact.external_id_rows.count()),
        Touched(_("Entries of the history"), _("stay without what they said"), changes.count()),
    ]
    for answer in answers_to(signals.erasure_requested, Contact, contact=contact, deal_ids=deal_ids):
        touched += answer
    return touched


def _clean_history(contact: Contact, *, deal_ids: list[int]) -> None:
    """That something changed stays, from what to what goes; of a merge also into whom."""
    ids = [contact.pk, *merged_ids(Contact, contact.pk)]
    of_deals = Change.objects.filter(entity=Change.Entity.DEAL, object_id__in=deal_ids)
    named = Q(before__id__in=ids) | Q(after__id__in=ids)
    titled = Q(before=contact.name) | Q(after=contact.name)
    of_contact = Change.objects.filter(entity=Change.Entity.CONTACT, object_id__in=ids)
    merges = of_contact.filter(verb=Change.Verb.MERGED)
    for merge in merges:
        merge.before, merge.after = _only_id(merge.before), _only_id(merge.after)
    Change.objects.bulk_update(merges, ["before", "after"])
    of_contact = of_contact.exclude(verb=Change.Verb.MERGED)
    for rows in (of_contact, of_deals.filter(named, field="contact"), of_deals.filter(titled, field="title")):
        rows.update(before=None, after=None)


def _only_id(said: Any) -> dict[str, int] | None:
    return {"id": said["id"]} if said else None
