"""Rules that a person runs by a button on the deal's page, or a program through the API."""

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from automations.matching import deliver_events
from automations.models import Delivery, Event, Rule
from crm.actors import Actor
from crm.announcements import announce_bolts
from crm.deals import lock_deals, number_events
from crm.models import Deal
from crm.refusals import Refused


class NotForThisDeal(Refused):
    """The rule does not concern the deal: another place, or its conditions are not met."""

    code = "not_for_this_deal"


def rules_for(deal: Deal) -> QuerySet[Rule]:
    """The rules that can be run for a deal where it is, in their order."""
    return runnable_rules().filter(
        Q(pipeline=None) | Q(pipeline=deal.pipeline_id), Q(stage=None) | Q(stage=deal.stage_id)
    )


def runnable_rules() -> QuerySet[Rule]:
    return Rule.objects.present().filter(enabled=True, event=Event.DEAL_MANUAL)


@transaction.atomic
def run_rule(*, rule_id: int, deal_id: int, actor: Actor) -> Delivery:
    """Run a rule for a deal as if what it waits for had happened, and return its delivery.

    Raises Rule.DoesNotExist where it cannot be run by hand, UnknownDeals, and NotForThisDeal.
    """
    rule = runnable_rules().select_related("destination").get(pk=rule_id)
    events = number_events([(deal, {}) for deal in lock_deals([deal_id])])
    deliveries = deliver_events(Event.DEAL_MANUAL, events=events, actor=actor, rules=[rule])
    if not deliveries:
        raise NotForThisDeal(_("“%(rule)s” does not apply to this deal.") % {"rule": rule})
    announce_bolts([deal_id])
    return deliveries[0]
