"""People who are named in a note: an @ and the name, as the page's list writes it. Who sees the deal is told."""

import re
from collections.abc import Iterable

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from crm.actors import Actor, ActorKind
from crm.models import Activity, Deal, User
from crm.notices import notify


def people_who_see(deal: Deal) -> QuerySet[User]:
    """Who may open the deal: its owner and the owner's team, and those who see all deals (see `Deal.visible_to`)."""
    who = Q(role__in=[User.Role.ADMIN, User.Role.MANAGER])
    if deal.owner is not None:
        who |= Q(pk=deal.owner.pk)
        if deal.owner.team_id is not None:
            who |= Q(team=deal.owner.team_id)
    return User.objects.filter(who, is_active=True)


def named_in(text: str, people: Iterable[User]) -> list[User]:
    """Those of `people` whose name stands behind an @; of "Ana" and "Ana Lima" the longer one where it fits."""
    by_name: dict[str, list[User]] = {}
    for person in people:
        by_name.setdefault(str(person).casefold(), []).append(person)
    names = sorted(by_name, key=len, reverse=True)
    if not names or "@" not in text:
        return []
    pattern = rf"(?<!\w)@({'|'.join(map(re.escape, names))})(?!\w)"
    found = dict.fromkeys(re.findall(pattern, text.casefold()))
    return [person for name in found for person in by_name[name]]


def tell_mentioned(*, note: Activity, deal: Deal, actor: Actor) -> None:
    """Tell the people named in a note of the deal, save whoever wrote it."""
    if "@" not in note.body:
        return
    named = named_in(note.body, people_who_see(deal))
    writer = actor.id if actor.kind == ActorKind.USER else None
    notify(
        users=[person for person in named if person.pk != writer],
        kind="mention",
        subject=lambda: _("%(who)s mentioned you in “%(deal)s”") % {"who": actor.name, "deal": deal},
        body=note.body,
        url=deal.get_absolute_url(),
    )
