"""Rules that many begin with, to be looked through, given a destination and saved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from automations.models import Event

_ORDER = """{
  order_id: data.deal.id,
  title: data.deal.title,
  total: data.deal.value,
  currency: data.deal.currency,
  customer: {name: data.deal.company.name, tax_id: data.deal.company.tax_id},
  contact: {name: data.deal.contact.name, email: data.deal.contact.emails[0]}
}"""
_LEAD = """{
  email: data.deal.contact.emails[0],
  name: data.deal.contact.name,
  phone: data.deal.contact.phones[0],
  source: data.deal.source,
  tags: data.deal.tags
}"""
_LOST = """{
  email: data.deal.contact.emails[0],
  name: data.deal.contact.name,
  reason: data.deal.lost_reason,
  list: 'nurture'
}"""
_RENEWAL = """{
  deal: data.deal.title,
  company: data.deal.company.name,
  owner: data.deal.owner.email,
  subscription: data.subscription
}"""


@dataclass(frozen=True, slots=True)
class Starter:
    """`name` is what a rule made with it is called at first; `fields` are initial values of the rule's form."""

    key: str
    icon: str
    name: Promise
    text: Promise
    event: Event
    expression: str
    fields: Mapping[str, Any] = field(default_factory=dict)


STARTERS = (
    Starter(
        "won-erp",
        "won",
        _("Won deal to the ERP"),
        _("An order with customer, tax id and total, as soon as a deal is won."),
        Event.DEAL_WON,
        _ORDER,
    ),
    Starter(
        "lead-marketing",
        "contacts",
        _("New lead to marketing"),
        _("Name, e-mail, phone and source of each new deal’s contact, for your mailing tool."),
        Event.DEAL_CREATED,
        _LEAD,
    ),
    Starter(
        "lost-nurture",
        "lost",
        _("Lost deal to nurturing"),
        _("The contact and the reason, three days after a deal was lost."),
        Event.DEAL_LOST,
        _LOST,
        {"delay": 3, "delay_unit": "d", "if_left": "keep"},
    ),
    Starter(
        "renewal-success",
        "renewals",
        _("Renewal to the success team"),
        _("The subscription and its owner, 30 days before it renews."),
        Event.SUBSCRIPTION_RENEWAL_DUE,
        _RENEWAL,
        {"days": 30},
    ),
)


def starter_of(key: str) -> Starter | None:
    return next((starter for starter in STARTERS if starter.key == key), None)
