"""The door for destinations: what may be called is judged here, and secrets are made, changed and put out of use."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from automations.certificates import check_bundle, check_identity
from automations.deliveries import cancel_waiting
from automations.health import reset_health
from automations.http.exchanges import HEADER_NAME, HEADER_VALUE, REFUSED_HEADERS
from automations.models import Delivery, Destination, Rule
from automations.requests import VARIABLE, fill_url, variables_in
from automations.signing import generate_secret
from crm.refusals import InvalidFields
from webhooks.addresses import AddressRefused, check_destination

HEADER_BYTES = 4096
OWN_PREFIXES = ("webhook-", "stagehook-")
VARIABLE_LENGTH = 1000
OVERLAP_AT_MOST = timedelta(days=7)
EDITABLE = frozenset(
    {
        "name",
        "url",
        "variables",
        "method",
        "headers",
        "auth",
        "credentials",
        "body_format",
        "ca_bundle",
        "client_certificate",
        "timeout_seconds",
        "max_in_flight",
        "rate_limit_per_second",
        "ordered",
        "retry_schedule",
        "stop_on_4xx",
        "paired_endpoint",
    }
)
CREDENTIALS = {
    Destination.Auth.NONE: (),
    Destination.Auth.BASIC: ("username", "password"),
    Destination.Auth.BEARER: ("token",),
    Destination.Auth.HEADER: ("name", "value"),
    Destination.Auth.OAUTH2: ("token_url", "client_id", "client_secret"),
}
OPTIONAL_CREDENTIALS = {Destination.Auth.OAUTH2: ("scope",)}


class DestinationError(InvalidFields):
    """What the destination would be makes no sense, or may not be called."""


@transaction.atomic
def create_destination(*, fields: Mapping[str, Any]) -> Destination:
    """Make a destination with a signing secret of its own. Raises DestinationError."""
    destination = Destination()
    _take(destination, fields)
    destination.save()
    return destination


@transaction.atomic
def update_destination(*, destination_id: int, fields: Mapping[str, Any]) -> Destination:
    """Change a destination; what waits goes out as it now is. Raises Destination.DoesNotExist, DestinationError."""
    destination = _locked(destination_id)
    _take(destination, fields)
    destination.save()
    return destination


@transaction.atomic
def pause_destination(*, destination_id: int) -> Destination:
    """Hold everything for this destination until it is resumed."""
    destination = _locked(destination_id)
    destination.status, destination.status_reason = Destination.Status.PAUSED, "by_hand"
    destination.save(update_fields=["status", "status_reason", "updated_at"])
    return destination


@transaction.atomic
def resume_destination(*, destination_id: int) -> Destination:
    """Send again, first what has been held, and forget its failures."""
    destination = _locked(destination_id)
    reset_health(destination_id=destination_id)
    destination.refresh_from_db()
    return destination


@transaction.atomic
def rotate_secret(*, destination_id: int, overlap_seconds: int = 86_400) -> Destination:
    """Give a destination a new secret; for the overlap requests carry both signatures, the newest first.

    Raises DestinationError for an overlap below 0 or above 7 days.
    """
    overlap = timedelta(seconds=overlap_seconds)
    if not timedelta(0) <= overlap <= OVERLAP_AT_MOST:
        raise DestinationError({"overlap_seconds": [_("The overlap is between 0 seconds and 7 days.")]})
    destination = _locked(destination_id)
    destination.previous_secret = destination.secret
    destination.previous_secret_until = timezone.now() + overlap
    destination.secret = generate_secret()
    destination.save(update_fields=["secret", "previous_secret", "previous_secret_until", "updated_at"])
    return destination


@transaction.atomic
def delete_destination(*, destination_id: int) -> int:
    """Delete a destination and its rules, call off what waits, keep the log. Returns how many were called off."""
    destination = _locked(destination_id)
    now = timezone.now()
    Rule.objects.present().filter(destination=destination).update(deleted_at=now, enabled=False)
    Destination.objects.filter(pk=destination.pk).update(deleted_at=now)
    return cancel_waiting(Delivery.objects.filter(destination=destination), reason="destination_deleted")


def cancel_left_over() -> int:
    """Call off what was in flight when its destination was deleted, and failed: nobody would ever claim it."""
    # By their numbers, and none that is delayed: so the index of claims is used, and no backlog of others is read.
    deleted = Destination.objects.filter(deleted_at__isnull=False).values_list("pk", flat=True)
    left_over = Delivery.objects.filter(destination__in=list(deleted), awaits_check=False)
    return cancel_waiting(left_over, reason="destination_deleted")


def _locked(destination_id: int) -> Destination:
    return Destination.objects.present().select_for_update(no_key=True, of=("self",)).get(pk=destination_id)


def _take(destination: Destination, fields: Mapping[str, Any]) -> None:
    unknown = fields.keys() - EDITABLE
    if unknown:
        raise DestinationError({name: [_("A destination has no such field.")] for name in sorted(unknown)})
    for name, value in fields.items():
        setattr(destination, name, value)
    errors: dict[str, list[str]] = {}
    try:
        destination.full_clean()
    except ValidationError as error:
        errors.update(error.message_dict)
    errors.update(_problems("variables", _check_variables, destination))
    if fields.keys() & {"url", "variables"} and not errors.keys() & {"url", "variables"}:
        errors.update(_problems("url", _check_url, destination))
    errors.update(_problems("headers", _check_headers, destination))
    errors.update(_problems("credentials", _check_credentials, destination))
    errors.update(_problems("retry_schedule", _check_schedule, destination))
    if destination.ca_bundle:
        errors.update(_problems("ca_bundle", lambda it: check_bundle(it.ca_bundle), destination))
    if destination.client_certificate:
        errors.update(
            _problems("client_certificate", lambda it: check_identity(it.client_certificate), destination)
        )
    if errors:
        raise DestinationError(errors)


def _problems(name: str, check: Any, destination: Destination) -> dict[str, list[str]]:
    try:
        check(destination)
    except ValueError as problem:
        return {name: [str(problem)]}
    return {}


def _check_variables(destination: Destination) -> None:
    given = destination.variables
    if not isinstance(given, dict):
        raise ValueError(_("Variables are pairs of a name and a value."))  # noqa: TRY004  # told to the person
    for name, value in given.items():
        if not isinstance(name, str) or not VARIABLE.fullmatch(f"{{{name}}}"):
            raise ValueError(_("“%(name)s” is no name for a variable.") % {"name": name})
        if not isinstance(value, str) or not value or len(value) > VARIABLE_LENGTH:
            raise ValueError(_("The value of “%(name)s” has 1 to 1,000 characters.") % {"name": name})


def _check_url(destination: Destination) -> None:
    for name in variables_in(destination.url):
        if name not in destination.variables:
            raise ValueError(_("There is no variable “%(name)s”.") % {"name": name})
    authority = re.split(r"[/?#]", destination.url.partition("://")[2])[0]
    if variables_in(authority):
        raise ValueError(_("Variables stand behind the host, in the path or the query."))
    _check_callable(fill_url(destination.url, destination.variables))


def _check_callable(url: str) -> None:
    try:
        check_destination(url, allowed=settings.ALLOWED_PRIVATE_NETWORKS, allow_http=settings.ALLOW_HTTP)
    except AddressRefused as refusal:
        raise ValueError(str(refusal)) from refusal


def _check_headers(destination: Destination) -> None:
    given = destination.headers
    if not isinstance(given, dict):
        raise ValueError(_("Headers are pairs of a name and a value."))  # noqa: TRY004  # told to the person
    for name, value in given.items():
        _check_header(name, value)


def _check_header(name: Any, value: Any) -> None:
    if not isinstance(name, str) or not HEADER_NAME.fullmatch(name):
        raise ValueError(_("“%(name)s” is no name for a header.") % {"name": name})
    if name.lower() in REFUSED_HEADERS or name.lower().startswith(OWN_PREFIXES):
        raise ValueError(_("The header “%(name)s” is set by Stagehook itself.") % {"name": name})
    if not isinstance(value, str) or not HEADER_VALUE.fullmatch(value):
        raise ValueError(_("The value of “%(name)s” must be text on one line.") % {"name": name})
    if len(value.encode()) > HEADER_BYTES:
        raise ValueError(_("The value of “%(name)s” is longer than 4,096 bytes.") % {"name": name})


def _check_credentials(destination: Destination) -> None:
    needed = CREDENTIALS.get(Destination.Auth(destination.auth), ())
    given = destination.credentials
    if not isinstance(given, dict) or any(not isinstance(given.get(key), str) for key in needed):
        raise ValueError(_("This way of authenticating needs: %(fields)s.") % {"fields": ", ".join(needed)})
    known = {*needed, *OPTIONAL_CREDENTIALS.get(Destination.Auth(destination.auth), ())}
    if any(name not in known or not isinstance(value, str) for name, value in given.items()):
        raise ValueError(_("This way of authenticating takes: %(fields)s.") % {"fields": ", ".join(known)})
    if destination.auth == Destination.Auth.OAUTH2:
        _check_callable(given["token_url"])
    if destination.auth == Destination.Auth.HEADER:
        _check_header(given["name"], given["value"])
    if destination.auth == Destination.Auth.BEARER:
        _check_header("Authorization", given["token"])


def _check_schedule(destination: Destination) -> None:
    schedule = destination.retry_schedule
    if not 1 <= len(schedule) <= 20 or any(not 0 <= step <= 7 * 86_400 for step in schedule):
        raise ValueError(_("A retry schedule has 1 to 20 steps of 0 seconds to 7 days."))
