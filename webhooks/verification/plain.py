"""Schemes without a signature: whoever knows the URL, a fixed text, a user name with a password."""

import base64
import binascii
import secrets
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from webhooks.verification.schemes import (
    InvalidVerification,
    Scheme,
    Signed,
    choice_option,
    header_name,
    is_equal,
    no_options,
    our_secret,
    refuse_unknown,
    text_option,
)


def _verify_none(_signed: Signed, _options: Mapping[str, Any], _secret: str) -> bool:
    return True


def _no_secret(secret: str) -> None:
    if secret:
        raise InvalidVerification(_("This scheme has no secret."))


# ---- token: a fixed text in a header or in the query, after a prefix such as “Bearer ” where there is one ----


def _verify_token(signed: Signed, options: Mapping[str, Any], secret: str) -> bool:
    place, name, prefix = options["in"], options["name"], options.get("prefix", "")
    given = signed.headers.get(name.lower(), "") if place == "header" else signed.query.get(name, "")
    return bool(secret) and is_equal(given, prefix + secret)


def _clean_token(options: Mapping[str, Any]) -> dict[str, Any]:
    refuse_unknown(options, ("in", "name", "prefix"))
    place = choice_option(options, "in", ("header", "query"), default="header")
    prefix = text_option(options, "prefix", most=40)
    cleaned = {"in": place, "name": header_name(options, "name", default="X-Token")}
    return cleaned | ({"prefix": prefix} if prefix else {})


# ---- basic: RFC 7617, in UTF-8 ----


def _verify_basic(signed: Signed, options: Mapping[str, Any], secret: str) -> bool:
    kind, _space, encoded = signed.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return False
    expected = f"{options['username']}:{secret}"
    return bool(secret) and kind.lower() == "basic" and is_equal(given, expected)


def _clean_basic(options: Mapping[str, Any]) -> dict[str, Any]:
    refuse_unknown(options, ("username",))
    username = text_option(options, "username", least=1, most=100)
    if ":" in username:
        raise InvalidVerification(_("A user name has no colon."))
    return {"username": username}


NONE = Scheme(_verify_none, no_options, str, _no_secret)
TOKEN = Scheme(_verify_token, _clean_token, secrets.token_urlsafe, our_secret)
BASIC = Scheme(_verify_basic, _clean_basic, secrets.token_urlsafe, our_secret)
