"""The one door for writes to deals: page, API, inbound request, Django's admin and commands all come through here.

Each verb locks the deal, checks the version the caller saw, refuses what makes no sense, writes the row and its
history, and sends our signals, all in one transaction.
"""

from crm.deals.bulk import Outcome, close_many, move_many, update_many
from crm.deals.door import lock_deals, lock_present, number_events
from crm.deals.each import Draft, change_each, create_each, delete_many
from crm.deals.errors import (
    DealError,
    EntryNotAllowed,
    InvalidFields,
    MissingFields,
    NotAChange,
    NotAMove,
    NothingToUndo,
    NoWayBack,
    StageIsFull,
    StaleVersion,
    UnknownDeals,
)
from crm.deals.undo import undo_move
from crm.deals.verbs import (
    bulk_move,
    create_deal,
    delete_deal,
    lose_deal,
    move_deal,
    reopen_deal,
    update_deal,
    win_deal,
)

__all__ = [
    "DealError",
    "Draft",
    "EntryNotAllowed",
    "InvalidFields",
    "MissingFields",
    "NoWayBack",
    "NotAChange",
    "NotAMove",
    "NothingToUndo",
    "Outcome",
    "StageIsFull",
    "StaleVersion",
    "UnknownDeals",
    "bulk_move",
    "change_each",
    "close_many",
    "create_deal",
    "create_each",
    "delete_deal",
    "delete_many",
    "lock_deals",
    "lock_present",
    "lose_deal",
    "move_deal",
    "move_many",
    "number_events",
    "reopen_deal",
    "undo_move",
    "update_deal",
    "update_many",
    "win_deal",
]
