"""What is worth an alert, and the sweep that opens and ends alerts.

A sweep compares what is so now with the alerts that are open. So each occurrence is told once, whatever was down
meanwhile: what began then is found at the first look, and what has passed is ended. What comes back within an hour is
taken for the same occurrence and not told again. All that one look finds of a kind is one notice.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, ngettext

from automations.models import Destination, HourTally
from config.insights.receiving import refused_shares
from config.insights.sending import backlog
from crm import formats
from crm.models import Alert, AlertRule, Subscription, User
from crm.notices import notify

HOUR = timedelta(hours=1)
FEWEST_ATTEMPTS, FEWEST_REQUESTS = 10, 5  # of fewer no share is taken
LATEST_REQUESTS = 50
LONGEST_LATE = timedelta(days=30)  # a renewal that is over for longer is no news
MOST = 500  # renewals at a time
NAMED = 20  # in one notice
PAST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is so now; `about` names it within its kind."""

    about: str
    url: str
    name: str = ""


Find = Callable[[int, datetime], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Kind:
    """`unit` is empty where there is nothing to set. `told` is what people are told, with the threshold as `n`; it is
    empty where others tell already."""

    key: str
    name: str | Promise
    meaning: str | Promise
    find: Find
    threshold: int = 1
    most: int = 100
    unit: str | Promise = ""
    told: str | Promise = ""


def _failing_often(percent: int, now: datetime) -> Iterable[Finding]:
    """By the counters of this hour and the one before."""
    since = now.replace(minute=0, second=0, microsecond=0) - HOUR
    rows = HourTally.objects.filter(hour__gte=since, destination__deleted_at=None).order_by()
    failed = Sum(F("retried") + F("failed"))
    sums = rows.values("destination", "destination__name").annotate(failed=failed, taken=Sum("delivered"))
    for row in sums:
        attempts = row["failed"] + row["taken"]
        if attempts >= FEWEST_ATTEMPTS and 100 * row["failed"] >= percent * attempts:
            yield _about_destination(row["destination"], row["destination__name"])


def _disabled(_threshold: int, _now: datetime) -> Iterable[Finding]:
    rows = Destination.objects.present().filter(status=Destination.Status.DISABLED)
    return [_about_destination(*row) for row in rows.values_list("pk", "name")]


def _about_destination(pk: int, name: str) -> Finding:
    return Finding(str(pk), reverse("destination", args=[pk]), name)


def _backed_up(minutes: int, now: datetime) -> Iterable[Finding]:
    oldest = backlog(now=now).oldest_due_at
    if oldest and oldest <= now - timedelta(minutes=minutes):
        yield Finding("deliveries", f"{reverse('deliveries')}?state=pending")


def _rejecting(percent: int, now: datetime) -> Iterable[Finding]:
    for share in refused_shares(since=now - HOUR, latest=LATEST_REQUESTS):
        if share.taken >= FEWEST_REQUESTS and 100 * share.refused >= percent * share.taken:
            yield Finding(str(share.endpoint_id), share.url, share.name)


def _renewing(days: int, now: datetime) -> Iterable[Finding]:
    today = timezone.localdate(now, timezone.get_default_timezone())
    near = (today - LONGEST_LATE, today + timedelta(days=days))
    plans = Subscription.objects.running().filter(renews_on__range=near).order_by("renews_on", "pk")
    rows = plans.values_list("pk", "renews_on", "plan", "company__name")[:MOST]
    return [
        Finding(
            f"{pk}:{renews_on}", reverse("subscriptions"), " · ".join(filter(None, [plan, company]))[:200]
        )
        for pk, renews_on, plan, company in rows
    ]


KINDS = (
    Kind(
        "error_rate",
        gettext_lazy("Error rate"),
        gettext_lazy("Of a destination's attempts in this hour and the last, so many failed."),
        _failing_often,
        threshold=20,
        unit=gettext_lazy("%"),
        told=gettext_lazy("At least %(n)s %% of the attempts in this hour and the last failed."),
    ),
    Kind(
        "backlog_age",
        gettext_lazy("Backlog"),
        gettext_lazy("The oldest delivery that could be sent has waited for so long."),
        _backed_up,
        threshold=15,
        most=10_080,
        unit=gettext_lazy("minutes"),
        told=gettext_lazy("A delivery that could be sent has waited for %(n)s min or longer."),
    ),
    Kind(
        "disabled",
        gettext_lazy("Destination disabled"),
        gettext_lazy("Nothing is sent to it until it is switched on again."),
        _disabled,
    ),
    Kind(
        "rejecting",
        gettext_lazy("Endpoint rejecting"),
        gettext_lazy("Of an endpoint's newest requests within an hour, so many were not applied."),
        _rejecting,
        threshold=50,
        unit=gettext_lazy("%"),
        told=gettext_lazy("At least %(n)s %% of the newest requests were not applied."),
    ),
    Kind(
        "renewals_due",
        gettext_lazy("Renewals due"),
        gettext_lazy("A subscription renews within so many days, or is late."),
        _renewing,
        threshold=7,
        most=365,
        unit=gettext_lazy("days"),
        told=gettext_lazy("The renewal is at most %(n)s d away, or late."),
    ),
)


def watch(*, now: datetime) -> int:
    """Open alerts for what is found and end those whose cause has passed; returns how many are new."""
    kept_since = now - timedelta(days=settings.KEEP_DELIVERIES_DAYS)
    Alert.objects.filter(ended_at__lt=kept_since).delete()
    return sum(_watch(kind, now=now) for kind in KINDS)


@transaction.atomic
def _watch(kind: Kind, *, now: datetime) -> int:
    """The rule is locked, so that two sweeps do not tell the same."""
    rule = _locked_rule(kind)
    found = {each.about: each for each in kind.find(rule.threshold, now)} if rule.enabled else {}
    alerts = Alert.objects.filter(kind=kind.key).order_by()
    is_open = set(alerts.filter(ended_at=None).values_list("about", flat=True))
    alerts.filter(ended_at=None, about__in=is_open - found.keys()).update(ended_at=now)
    new = [found[about] for about in found.keys() - is_open - _reopen(kind, found.keys() - is_open, now=now)]
    Alert.objects.bulk_create(
        Alert(kind=kind.key, about=each.about, name=each.name, url=each.url, since=now) for each in new
    )
    if new and kind.told:
        _tell(kind, new, threshold=rule.threshold)
    return len(new)


def _locked_rule(kind: Kind) -> AlertRule:
    AlertRule.objects.get_or_create(kind=kind.key, defaults={"threshold": kind.threshold})
    return AlertRule.objects.select_for_update(no_key=True).get(kind=kind.key)


def _reopen(kind: Kind, abouts: Iterable[str], *, now: datetime) -> set[str]:
    """Take what ended within the last hour for not ended; returns what that was about."""
    ended = Alert.objects.filter(kind=kind.key, about__in=abouts, ended_at__gt=now - HOUR)
    newest = dict(ended.order_by("since", "pk").values_list("about", "pk"))
    Alert.objects.filter(pk__in=newest.values()).update(ended_at=None)
    return set(newest)


def _tell(kind: Kind, new: Sequence[Finding], *, threshold: int) -> None:
    names = sorted(each.name for each in new if each.name)
    notify(
        users=User.objects.filter(role=User.Role.ADMIN, is_active=True),
        kind=f"alert_{kind.key}",
        subject=lambda: f"{kind.name}: {_named(names)}" if names else str(kind.name),
        body=lambda: "\n".join([str(kind.told) % {"n": formats.number(threshold)}, *names[:NAMED]]),
        url=new[0].url if len(new) == 1 else f"{reverse('insights')}#alerts",
    )


def _named(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    more = len(names) - 1
    also = ngettext("%(name)s and %(n)s more", "%(name)s and %(n)s more", more)
    return also % {"name": names[0], "n": formats.number(more)}


@dataclass(frozen=True, slots=True)
class ToldAlerts:
    """Pairs of a kind's name and an alert, newest first."""

    open: Sequence[tuple[str, Alert]]
    past: Sequence[tuple[str, Alert]]


def told_alerts() -> ToldAlerts:
    """Those that are open, and the last ones that have passed."""
    names = {kind.key: str(kind.name) for kind in KINDS}
    is_open = Alert.objects.filter(ended_at=None)[:100]
    past = Alert.objects.filter(ended_at__isnull=False).order_by("-ended_at", "-pk")[:PAST_SHOWN]
    return ToldAlerts(
        [(names.get(alert.kind, alert.kind), alert) for alert in is_open],
        [(names.get(alert.kind, alert.kind), alert) for alert in past],
    )
