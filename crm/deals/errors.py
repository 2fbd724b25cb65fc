"""Why a write to a deal was refused. The message is fit for the person who asked for it."""

from collections.abc import Sequence

from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.models import Deal, Stage
from crm.refusals import InvalidFields, Refused, Stale

# Contacts refuse in the same way, so deals have no root of their own.
DealError = Refused

__all__ = [
    "DealError",
    "EntryNotAllowed",
    "InvalidFields",
    "MissingFields",
    "NoWayBack",
    "NotAChange",
    "NotAMove",
    "NothingToUndo",
    "StageIsFull",
    "StaleVersion",
    "UnknownDeals",
]


class StaleVersion(Stale):
    """Somebody changed the deal since the caller saw it. `deal` is the deal as it is now."""

    def __init__(self, deal: Deal) -> None:
        self.deal = deal
        super().__init__(_("This deal was changed in the meantime."))


class NotAMove(DealError):
    """The deal is where it should go already."""

    code = "not_a_move"

    def __init__(self, deal: Deal) -> None:
        super().__init__(
            _("“%(deal)s” is already in the stage “%(stage)s”.") % {"deal": deal, "stage": deal.stage}
        )


class NotAChange(DealError):
    """The deal is already won, lost or open, as it was asked to become."""

    code = "not_a_change"

    def __init__(self, deal: Deal) -> None:
        status = deal.get_status_display()
        super().__init__(_("“%(deal)s” already is: %(status)s.") % {"deal": deal, "status": status})


class MissingFields(DealError):
    """The stage asks for fields that the deal does not have. `fields` are their names in the API."""

    code = "required"

    def __init__(self, fields: Sequence[str], *, stage_name: str) -> None:
        self.fields = list(fields)
        names = get_text_list(self.fields, _("and"))
        super().__init__(
            ngettext(
                "The stage “%(stage)s” needs a value in %(fields)s.",
                "The stage “%(stage)s” needs values in %(fields)s.",
                len(self.fields),
            )
            % {"stage": stage_name, "fields": names}
        )


class StageIsFull(DealError):
    """The stage holds as many open deals as its hard limit lets it."""

    code = "stage_full"

    def __init__(self, stage: Stage) -> None:
        super().__init__(
            _("The stage “%(stage)s” is full: it takes %(limit)s deals.")
            % {"stage": stage, "limit": stage.card_limit}
        )


class NoWayBack(DealError):
    """Deals of this stage may not go back to an earlier one."""

    code = "no_way_back"

    def __init__(self, stage: Stage) -> None:
        super().__init__(_("Deals do not go back from the stage “%(stage)s”.") % {"stage": stage})


class EntryNotAllowed(DealError):
    """Whoever moves the deal has neither a role nor a team that the stage lets in."""

    code = "may_not_enter"

    def __init__(self, stage: Stage) -> None:
        super().__init__(_("You may not move deals into the stage “%(stage)s”.") % {"stage": stage})


class NothingToUndo(DealError):
    """The last move of the deal was somebody else's, is too old, or there was none. `deal` is as it is now."""

    code = "nothing_to_undo"

    def __init__(self, deal: Deal) -> None:
        self.deal = deal
        super().__init__(_("This move of “%(deal)s” can no longer be undone.") % {"deal": deal})


class UnknownDeals(DealError):
    """Deals that do not exist (any more)."""

    code = "does_not_exist"

    def __init__(self, deal_ids: Sequence[int]) -> None:
        self.deal_ids = list(deal_ids)
        numbers = ", ".join(str(deal_id) for deal_id in self.deal_ids)
        super().__init__(_("There is no deal %(numbers)s.") % {"numbers": numbers})
