"""Every fact that the rest of Stagehook may hear from the CRM, and what the CRM asks of it.

The facts are sent by `crm.deals` inside the transaction that makes them true, with `send()`: a receiver that fails
undoes the change, and what a receiver writes is kept or lost together with it. One transaction's change to one deal
makes at most one event of each kind; a bulk change is one signal with many events.

Arguments of each fact: `sender` is the class Deal, `events` a list of DealEvent, `actor` the Actor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.dispatch import Signal

from crm.models import Deal


@dataclass(frozen=True, slots=True)
class DealEvent:
    """One thing that happened to one deal.

    `deal` is the deal as it now is (in `deal_deleted`: as it was, its row about to go). `before` holds the former
    value of each field that changed, in the form of the history: money as text, dates as ISO text, related
    objects as {"id", "name"}, tags as a list of names, custom fields and external ids one by one under
    "custom_fields.<key>" and "external_ids.<system>". `sequence` rises with every event of that deal. `about` holds
    what else the event is about, by name and as JSON values: the call, the subscription. `undoes` is, in a move that
    takes another one back, when that one was made.
    """

    deal: Deal
    before: Mapping[str, Any]
    sequence: int
    about: Mapping[str, Any] = field(default_factory=dict)
    undoes: datetime | None = None


deal_created = Signal()
deal_updated = Signal()
deal_stage_changed = Signal()
deal_won = Signal()
deal_lost = Signal()
deal_reopened = Signal()
deal_deleted = Signal()
call_recorded = Signal()

# `call`: a Call that has got the address of a recording, which now waits to be downloaded (see `crm.recordings`).
recording_offered = Signal()

# A contact is about to be erased. `contact`: the Contact as it still is, `deal_ids`: those of its deals, `at`: when.
contact_erased = Signal()

# A stage that no deal is in any more is about to go. `stage`: the Stage, `successor`: the one that what hangs on it
# goes to, or None. Returns a crm.timeline.Ending. A deletion may be tried, counted and rolled back.
stage_ending = Signal()

# A pipeline that has no stages any more is about to go. `pipeline`: the Pipeline. What hangs on it has to end.
pipeline_ending = Signal()

# Questions the CRM's pages ask. Each receiver returns its part of the answer; nobody has to answer.

# `deal`: a Deal. Returns a list of crm.timeline.TimelineEntry.
timeline_requested = Signal()

# `deal_ids`: ids of deals. Returns a list of crm.timeline.TimelineEntry: what came in and went out for them, lately.
traffic_requested = Signal()

# `contact`: a Contact, `deal_ids`: those of its deals. Returns a list of crm.timeline.Touched: what erasing the contact
# takes away.
erasure_requested = Signal()

# `deal_ids`: a list of ints. Returns {deal id: crm.timeline.CardBadge} for the cards that have something to show.
card_badges_requested = Signal()

# `deal`: a Deal. Returns a list of crm.timeline.DealAction: what a person can do to it with one press.
deal_actions_requested = Signal()

# `deal_ids` and `chain`: what was done to those deals within this transaction, by an actor of that chain. Returns a
# crm.timeline.Sending: what it is about to send. So a change can be tried, counted and rolled back.
sending_requested = Signal()

# `pipeline`: a Pipeline. Returns {stage id: crm.timeline.StageBadge}.
stage_badges_requested = Signal()
