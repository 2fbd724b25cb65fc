"""Endpoints as this process last read them, so that a request need not ask for its own before it is stored.

Memory may be behind what an administrator has just set. So whatever comes of it repeats the version of the row that it
was read from: the statement that stores a request does, and `confirm` does for what is refused.
"""

from copy import copy

from django.db.models.expressions import RawSQL

from webhooks.models import InboundEndpoint

# Where a version of a row lies, and who wrote it: no two versions ever share both.
VERSION = "webhooks_inboundendpoint.ctid::text || webhooks_inboundendpoint.xmin::text"

_remembered: dict[str, InboundEndpoint] = {}


class EndpointChanged(Exception):
    """The endpoint is no longer as it was read."""


def remember(key: str) -> InboundEndpoint | None:
    """The endpoint as it was read before, a copy of its own for each caller."""
    known = _remembered.get(key)
    return copy(known) if known else None


def read(key: str) -> InboundEndpoint | None:
    """The endpoint as it is now; it is remembered."""
    version = RawSQL(VERSION, ())  # noqa: S611  # a constant of this module
    endpoint = InboundEndpoint.objects.present().annotate(as_read=version).filter(key=key).first()
    if endpoint is None:
        _remembered.pop(key, None)
        return None
    endpoint.row_version = vars(endpoint)["as_read"]
    if endpoint.writing.get("owner", "fixed") == "fixed":  # else each new deal writes down whose turn it is
        _remembered[key] = copy(endpoint)
    return endpoint


def confirm(endpoint: InboundEndpoint) -> None:
    """Raises EndpointChanged."""
    version = RawSQL(VERSION, ())  # noqa: S611  # a constant of this module
    rows = InboundEndpoint.objects.annotate(now=version)
    if not rows.filter(pk=endpoint.pk, now=endpoint.row_version).exists():
        raise EndpointChanged
