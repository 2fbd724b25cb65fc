"""The scheme `hmac`, for every sender whose way of signing can be described by a recipe."""

import secrets
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from django.utils.translation import gettext as _

from webhooks.paths import read_path
from webhooks.verification.recipes import ALGORITHMS, ENCODINGS, PLACEHOLDER, Recipe, follows
from webhooks.verification.schemes import (
    TOLERANCE_SECONDS,
    InvalidVerification,
    Scheme,
    Signed,
    choice_option,
    header_name,
    refuse_unknown,
    text_option,
    their_secret,
)

_OPTIONS = {field.name for field in fields(Recipe)}


def _verify(signed: Signed, options: Mapping[str, Any], secret: str) -> bool:
    known = {name: value for name, value in options.items() if name in _OPTIONS}
    return follows(signed, Recipe(**known), secret)


def _clean(options: Mapping[str, Any]) -> dict[str, Any]:
    """What is left out keeps its default; what is the default is not kept."""
    refuse_unknown(options, _OPTIONS)
    cleaned = Recipe(
        **_place(options),
        algorithm=choice_option(options, "algorithm", ALGORITHMS, default="sha256"),
        encoding=choice_option(options, "encoding", ENCODINGS, default="hex"),
        prefix=text_option(options, "prefix", most=40),
        template=_template(options),
        timestamp_header=header_name(options, "timestamp_header") if options.get("timestamp_header") else "",
        signature_part=text_option(options, "signature_part", most=40),
        timestamp_part=text_option(options, "timestamp_part", most=40),
        separator=text_option(options, "separator", least=1, most=1) if "separator" in options else ",",
        tolerance_seconds=_tolerance(options),
    )
    if "{timestamp}" in cleaned.template and not cleaned.has_timestamp:
        raise InvalidVerification(_("“timestamp_header” or “timestamp_part” says where the timestamp is."))
    default = Recipe()
    return {name: getattr(cleaned, name) for name in sorted(_OPTIONS) if _differs(cleaned, default, name)}


def _differs(cleaned: Recipe, default: Recipe, name: str) -> bool:
    return bool(getattr(cleaned, name) != getattr(default, name))


def _place(options: Mapping[str, Any]) -> dict[str, str]:
    field = options.get("field")
    if field is None:
        return {"header": header_name(options, "header", default="X-Signature")}
    if "header" in options:
        raise InvalidVerification(_("The signature is in a header or in a field of the body, not in both."))
    _check_path(field)
    return {"field": field}


def _check_path(path: Any) -> None:
    try:
        read_path(path if isinstance(path, str) else "")
    except ValueError as error:
        raise InvalidVerification(
            _("“%(path)s” is no path of a field in the body.") % {"path": path}
        ) from error


def _template(options: Mapping[str, Any]) -> str:
    template = text_option(options, "template", most=500) or "{body}"
    literals, places = PLACEHOLDER.split(template)[::2], PLACEHOLDER.findall(template)
    if any("{" in literal or "}" in literal for literal in literals) or not places:
        known = "{body} {timestamp} {url} {method} {header:Name} {field:path}"
        raise InvalidVerification(_("“template” is made of: %(known)s.") % {"known": known})
    for place in places:
        if place.startswith("field:"):
            _check_path(place.removeprefix("field:"))
    return template


def _tolerance(options: Mapping[str, Any]) -> int:
    seconds = options.get("tolerance_seconds", TOLERANCE_SECONDS)
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 1 <= seconds <= 3600:
        raise InvalidVerification(_("“tolerance_seconds” is a number from 1 to 3600."))
    return seconds


HMAC = Scheme(_verify, _clean, secrets.token_urlsafe, their_secret)
