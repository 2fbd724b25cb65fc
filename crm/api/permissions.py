"""Who may do what: the role of a person, and the scopes of a token, which never has more than its owner.

A token needs `read` for safe methods and `write` for all others; where only administrators write, it needs `admin`
in place of `write`.
"""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from crm.models import ApiToken, User

if TYPE_CHECKING:
    # The framework's views import this module themselves: the settings name a class of it as the default.
    from rest_framework.views import APIView

Scope = ApiToken.Scope


class Everybody(BasePermission):
    """Everybody who is logged in, as far as they see the objects."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        user = request.user
        if not isinstance(user, User) or not self.role_may(user, safe=request.method in SAFE_METHODS):
            return False
        token = request.auth
        if not isinstance(token, ApiToken):
            return True
        return self.scope(safe=request.method in SAFE_METHODS) in token.scopes

    def role_may(self, user: User, *, safe: bool) -> bool:
        return True

    def scope(self, *, safe: bool) -> Scope:
        return Scope.READ if safe else Scope.WRITE


class AdminsWrite(Everybody):
    """Everybody reads, administrators write: the configuration that all work with."""

    def role_may(self, user: User, *, safe: bool) -> bool:
        return safe or user.is_admin

    def scope(self, *, safe: bool) -> Scope:
        return Scope.READ if safe else Scope.ADMIN


class ManagersWrite(Everybody):
    """Administrators and managers write: what touches deals of people whom a rep does not see."""

    def role_may(self, user: User, *, safe: bool) -> bool:
        return safe or user.sees_all_deals


class AdminOnly(AdminsWrite):
    """Administrators alone, for reading too."""

    def role_may(self, user: User, *, safe: bool) -> bool:
        return user.is_admin


class AdminSecret(AdminOnly):
    """Administrators alone, and with a token only by its `admin` scope, even for reading."""

    def scope(self, *, safe: bool) -> Scope:
        return Scope.ADMIN
