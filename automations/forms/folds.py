"""The parts of a destination's form that most people leave as they are: folded, with a word on what is set in them."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automations.forms.fields import wait_text
from automations.models import Destination

FIELDS = {
    "content": ("headers", "body_format"),
    "tls": ("variables", "ca_bundle", "client_certificate"),
    "pace": (
        *("timeout_seconds", "max_in_flight", "rate_limit_per_second", "retry_schedule"),
        *("ordered", "stop_on_4xx"),
    ),
    "echo": ("paired_endpoint",),
}


@dataclass(frozen=True, slots=True)
class Fold:
    """`said` is what is saved, in a few words."""

    said: str
    is_open: bool


def said_of(destination: Destination) -> dict[str, str]:
    """What is set in each part: "10 s · 4 at a time · 10 attempts"."""
    parts = {"content": _content(destination), "tls": _tls(destination), "pace": _pace(destination)}
    said = {name: " · ".join(words) for name, words in parts.items()}
    return said | {"echo": str(destination.paired_endpoint or _("none"))}


def _content(destination: Destination) -> Iterator[str]:
    yield str(destination.get_body_format_display())
    if count := len(destination.headers):
        yield ngettext("%(n)d header", "%(n)d headers", count) % {"n": count}


def _tls(destination: Destination) -> Iterator[str]:
    if count := len(destination.variables):
        yield ngettext("%(n)d hidden part", "%(n)d hidden parts", count) % {"n": count}
    if destination.ca_bundle:
        yield _("own certificate authorities")
    if destination.client_certificate:
        yield _("client certificate")
    if not (destination.variables or destination.ca_bundle or destination.client_certificate):
        yield _("none")


def _pace(destination: Destination) -> Iterator[str]:
    yield wait_text(destination.timeout_seconds)
    yield _("%(n)d at a time") % {"n": destination.max_in_flight}
    if destination.rate_limit_per_second:
        yield _("%(n)d a second") % {"n": destination.rate_limit_per_second}
    attempts = len(destination.retry_schedule)
    yield ngettext("%(n)d attempt", "%(n)d attempts", attempts) % {"n": attempts}
    yield _("in order") if destination.ordered else _("in any order")
