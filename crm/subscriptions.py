"""What is done about subscriptions as time goes by: people are told of a renewal some days before it, once.

A sweep looks for what has come due, also for what did so while nothing ran. That people were told is written down in
the transaction that tells them, so that two sweeps at once tell them once.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from crm import formats
from crm.activities import create_activity
from crm.actors import Actor
from crm.deals import lock_present
from crm.models import Activity, Deal, RenewalReminder, Subscription, SubscriptionQuerySet, User
from crm.notices import notify

AT_A_TIME = 200
# A renewal that is over for longer is no news: its date was never brought up to date.
LONGEST_LATE = timedelta(days=30)
DUE_AT = time(9)  # the task's hour on the day of the renewal, where its owner is


def remind_renewals(*, now: datetime) -> int:
    """Tell the owners of what renews within RENEWAL_NOTICE_DAYS, and return of how many renewals."""
    ids = list(_untold(now).values_list("pk", flat=True)[:AT_A_TIME])
    return sum(_remind(pk, now=now) for pk in ids)


def _untold(now: datetime) -> SubscriptionQuerySet:
    """Running subscriptions whose renewal is near and of which nobody was told. What renewed before we knew of it
    is left out."""
    zone = timezone.get_default_timezone()
    today = now.astimezone(zone).date()
    near = (today - LONGEST_LATE, today + timedelta(days=settings.RENEWAL_NOTICE_DAYS))
    told = RenewalReminder.objects.filter(subscription=OuterRef("pk"), renews_on=OuterRef("renews_on"))
    plans = Subscription.objects.running().filter(~Exists(told), renews_on__range=near)
    known_since = TruncDate("created_at", tzinfo=zone)
    return plans.annotate(known_since=known_since).filter(renews_on__gte=F("known_since")).order_by("pk")


@transaction.atomic
def _remind(subscription_id: int, *, now: datetime) -> bool:
    """What is due is asked anew under the lock: another sweep may have been faster. The deal comes first."""
    lock_present(
        Subscription.objects.filter(pk=subscription_id, deal__isnull=False).values_list("deal", flat=True)
    )
    locked = _untold(now).select_for_update(of=("self",), no_key=True, skip_locked=True)
    plan = locked.filter(pk=subscription_id).select_related("deal__owner", "company").first()
    if plan is None or plan.renews_on is None:
        return False
    renews_on = plan.renews_on
    RenewalReminder.objects.create(subscription=plan, renews_on=renews_on)
    notify(
        users=_concerned(plan.deal),
        kind="renewal",
        subject=lambda: _subject(plan, renews_on),
        body=lambda: _body(plan, is_late=renews_on < now.astimezone(timezone.get_default_timezone()).date()),
        url=plan.deal.get_absolute_url() if plan.deal else reverse("subscriptions"),
    )
    if plan.deal:
        _plan_task(plan, plan.deal, renews_on=renews_on)
    return True


def _concerned(deal: Deal | None) -> Iterable[User]:
    """The deal's owner; where there is none that could look after it, the administrators."""
    if deal and deal.owner and deal.owner.is_active:
        return [deal.owner]
    return User.objects.filter(role=User.Role.ADMIN, is_active=True)


def _subject(plan: Subscription, renews_on: date) -> str:
    said = {"plan": plan.plan, "date": date_format(renews_on, "SHORT_DATE_FORMAT")}
    return _("“%(plan)s” renews on %(date)s") % said


def _body(plan: Subscription, *, is_late: bool) -> str:
    customer = plan.company or (plan.deal and (plan.deal.company or plan.deal.contact))
    lines = [
        str(plan.deal or ""),
        str(customer or ""),
        formats.money(plan.amount, plan.currency) if plan.amount is not None else "",
        _("The date is past already: Stagehook could not tell you before.") if is_late else "",
    ]
    return "\n".join(filter(None, lines))


def _plan_task(plan: Subscription, deal: Deal, *, renews_on: date) -> None:
    """A task for the owner, due on the day of the renewal, in the owner's language and time zone."""
    owner = deal.owner
    with translation.override((owner and owner.language) or settings.LANGUAGE_CODE):
        subject = _("Renewal: %(plan)s") % {"plan": plan.plan}
    zone = ZoneInfo((owner and owner.time_zone) or settings.TIME_ZONE)
    due_at = datetime.combine(renews_on, DUE_AT, tzinfo=zone)
    fields = {"deal": deal, "kind": Activity.Kind.TASK, "subject": subject[:200], "due_at": due_at}
    create_activity(fields={**fields, "assignee": owner}, actor=Actor.system())
