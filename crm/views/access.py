"""Who may open a page: everybody behind the login, those who see all deals, or administrators alone."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_htmx.middleware import HtmxDetails

from crm.models import User


class PageRequest(HttpRequest):
    """A request behind the login, as the middleware leaves it."""

    user: User
    htmx: HtmxDetails


_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])


def admin_required(view: _View) -> _View:
    """Send strangers to the login, and answer 403 to whoever is not an administrator."""
    return _required(view, lambda user: user.is_admin)


def manager_required(view: _View) -> _View:
    """Send strangers to the login, and answer 403 to whoever does not see all deals."""
    return _required(view, lambda user: user.sees_all_deals)


def _required(view: _View, may: Callable[[User], bool]) -> _View:
    @wraps(view)
    def checked(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not may(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return cast("_View", login_required(checked))
