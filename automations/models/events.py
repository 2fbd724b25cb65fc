"""What a rule can wait for."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Event(models.TextChoices):
    """What a rule can wait for."""

    DEAL_CREATED = "deal.created", _("A deal is created")
    DEAL_STAGE_CHANGED = "deal.stage_changed", _("A deal changes its stage")
    DEAL_WON = "deal.won", _("A deal is won")
    DEAL_LOST = "deal.lost", _("A deal is lost")
    DEAL_REOPENED = "deal.reopened", _("A deal is reopened")
    DEAL_UPDATED = "deal.updated", _("A deal's fields change")
    DEAL_DELETED = "deal.deleted", _("A deal is deleted")
    DEAL_STALE = "deal.stale", _("A deal stays in a stage for days")
    SUBSCRIPTION_RENEWAL_DUE = "subscription.renewal_due", _("A subscription is about to renew")
    CALL_RECORDED = "call.recorded", _("A call is recorded")
    DEAL_MANUAL = "deal.manual", _("A button on the card is pressed")
