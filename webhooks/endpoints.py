"""The one door for writes to endpoints, whether they come from a page or through the API."""

import ipaddress
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import Source, User
from crm.refusals import InvalidFields
from webhooks.dedupe import InvalidDedupe, clean_dedupe
from webhooks.handling import clean_matching, clean_writing
from webhooks.landing import InvalidLanding, clean_landing
from webhooks.mapping import check_mapping
from webhooks.models import InboundEndpoint
from webhooks.models.endpoints import new_key
from webhooks.presets import UnknownPreset, read_preset
from webhooks.recording_access import take_recording_auth
from webhooks.verification import InvalidVerification, check_secret, clean_verification, new_secret
from webhooks.verification.schemes import text_option

LONGEST_OVERLAP = timedelta(days=7)
_FIELDS = {
    "name",
    "enabled",
    "setting_up",
    "preset",
    "mapping",
    "matching",
    "writing",
    "dedupe",
    "default_pipeline",
    "default_stage",
    "default_owner",
    "default_source",
    "response_mode",
    "allowed_networks",
    "rate_limit_per_minute",
    "max_body_bytes",
    "handshakes",
    "allow_get",
    "test_mode",
    "landing",
}


@transaction.atomic
def create_endpoint(*, fields: Mapping[str, Any], created_by: User | None) -> InboundEndpoint:
    """Make an endpoint; `new_secret` of the returned one is the secret, to be shown this once.

    `fields`: those of the model, and verification with its secret ({"scheme", …, "secret"?, "verify_token"?}); where
    the secret is left out one is made. What they leave out or say to be None is taken from the preset that they name.
    Raises InvalidFields.
    """
    endpoint = InboundEndpoint(created_by=created_by)
    fields = _with_preset(fields)
    verification = fields.get("verification") or dict(endpoint.verification)
    _take_verification(endpoint, verification)
    return _save(endpoint, fields)


@transaction.atomic
def update_endpoint(*, endpoint_id: int, fields: Mapping[str, Any]) -> InboundEndpoint:
    """Change any part, with the fields of `create_endpoint`. Another scheme gets another secret, shown as there.

    Raises InboundEndpoint.DoesNotExist, InvalidFields.
    """
    endpoint = _locked(endpoint_id)
    if fields.get("preset") != endpoint.preset:
        fields = _with_preset(fields)
    if verification := fields.get("verification"):
        _take_verification(endpoint, verification)
    return _save(endpoint, fields)


@transaction.atomic
def rotate_url(*, endpoint_id: int) -> InboundEndpoint:
    """Give the endpoint another URL; the former one is unknown from now on."""
    endpoint = _locked(endpoint_id)
    endpoint.key = new_key()
    endpoint.save(update_fields=["key"])
    return endpoint


@transaction.atomic
def rotate_secret(
    *, endpoint_id: int, overlap: timedelta, now: datetime, given: str | None = None
) -> InboundEndpoint:
    """Make a new secret, shown as in `create_endpoint`, or take the one that the other system `given`; the former one
    is honoured too for `overlap`.

    Raises InvalidFields for a scheme that has no secret.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidFields({"overlap_seconds": [_("From 0 seconds to 7 days.")]})
    endpoint = _locked(endpoint_id)
    scheme = endpoint.verification["scheme"]
    secret = new_secret(scheme) if given is None else given
    if not secret:
        raise InvalidFields({"verification": [_("This scheme has no secret.")]})
    try:
        check_secret(scheme, secret)
    except InvalidVerification as error:
        raise InvalidFields({"secret": [str(error)]}) from error
    endpoint.previous_secret, endpoint.previous_secret_until = endpoint.secret, now + overlap
    endpoint.secret = endpoint.new_secret = secret
    endpoint.save(update_fields=["secret", "previous_secret", "previous_secret_until"])
    return endpoint


@transaction.atomic
def delete_endpoint(*, endpoint_id: int) -> None:
    """Take the endpoint away: its URL is unknown from now on, its secrets are gone, its requests stay."""
    endpoint = _locked(endpoint_id)
    endpoint.deleted_at, endpoint.enabled = timezone.now(), False
    endpoint.secret = endpoint.previous_secret = endpoint.recording_secret = endpoint.verify_token = None
    secrets = ["secret", "previous_secret", "recording_secret", "verify_token"]
    endpoint.save(update_fields=["deleted_at", "enabled", *secrets])


def _locked(endpoint_id: int) -> InboundEndpoint:
    return InboundEndpoint.objects.present().select_for_update(no_key=True).get(pk=endpoint_id)


def _with_preset(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields with those of their preset for what they do not give."""
    key = fields.get("preset")
    if not key:
        return fields
    try:
        preset = read_preset(key)
    except UnknownPreset as error:
        raise InvalidFields({"preset": [str(error)]}) from error
    missing = {name: value for name, value in preset.settings.items() if fields.get(name) is None}
    filled = {**fields, **missing}
    if "scheme" not in filled["verification"]:  # a secret alone
        filled["verification"] = {**preset.settings["verification"], **filled["verification"]}
    if preset.source and filled.get("default_source") is None:
        filled["default_source"] = Source.objects.get_or_create(name=preset.source)[0]
    return filled


def _take_verification(endpoint: InboundEndpoint, verification: Mapping[str, Any]) -> None:
    """Set scheme, options and secret. The same scheme without a secret keeps the one that is there."""
    former = endpoint.verification.get("scheme")
    options = {name: value for name, value in verification.items() if name != "secret"}
    given = verification.get("secret")
    verify_token = options.pop("verify_token", None) if options.get("scheme") == "meta" else None
    try:
        endpoint.verification = clean_verification(options)
        scheme = endpoint.verification["scheme"]
        if given is not None:
            check_secret(scheme, given if isinstance(given, str) else "")
        if verify_token is not None:
            endpoint.verify_token = text_option(
                {"verify_token": verify_token}, "verify_token", least=8, most=200
            )
    except InvalidVerification as error:
        raise InvalidFields({"verification": [str(error)]}) from error
    if given is None and scheme == former and endpoint.secret is not None:
        return
    endpoint.secret = endpoint.new_secret = new_secret(scheme) if given is None else given
    endpoint.previous_secret = endpoint.previous_secret_until = None


def _save(endpoint: InboundEndpoint, fields: Mapping[str, Any]) -> InboundEndpoint:
    for name in _FIELDS & fields.keys():
        setattr(endpoint, name, fields[name])
    if (access := fields.get("recording_auth")) is not None:
        take_recording_auth(endpoint, access)
    endpoint.allowed_networks = _networks(endpoint.allowed_networks)
    endpoint.matching, endpoint.writing = clean_matching(endpoint.matching), clean_writing(endpoint.writing)
    _check_mapping(endpoint.mapping)
    _clean_settings(endpoint)
    _check_defaults(endpoint)
    try:
        endpoint.full_clean()
    except ValidationError as error:
        raise InvalidFields(error.message_dict) from error
    endpoint.save()
    return endpoint


def _networks(texts: list[str]) -> list[str]:
    """Each in its usual form: "10.0.0.7/8" is 10.0.0.0/8, an address alone a network of one."""
    try:
        return [str(ipaddress.ip_network(text.strip(), strict=False)) for text in texts]
    except ValueError as error:
        raise InvalidFields({"allowed_networks": [_("“%s” is no network.") % error.args[0]]}) from error


def _check_mapping(mapping: Any) -> None:
    """Raise InvalidFields with the place in the mapping of each thing that is wrong."""
    wrong: dict[str, list[str]] = {}
    for path, message in [] if mapping is None else check_mapping(mapping):
        wrong.setdefault(".".join(filter(None, ["mapping", path])), []).append(message)
    if wrong:
        raise InvalidFields(wrong)


def _clean_settings(endpoint: InboundEndpoint) -> None:
    endpoint.handshakes = list(dict.fromkeys(endpoint.handshakes))
    try:
        endpoint.dedupe = clean_dedupe(endpoint.dedupe)
    except InvalidDedupe as error:
        raise InvalidFields({"dedupe": [str(error)]}) from error
    try:
        endpoint.landing = clean_landing(endpoint.landing)
    except InvalidLanding as error:
        raise InvalidFields({"landing": [str(error)]}) from error


def _check_defaults(endpoint: InboundEndpoint) -> None:
    stage, pipeline = endpoint.default_stage, endpoint.default_pipeline
    if stage and pipeline and stage.pipeline_id != pipeline.pk:
        raise InvalidFields({"defaults": [_("This stage belongs to another pipeline.")]})
