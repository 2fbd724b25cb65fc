"""Which kinds of notices people may have by e-mail at once, once a day or never, in groups that they can tell apart.

Kinds that belong to no group (the safety of one's account) come at once always.
"""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.models import Notice, User


@dataclass(frozen=True, slots=True)
class Group:
    key: str
    name: str | Promise
    holds: str | Promise
    kinds: frozenset[str]
    for_admins: bool = False


GROUPS = (
    Group(
        "activities",
        _("Activities"),
        _("What you planned has come due, somebody mentioned you, or your import has ended."),
        frozenset({"activity", "mention", "import"}),
    ),
    Group(
        "renewals",
        _("Renewals"),
        _("A subscription is about to renew, or is late."),
        frozenset({"renewal", "alert_renewals_due"}),
    ),
    Group(
        "destinations",
        _("Destinations"),
        _(
            "A destination is failing, disabled or well again, deliveries were given up, or rules were stopped."
        ),
        frozenset({"failing", "disabled", "given_up", "recovered", "loop"}),
    ),
    Group(
        "inbound",
        _("Inbound"),
        _("A request could not be applied, or somebody has to choose its deal."),
        frozenset({"inbound_failed", "inbound_review"}),
        for_admins=True,
    ),
    Group(
        "alerts",
        _("Alerts"),
        _("Errors, a backlog or refused requests beyond the thresholds of the alert rules."),
        frozenset({"alert_error_rate", "alert_backlog_age", "alert_rejecting"}),
        for_admins=True,
    ),
)
_GROUP_OF = {kind: group.key for group in GROUPS for kind in group.kinds}


def groups_of(user: User) -> list[Group]:
    """The groups of what a person may be told."""
    return [group for group in GROUPS if user.is_admin or not group.for_admins]


def mail_of(user: User, *, kind: str) -> Notice.Mail:
    """When a notice of a kind comes to a person by e-mail."""
    return Notice.Mail(user.notice_mails.get(_GROUP_OF.get(kind, ""), Notice.Mail.NOW))
