"""The one door for changes to users: pages, API and Django's admin come through here.

Somebody has to be able to let people in, so the last administrator who can log in stays one.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext as _

from crm.models import User
from crm.refusals import InvalidFields, Refused


class LastAdministrator(InvalidFields):
    """`field` is what was about to take the role away: role or is_active."""

    code = "last_administrator"

    def __init__(self, field: str) -> None:
        super().__init__({field: [_("This is the last administrator. Make somebody else one first.")]})


class StillOwnsDeals(Refused):
    code = "still_owns_deals"

    def __init__(self) -> None:
        super().__init__(_("This person still has deals. Deactivate the account instead."))


@transaction.atomic
def update_user(*, user_id: int, fields: Mapping[str, Any]) -> User:
    """Change fields of a user and return the user; `password` is hashed. Raises LastAdministrator."""
    administrators = _lock_administrators()
    user = User.objects.get(pk=user_id)
    for name, value in fields.items():
        if name == "password":
            user.set_password(value)
        else:
            setattr(user, name, value)
    if administrators == {user.pk} and not (user.is_active and user.is_admin):
        raise LastAdministrator("role" if user.is_active else "is_active")
    user.save(update_fields=list(fields))
    return user


@transaction.atomic
def delete_user(*, user_id: int) -> None:
    """Delete a user who has no deals. Raises LastAdministrator, StillOwnsDeals."""
    if _lock_administrators() == {user_id}:
        raise LastAdministrator("is_active")
    try:
        User.objects.get(pk=user_id).delete()
    except ProtectedError as error:
        raise StillOwnsDeals from error


def _lock_administrators() -> set[int]:
    """Those who can log in. Locked, so that two who take each other's role away at once are asked in turn."""
    rows = User.objects.filter(role=User.Role.ADMIN, is_active=True).order_by("pk")
    return set(rows.select_for_update(no_key=True).values_list("pk", flat=True))
