"""Who is told what about a destination in trouble: the admins, and the authors of the rules that send there.

Nothing is told where it happens. The columns of a destination say what people do not know yet; a sweep looks at them
every few seconds and tells it, so that sending never waits for words, what only time brings about is told too, and
what could not be told now is told at the next look.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automations.explanations import explain_disabled, explain_end, explain_last_failure, moment
from automations.health import DISABLED_AFTER
from automations.models import Delivery, Destination, Rule
from crm import formats
from crm.models import Deal, Notice, User
from crm.notices import notify

PERCENTS = (50, 70, 90)  # of the way to disabled; disabled itself is 100
AT_MOST_EVERY = timedelta(hours=1)


def tell_due(*, now: datetime) -> int:
    """Tell people what they do not know yet of their destinations; returns at how many there was something."""
    troubled = Q(status__in=[Destination.Status.FAILING, Destination.Status.DISABLED], told_percent__lt=100)
    untold = Q(given_up_untold__gt=0) | Q(recovered_from__isnull=False)
    look_at = Destination.objects.present().filter(troubled | untold).order_by("pk")
    return sum(_tell(pk, now=now) for pk in look_at.values_list("pk", flat=True))


@transaction.atomic
def _tell(destination_id: int, *, now: datetime) -> bool:
    rows = Destination.objects.present().select_for_update(no_key=True, skip_locked=True)
    destination = rows.filter(pk=destination_id).first()
    if destination is None:
        return False
    told = [
        _tell_percent(destination, now=now),
        _tell_given_up(destination, now=now),
        _tell_recovery(destination, now=now),
    ]
    return any(told)


def percent_reached(destination: Destination, *, now: datetime) -> int:
    """The last of 50, 70, 90 and 100 % of the way to disabled that is behind it; 0 before the first."""
    if destination.status == Destination.Status.DISABLED:
        return 100
    if destination.status != Destination.Status.FAILING or destination.failing_since is None:
        return 0
    way = 100 * (now - destination.failing_since) / DISABLED_AFTER
    return max((percent for percent in PERCENTS if percent <= way), default=0)


def _tell_percent(destination: Destination, *, now: datetime) -> bool:
    percent = percent_reached(destination, now=now)
    if percent <= destination.told_percent:
        return False
    _write(destination, told_percent=percent)
    named = {"name": destination.name}
    status = partial(explain_last_failure, destination)
    if percent == 100:
        disabled = partial(explain_disabled, destination)
        _notify(destination, "disabled", lambda: _("“%(name)s” is disabled") % named, disabled, status=status)
    else:
        failing = partial(_on_the_way, destination.failing_since or now, percent)
        _notify(destination, "failing", lambda: _("“%(name)s” is failing") % named, failing, status=status)
    return True


def _on_the_way(since: datetime, percent: int) -> str:
    text = _("Nothing but failures since %(since)s: %(percent)s %% of the time after which it is disabled.")
    return text % {"since": moment(since), "percent": percent}


def _tell_given_up(destination: Destination, *, now: datetime) -> bool:
    count = destination.given_up_untold
    if not count or not _is_time(destination.told_given_up_at, now=now):
        return False
    _write(destination, given_up_untold=0, told_given_up_at=now)
    _notify(
        destination,
        "given_up",
        lambda: _given_up(count, destination.name),
        lambda: _("Once the cause is mended, send them again from the log."),
        status=partial(_how_the_newest_ended, destination),
        state=Delivery.State.FAILED,
    )
    return True


def _given_up(count: int, name: str) -> str:
    text = ngettext(
        "%(n)s delivery to “%(name)s” was given up", "%(n)s deliveries to “%(name)s” were given up", count
    )
    return text % {"n": formats.number(count), "name": name}


def _how_the_newest_ended(destination: Destination) -> str:
    given_up = destination.deliveries.filter(state=Delivery.State.FAILED).exclude(
        trigger=Delivery.Trigger.TEST
    )
    newest = given_up.order_by("-pk").first()
    return explain_end(newest) if newest else ""


def _tell_recovery(destination: Destination, *, now: datetime) -> bool:
    since = destination.recovered_from
    if since is None or not _is_time(destination.told_recovery_at, now=now):
        return False
    is_well = destination.status == Destination.Status.ACTIVE
    _write(destination, recovered_from=None, **({"told_recovery_at": now} if is_well else {}))
    if is_well:
        _notify(
            destination,
            "recovered",
            lambda: _("“%(name)s” is well again") % {"name": destination.name},
            lambda: _("It had been failing since %(since)s.") % {"since": moment(since)},
            status=lambda: _("It takes what it is sent again; what was held is being sent in order."),
        )
    return is_well


def _is_time(told_at: datetime | None, *, now: datetime) -> bool:
    """Whether the last time was an hour ago; a time to come is the mistake of a clock."""
    return told_at is None or not told_at <= now < told_at + AT_MOST_EVERY


def _write(destination: Destination, **columns: object) -> None:
    Destination.objects.filter(pk=destination.pk).update(**columns)


def _notify(
    destination: Destination,
    kind: str,
    subject: Callable[[], str],
    happened: Callable[[], str],
    *,
    status: Callable[[], str],
    state: Delivery.State = Delivery.State.PENDING,
) -> None:
    """Tell what happened, then of each destination alike: the last status, what waits, and where the log is."""
    waiting = _waiting_deals(destination)
    notify(
        users=_concerned(Rule.objects.filter(destination=destination)),
        kind=kind,
        subject=subject,
        body=lambda: "\n".join(filter(None, [happened(), status(), _waits(waiting)])),
        url=f"{reverse('deliveries')}?destination={destination.pk}&state={state}",
    )


def _waiting_deals(destination: Destination) -> int:
    waiting = Delivery.objects.filter(destination=destination, state=Delivery.State.PENDING)
    return waiting.order_by().values("deal").distinct().count()


def _waits(deals: int) -> str:
    if not deals:
        return _("No deal waits to be sent.")
    text = ngettext("%(n)s deal waits to be sent.", "%(n)s deals wait to be sent.", deals)
    return text % {"n": formats.number(deals)}


def _concerned(rules: QuerySet[Rule]) -> QuerySet[User]:
    """The admins, and who wrote the rules."""
    authors = rules.filter(deleted_at__isnull=True).values("created_by")
    return User.objects.filter(Q(role=User.Role.ADMIN) | Q(pk__in=authors), is_active=True)


def tell_loop(*, deal: Deal, now: datetime) -> bool:
    """Tell that a deal's rules were stopped because it moved round in circles; at most once an hour for each deal.

    To be called in the transaction that holds the deal's row. Returns whether anybody was told.
    """
    url = reverse("deal", args=[deal.pk])
    people = _concerned(Rule.objects.filter(deliveries__deal=deal))
    recent = Notice.objects.filter(user__in=people, kind="loop", url=url, created_at__gt=now - AT_MOST_EVERY)
    if recent.exists():
        return False
    notify(
        users=people,
        kind="loop",
        subject=lambda: _("The rules of “%(deal)s” were stopped") % {"deal": deal.title},
        body=lambda: _(
            "Rules or other systems changed its stage more than 60 times within 10 minutes. Its rules send nothing"
            " until that ends: look for two rules, or a rule and an inbound endpoint, that answer each other."
        ),
        url=url,
    )
    return True
