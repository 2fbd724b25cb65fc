"""A secret that was just made waits for the one page that shows it, encrypted as everywhere it is kept."""

from django.http import HttpRequest

from crm.encryption import decrypt, encrypt
from webhooks.models import InboundEndpoint

_KEY = "new_endpoint_secret"  # the session's key for [endpoint id, secret, encrypted]


def keep_secret(request: HttpRequest, endpoint: InboundEndpoint) -> None:
    """Keep the endpoint's new secret, where it has one, for the next page."""
    if endpoint.new_secret:
        request.session[_KEY] = [endpoint.pk, encrypt(endpoint.new_secret)]


def take_secret(request: HttpRequest, endpoint: InboundEndpoint) -> str | None:
    """The secret kept for this endpoint, this once."""
    owner, secret = request.session.pop(_KEY, (None, ""))
    return str(decrypt(secret)) if owner == endpoint.pk else None
