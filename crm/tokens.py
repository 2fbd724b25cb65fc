"""API tokens: making one, finding one by its text, noting its use. The text itself is never kept."""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext as _

from crm.models import ApiToken, User
from crm.refusals import InvalidFields

PREFIX = "sth_"  # so that secret scanners and people know a token when they see one
_USE_IS_NOTED_EVERY = timedelta(minutes=1)


def create_token(
    *, owner: User, name: str, scopes: Collection[str], expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Make a token and return it with its text, which nobody can read again.

    Raises InvalidFields for scopes that are unknown or more than the owner's role allows.
    """
    beyond = sorted(set(scopes) - set(allowed_scopes(owner)))
    if beyond or not scopes:
        raise InvalidFields({"scopes": [_("%(owner)s may have: %(scopes)s.") % _allowance(owner)]})
    text = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        owner=owner, name=name, digest=_digest(text), scopes=sorted(set(scopes)), expires_at=expires_at
    )
    return token, text


def allowed_scopes(owner: User) -> list[str]:
    """All that the role of `owner` allows a token."""
    scopes = [ApiToken.Scope.READ.value, ApiToken.Scope.WRITE.value]
    return [*scopes, ApiToken.Scope.ADMIN.value] if owner.is_admin else scopes


def find_token(*, text: str, now: datetime) -> ApiToken | None:
    """The token of that text with its owner, or None where there is none, it has expired or its owner is gone."""
    digest = _digest(text)
    valid = ApiToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), owner__is_active=True)
    token = valid.select_related("owner").filter(digest=digest).first()
    return token if token and hmac.compare_digest(token.digest, digest) else None


def note_use(*, token: ApiToken, now: datetime) -> None:
    """Write down when the token was last used, at most once a minute."""
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_IS_NOTED_EVERY)
    if token.last_used_at is None or token.last_used_at < now - _USE_IS_NOTED_EVERY:
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


def _allowance(owner: User) -> dict[str, str]:
    return {"owner": str(owner), "scopes": ", ".join(allowed_scopes(owner))}


def _digest(text: str) -> str:
    """Unsalted and fast will do: the text is 256 random bits, which nobody guesses."""
    return hashlib.sha256(text.encode()).hexdigest()
