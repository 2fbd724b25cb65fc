"""The door for activities: what is planned with a deal or a contact, done, put off, and reminded of.

A reminder is a moment in the row (`remind_at`) that a sweep looks for and empties in the transaction that tells the
person, so it is told once however many sweeps there are, and late where nothing ran at the moment itself.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from crm.actors import Actor
from crm.announcements import announce_deals
from crm.custom_fields import is_storable
from crm.models import Activity, Contact, Deal, User
from crm.notices import notify
from crm.refusals import InvalidFields, Refused

AT_A_TIME = 200
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
LONGEST_NOTICE = 4 * 7 * 24 * 60  # minutes


class ActivityIsGone(Refused):
    """It was deleted, perhaps by somebody else a moment ago."""

    code = "gone"

    def __init__(self) -> None:
        super().__init__(_("This activity is gone."))


class NothingToHangOn(Refused):
    """The deal or contact it is to be with was deleted, perhaps a moment ago."""

    code = "does_not_exist"

    def __init__(self) -> None:
        super().__init__(_("The deal or contact was deleted in the meantime."))


@transaction.atomic
def create_activity(*, fields: Mapping[str, Any], actor: Actor) -> Activity:
    """Plan something, or write down what was done. `fields` are those of the model: deal or contact, kind, subject,
    body, due_at, done_at, reminder (minutes before) and assignee. Raises InvalidFields and NothingToHangOn.
    """
    _hold(fields)
    activity = Activity(created_by=actor.as_json())
    _take(activity, fields)
    activity.save(force_insert=True)
    _announce(activity, actor=actor)
    return activity


@transaction.atomic
def update_activity(*, activity_id: int, fields: Mapping[str, Any], actor: Actor) -> Activity:
    """Change what `fields` names and nothing else. Raises InvalidFields, ActivityIsGone and NothingToHangOn."""
    _hold(fields)
    activity = _locked(activity_id)
    former = activity.deal
    changed = _take(activity, fields)
    if changed:
        _save(activity, changed, actor=actor)
        _announce(activity, former, actor=actor)
    return activity


@transaction.atomic
def complete(*, activity_id: int, actor: Actor, at: datetime) -> Activity:
    """Done; what is done already stays done when it was. Raises ActivityIsGone."""
    activity = _locked(activity_id)
    if activity.done_at is None:
        _mark(activity, done_at=at, actor=actor)
    return activity


@transaction.atomic
def take_up_again(*, activity_id: int, actor: Actor) -> Activity:
    """Not done after all. A reminder that was not sent is sent when its time comes. Raises ActivityIsGone."""
    activity = _locked(activity_id)
    if activity.done_at is not None:
        _mark(activity, done_at=None, actor=actor)
    return activity


@transaction.atomic
def delete_activity(*, activity_id: int, actor: Actor) -> None:
    """Raises ActivityIsGone."""
    activity = _locked(activity_id)
    _announce(activity, actor=actor)
    activity.delete()


def _hold(fields: Mapping[str, Any]) -> None:
    """Lock what it is to be with, so that it is there when the transaction ends; before the activity, as all do."""
    for named in (fields.get("deal"), fields.get("contact")):
        if not isinstance(named, Deal | Contact):
            continue
        rows: QuerySet[Any] = type(named).objects.filter(pk=named.pk)
        if not list(rows.select_for_update(no_key=True).values_list("pk")):
            raise NothingToHangOn


def lock_activity(activity_id: int, *, about: Deal | Contact | None) -> None:
    """Let nobody change it, nor delete what it is to be with, until the transaction ends. Raises ActivityIsGone."""
    with suppress(NothingToHangOn):
        _hold({"deal": about})
    _locked(activity_id)


def _locked(activity_id: int) -> Activity:
    activity = Activity.objects.select_for_update(no_key=True).filter(pk=activity_id).first()
    if activity is None:
        raise ActivityIsGone
    return activity


def _mark(activity: Activity, *, done_at: datetime | None, actor: Actor) -> None:
    activity.done_at = done_at
    _save(activity, {"done_at"}, actor=actor)
    _announce(activity, actor=actor)


def _save(activity: Activity, columns: set[str], *, actor: Actor) -> None:
    activity.changed_by, activity.changed_at = actor.as_json(), timezone.now()
    activity.save(update_fields={*columns, "changed_by", "changed_at"})


def _announce(activity: Activity, former: Deal | None = None, *, actor: Actor) -> None:
    """Open boards and deal pages show what is next."""
    deals = {deal for deal in (activity.deal, former) if deal}
    if deals:
        announce_deals(
            pipelines={deal.pipeline_id for deal in deals},
            stages=[],
            deals=[deal.pk for deal in deals],
            actor=actor,
        )


def _take(activity: Activity, fields: Mapping[str, Any]) -> set[str]:
    """Give the row its new values and return the names of the columns that changed."""
    changed = {name for name, value in fields.items() if getattr(activity, name) != value}
    for name in changed:
        setattr(activity, name, fields[name])
    _check(activity, changed)
    if changed & {"due_at", "reminder"}:
        activity.remind_at = _reminder_of(activity, now=timezone.now())
        changed.add("remind_at")
    return changed


def _reminder_of(activity: Activity, *, now: datetime) -> datetime | None:
    """Nobody is reminded of what is past when it is written down; what is nearer than its notice is told at once."""
    if activity.due_at is None or activity.reminder is None or activity.due_at <= now:
        return None
    return activity.due_at - timedelta(minutes=activity.reminder)


def _check(activity: Activity, changed: Iterable[str]) -> None:
    errors: dict[str, list[str]] = {}
    if (activity.deal_id is None) == (activity.contact_id is None):
        errors["deal"] = [_("Choose either a deal or a contact.")]
    for name in {"due_at", "done_at"}.intersection(changed):
        moment = getattr(activity, name)
        if moment is not None and not EARLIEST <= moment <= LATEST:
            errors[name] = [_("Not a time between 1970 and 2200.")]
    if "reminder" in changed and not 0 <= (activity.reminder or 0) <= LONGEST_NOTICE:
        errors["reminder"] = [_("Four weeks before, at most.")]
    for name in {"subject", "body"}.intersection(changed):
        if not is_storable(getattr(activity, name)):
            errors[name] = [_("This text has characters that cannot be kept.")]
    if {"assignee", "deal"}.intersection(changed) and not _may_see(activity.assignee, activity.deal):
        errors["assignee"] = [_("%(person)s does not see this deal.") % {"person": activity.assignee}]
    if errors:
        raise InvalidFields(errors)


def _may_see(person: User | None, deal: Deal | None) -> bool:
    return person is None or deal is None or Deal.objects.visible_to(person).filter(pk=deal.pk).exists()


def remind(*, now: datetime) -> int:
    """Tell people of what has come due, and return of how many activities."""
    due = Activity.objects.planned().filter(remind_at__lte=now).order_by("remind_at")
    return sum(_remind(pk, now=now) for pk in list(due.values_list("pk", flat=True)[:AT_A_TIME]))


@transaction.atomic
def _remind(activity_id: int, *, now: datetime) -> bool:
    """What is due is asked anew under the lock: another sweep may have been faster, or the person."""
    rows = Activity.objects.planned().filter(pk=activity_id, remind_at__lte=now)
    activity = rows.select_for_update(no_key=True, skip_locked=True).first()
    if activity is None:
        return False
    Activity.objects.filter(pk=activity_id).update(remind_at=None)
    notify(
        users=_concerned(activity),
        kind="activity",
        subject=lambda: _subject(activity, now=now),
        body=lambda: "\n".join(filter(None, [_with(activity), activity.body[:500]])),
        url=where(activity),
    )
    return True


def _concerned(activity: Activity) -> list[User]:
    """Who is to do it, else the deal's owner; nobody who left or no longer sees the deal."""
    person = activity.assignee or (activity.deal and activity.deal.owner)
    return [person] if person and person.is_active and _may_see(person, activity.deal) else []


def _subject(activity: Activity, *, now: datetime) -> str:
    due_at = timezone.localtime(activity.due_at)
    said = {"activity": activity, "when": date_format(due_at, "SHORT_DATETIME_FORMAT")}
    if activity.due_at and activity.due_at < now - timedelta(minutes=5):
        return _("“%(activity)s” was due %(when)s") % said
    return _("“%(activity)s” is due %(when)s") % said


def _with(activity: Activity) -> str:
    return str(activity.deal or activity.contact)


def where(activity: Activity) -> str:
    """The page on which the activity is seen beside the rest of its deal or contact."""
    if activity.deal_id:
        return reverse("deal", args=[activity.deal_id])
    return reverse("contact", args=[activity.contact_id])
