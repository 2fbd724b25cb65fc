"""A page's form that posts here straight from its visitors' browsers: which pages may, and what visitors get to see.

The setting of an endpoint: {"allowed_origins": ["https://www.example.com"], "honeypot": "website",
"redirect_url": "https://www.example.com/thanks/", "rate_per_address": 10}. Where `honeypot` names a field that people
do not see, whoever fills it in is answered as all others are, and ignored.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from crm.models import CustomField
from webhooks.models import InboundEndpoint

DEFAULT_RATE = 10  # a minute from one address
_MOST_ORIGINS = 20
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")
_CAMPAIGN = re.compile(r"utm_[a-z_]{1,40}|gclid|fbclid|msclkid")
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
_LONGEST_SOURCE = 80
_is_url = URLValidator(schemes=["https", "http"])


class InvalidLanding(ValueError):
    """A setting that cannot be. The message is fit for the admin."""


class SeeOther(HttpResponseRedirect):
    status_code = 303


@dataclass(frozen=True, slots=True)
class Landing:
    """`redirect_url` and `honeypot` are "" where there is none."""

    allowed_origins: list[str]
    honeypot: str = ""
    redirect_url: str = ""
    rate_per_address: int = DEFAULT_RATE


def landing_of(endpoint: InboundEndpoint) -> Landing | None:
    return Landing(**endpoint.landing) if endpoint.landing else None


def is_allowed(landing: Landing, request: HttpRequest) -> bool:
    """Whether it comes from one of the pages. A request without an Origin is none of a page's script, and passes."""
    origin = request.headers.get("Origin")
    return origin is None or origin.lower() in landing.allowed_origins


def preflight(landing: Landing, request: HttpRequest) -> HttpResponse:
    """What a browser asks before a script of a page may post JSON."""
    if "Origin" not in request.headers or not is_allowed(landing, request):
        return HttpResponse(status=403)
    response = HttpResponse(status=204)
    response["Access-Control-Allow-Methods"] = "POST"
    response["Access-Control-Allow-Headers"] = "Content-Type"
    response["Access-Control-Max-Age"] = "600"
    return response


def dressed(response: HttpResponse, landing: Landing, request: HttpRequest) -> HttpResponse:
    """The answer as the page and its visitor need it: readable for the page's script, a redirect or a page instead
    of JSON for a visitor whose browser sent the form itself.
    """
    if _is_sent_by_browser(request):
        if response.status_code >= 400:
            response = render(request, "webhooks/landing_refused.html", status=response.status_code)
        elif landing.redirect_url:
            response = SeeOther(landing.redirect_url)
    origin = request.headers.get("Origin")
    if origin is not None and is_allowed(landing, request):
        response["Access-Control-Allow-Origin"] = origin
    patch_vary_headers(response, ["Origin"])
    return response


def _is_sent_by_browser(request: HttpRequest) -> bool:
    """Scripts accept anything; a browser on its way to the next page says that it wants HTML."""
    wants_html = "text/html" in request.headers.get("Accept", "")
    return wants_html and (request.content_type or "").lower() in _FORM_TYPES


# ---- What a form says ----


def is_trapped(landing: Landing, value: Any) -> bool:
    """Whether the field that people do not see was filled in."""
    return bool(landing.honeypot and isinstance(value, dict) and value.get(landing.honeypot))


def plain_fields(landing: Landing, value: Any) -> Any:
    """The fields without the trap and without what the visitor left empty."""
    if not isinstance(value, dict):
        return value
    return _without_blanks({name: item for name, item in value.items() if name != landing.honeypot})


def _without_blanks(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _without_blanks(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item not in ("", None, [], {})}
    if isinstance(value, list):
        return [item for item in map(_without_blanks, value) if item not in ("", None, [], {})]
    return value


def with_campaign(document: Any, fields: Any) -> Any:
    """The native document with the campaign that brought the visitor: `utm_source` as the deal's source where it has
    none, each in the added field of its name where deals have one, and all of it in the note. From an unmapped
    document the fields are taken away.
    """
    if not isinstance(document, dict) or not isinstance(fields, dict):
        return document
    campaign = dict(_campaign(fields))
    if not campaign:
        return document
    document = {name: value for name, value in document.items() if name not in campaign}
    deal = document.get("deal", {})
    if isinstance(deal, dict):
        document["deal"] = _with_source(deal, campaign)
    return {**document, "activity": _with_note(document.get("activity"), campaign)}


def _with_source(deal: Mapping[str, Any], campaign: Mapping[str, str]) -> dict[str, Any]:
    """The deal with its source and the added fields that are named as parts of the campaign; what it says stays."""
    source = {"source": campaign["utm_source"][:_LONGEST_SOURCE]} if "utm_source" in campaign else {}
    keys = CustomField.objects.filter(
        entity=CustomField.Entity.DEAL, type=CustomField.Type.TEXT, key__in=campaign
    )
    added = {key: campaign[key] for key in keys.values_list("key", flat=True)}
    said = deal.get("custom_fields", {})
    if added and isinstance(said, dict):
        return {**source, **deal, "custom_fields": {**added, **said}}
    return {**source, **deal}


def _with_note(activity: Any, campaign: Mapping[str, str]) -> Any:
    """The activity with what its text does not say of the campaign yet; a note of its own where there is none."""
    if activity is None:
        activity = {"kind": "note", "subject": _("Where the visitor came from")}
    if not isinstance(activity, dict) or not isinstance(text := activity.get("body", ""), str):
        return activity
    lines = "\n".join(f"{name}: {value}" for name, value in campaign.items() if value not in text)
    return {**activity, "body": "\n\n".join(filter(None, (text, lines)))}


def _campaign(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if _CAMPAIGN.fullmatch(name) and isinstance(value, str) and value.strip():
            yield name, value.strip()[:500]


# ---- The setting ----


def clean_landing(setting: Any) -> dict[str, Any] | None:
    """The setting in order, None for none. Raises InvalidLanding."""
    if setting is None:
        return None
    if not isinstance(setting, dict):
        raise InvalidLanding(_("An object with “allowed_origins” is expected."))
    known = Landing.__dataclass_fields__
    unknown = next((name for name in setting if name not in known), None)
    if unknown is not None:
        raise InvalidLanding(_("There is no “%(name)s” here.") % {"name": unknown})
    return asdict(
        Landing(
            allowed_origins=_origins(setting.get("allowed_origins")),
            honeypot=_text(setting, "honeypot", most=60),
            redirect_url=_redirect_url(setting),
            rate_per_address=_rate(setting.get("rate_per_address", DEFAULT_RATE)),
        )
    )


def _origins(given: Any) -> list[str]:
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_ORIGINS:
        raise InvalidLanding(
            _("“allowed_origins” is a list of 1 to %(most)d pages.") % {"most": _MOST_ORIGINS}
        )
    return list(dict.fromkeys(map(_origin, given)))


def _origin(text: Any) -> str:
    origin = text.strip().rstrip("/").lower() if isinstance(text, str) else ""
    if not _ORIGIN.fullmatch(origin):
        raise InvalidLanding(
            _("“%(origin)s” is no origin such as https://www.example.com.") % {"origin": text}
        )
    scheme, host, port = (parts := urlsplit(origin)).scheme, parts.netloc.rpartition(":")[0], parts.port
    is_usual = (scheme, port) in {("https", 443), ("http", 80)}
    return f"{scheme}://{host}" if is_usual else origin


def _redirect_url(setting: Mapping[str, Any]) -> str:
    url = _text(setting, "redirect_url", most=500)
    if url:
        try:
            _is_url(url)
        except ValidationError as error:
            raise InvalidLanding(_("“redirect_url” is the whole address of a page.")) from error
    return url


def _text(setting: Mapping[str, Any], name: str, *, most: int) -> str:
    text = setting.get(name, "")
    if not isinstance(text, str) or len(text) > most or not text.isprintable():
        raise InvalidLanding(
            _("“%(name)s” is a text of at most %(most)d characters.") % {"name": name, "most": most}
        )
    return text.strip()


def _rate(number: Any) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= 1000:
        raise InvalidLanding(_("“rate_per_address” is a number from 1 to 1000."))
    return number
