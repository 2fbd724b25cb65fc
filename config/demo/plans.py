"""The demo's subscriptions, one for each deal that is about a renewal, and calls with customers of other deals."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from config.demo import sales
from crm.actors import Actor
from crm.calls import create_call
from crm.models import Call, Deal, Subscription, User

OUR_NUMBER = "+551130000100"
_PLANS = ["Plano Profissional", "Plano Empresa", "Suporte 24 horas", "Plano Essencial"]
# Days from today to each renewal; the list is used again from its beginning, half a year later.
_DAYS = [-8, 6, 13, 21, 34, 41, 47, 58, 66, 75, 90, 97, 110]
_STATUS = {3: Subscription.Status.PAST_DUE, 7: Subscription.Status.CANCELLED, 9: Subscription.Status.TRIAL}
_CALLED = 8  # deals whose customers were spoken to
_YEAR = timedelta(days=365)


def load_plans(*, now: datetime, zone: ZoneInfo) -> None:
    today = now.astimezone(zone).date()
    deals = Deal.objects.open().filter(pipeline__name=sales.RENEWALS.name).order_by("pk")
    for number, deal in enumerate(deals.select_related("company")):
        rounds, turn = divmod(number, len(_DAYS))
        plan = Subscription.objects.create(
            deal=deal,
            company=deal.company,
            plan=_PLANS[number % len(_PLANS)],
            status=_STATUS.get(number, Subscription.Status.ACTIVE),
            amount=deal.value,
            currency=deal.currency,
            renews_on=today + timedelta(days=_DAYS[turn] + 180 * rounds),
        )
        Subscription.objects.filter(pk=plan.pk).update(created_at=now - _YEAR)


def load_calls(*, now: datetime) -> None:
    deals = Deal.objects.open().filter(pipeline__name=sales.SALES.name).order_by("pk")
    for number, deal in enumerate(deals.select_related("contact", "owner")[:_CALLED]):
        if deal.contact and deal.owner:
            _call(deal, phone=deal.contact.phones[0], agent=deal.owner, number=number, now=now)


def _call(deal: Deal, *, phone: str, agent: User, number: int, now: datetime) -> None:
    """Every third one was not answered."""
    answered, outgoing = number % 3 != 2, number % 2 == 0
    ours, theirs = ("from_number", "to_number") if outgoing else ("to_number", "from_number")
    create_call(
        actor=Actor.user(agent),
        fields={
            "deal": deal,
            "contact": deal.contact,
            "direction": Call.Direction.OUT if outgoing else Call.Direction.IN,
            ours: OUR_NUMBER,
            theirs: phone,
            "started_at": now - timedelta(hours=3 + 7 * number),
            "duration_seconds": 95 + 61 * number if answered else 0,
            "status": "answered" if answered else "no-answer",
            "agent": agent,
        },
    )
