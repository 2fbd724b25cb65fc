"""`Authorization: Bearer sth_…`."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from crm.models import ApiToken, User
from crm.tokens import find_token, note_use


class TokenAuthentication(BaseAuthentication):
    """Lets a request act for the owner of the token it carries; `request.auth` is the token."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _space, text = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        now = timezone.now()
        token = find_token(text=text.strip(), now=now)
        if token is None:
            raise AuthenticationFailed(_("This token is unknown or has expired."))
        note_use(token=token, now=now)
        return token.owner, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its subclass hook
    """What the schema says of it; drf-spectacular finds this class by itself."""

    target_class = "crm.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API token: `sth_…`"}
