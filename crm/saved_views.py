"""Writes of saved views. They hold no deals, so they leave no history."""

from collections.abc import Sequence

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from crm.models import Pipeline, SavedView, User


def may_change(view: SavedView, user: User) -> bool:
    """One's own; and administrators may tidy up what others share."""
    return view.owner_id == user.pk or (user.is_admin and view.shared)


@transaction.atomic
def create_view(
    *,
    owner: User,
    name: str,
    shared: bool,
    layout: SavedView.Layout,
    query: str,
    pipeline: Pipeline | None = None,
    columns: Sequence[str] = (),
    sort: str = "",
) -> SavedView:
    """Keep a view. Raises ValidationError where the owner has one of that name in this layout."""
    view = SavedView(
        owner=owner,
        name=name,
        shared=shared,
        layout=layout,
        pipeline=pipeline,
        query=query,
        columns=list(columns),
        sort=sort,
    )
    return _save(view)


@transaction.atomic
def change_view(
    *, view: SavedView, user: User, name: str, shared: bool, shows: SavedView | None = None
) -> SavedView:
    """Rename or share a view, and have it show what `shows` does. Raises PermissionDenied and ValidationError."""
    if not may_change(view, user):
        raise PermissionDenied
    view.name, view.shared = name, shared
    if shows is not None:
        view.query, view.columns, view.sort = shows.query, shows.columns, shows.sort
    return _save(view)


def _save(view: SavedView) -> SavedView:
    taken = SavedView.objects.filter(owner=view.owner_id, layout=view.layout, name__iexact=view.name)
    if taken.exclude(pk=view.pk).exists():
        raise ValidationError({"name": _("You have a view of this name.")})
    view.full_clean(exclude=["opens_for"], validate_constraints=False)
    view.save()
    return view


@transaction.atomic
def open_first(*, view: SavedView, user: User, wanted: bool) -> None:
    """Open this view where the person comes to the board or the list without asking for another; one per layout."""
    through = SavedView.opens_for.through.objects.filter(user=user, savedview__layout=view.layout)
    if wanted:
        through.exclude(savedview=view).delete()
        view.opens_for.add(user)
    else:
        through.filter(savedview=view).delete()


def delete_view(*, view: SavedView, user: User) -> None:
    """Raises PermissionDenied."""
    if not may_change(view, user):
        raise PermissionDenied
    view.delete()


def first_view(*, user: User, layout: SavedView.Layout) -> SavedView | None:
    """The view that opens first for this person, as long as it is offered to them."""
    return SavedView.objects.offered_to(user).filter(layout=layout, opens_for=user).first()
