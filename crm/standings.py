"""How subscriptions stand, as cards, pages and the list of renewals say it: in words, with a tone beside them."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import formats
from crm.models import Subscription
from crm.timeline import Tone

_Status = Subscription.Status
_WORST_FIRST = (Tone.BAD, Tone.WARN, Tone.OK, Tone.NEUTRAL)


@dataclass(frozen=True, slots=True)
class Standing:
    """`text` beside a subscription; on a card, where none is named, `on_card` stands by itself."""

    text: str
    tone: Tone

    @property
    def on_card(self) -> str:
        is_status = self.text in map(str, _Status.labels)
        return _("Subscription: %(status)s") % {"status": self.text} if is_status else self.text


def standing_of(plan: Subscription, *, today: date) -> Standing:
    """Not paid, overdue, near its renewal, else simply its status."""
    if plan.status == _Status.PAST_DUE:
        return Standing(str(_Status.PAST_DUE.label), Tone.BAD)
    if plan.is_overdue(today=today):
        return Standing(_("Renewal overdue"), Tone.BAD)
    if plan.status not in Subscription.RUNNING:
        return Standing(str(_Status(plan.status).label), Tone.NEUTRAL)
    days = (plan.renews_on - today).days if plan.renews_on else None
    if days is not None and days <= settings.RENEWAL_NOTICE_DAYS:
        return Standing(_("Renews %(when)s") % {"when": formats.days_label(days)}, Tone.WARN)
    return Standing(str(_Status(plan.status).label), Tone.OK)


def worst(standings: Iterable[Standing]) -> Standing | None:
    """The one to be shown where there is room for one; None where all is well."""
    found = min(standings, key=lambda standing: _WORST_FIRST.index(standing.tone), default=None)
    return None if found is None or found.tone == Tone.OK else found


def standings_of_deals(deal_ids: Collection[int]) -> dict[int, Standing]:
    """The standing that a deal's card shows, for the deals whose subscriptions have one to show."""
    today, plans = timezone.localdate(), defaultdict(list)
    rows = Subscription.objects.filter(deal__in=deal_ids).only("deal", "status", "renews_on")
    for plan in rows:
        plans[plan.deal_id].append(standing_of(plan, today=today))
    worsts = ((deal_id, worst(standings)) for deal_id, standings in plans.items())
    return {deal_id: shown for deal_id, shown in worsts if deal_id and shown}
