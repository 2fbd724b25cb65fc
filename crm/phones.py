"""Telephone numbers in one form, E.164, so that equal numbers are equal text; and the addresses that dial them."""

import re
from collections.abc import Iterable
from urllib.parse import quote

import phonenumbers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

_MOBILE = re.compile(r"(\+55\d\d)9(\d{8})")
_MOBILE_WITHOUT_NINTH = re.compile(r"(\+55\d\d)([6-9]\d{7})")


def to_e164(text: str, *, country: str = "BR") -> str:
    """Return "+5511912345678" for any usual way of writing that number; `country` is meant where no + is given.

    Raises ValueError for what is no telephone number.
    """
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException as error:
        raise ValueError(text) from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError(text)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def as_read(phone: str) -> str:
    """`+55 11 91234-5678`, as the number's own country writes it; what is no number stays as it is."""
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return phone
    if not phonenumbers.is_valid_number(number):
        return phone
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def phone_variants(phone: str) -> list[str]:
    """The number as it is and, for a Brazilian mobile, also with or without its ninth digit."""
    if found := _MOBILE.fullmatch(phone):
        return [phone, found[1] + found[2]]
    if found := _MOBILE_WITHOUT_NINTH.fullmatch(phone):
        return [phone, f"{found[1]}9{found[2]}"]
    return [phone]


def all_phone_variants(phones: Iterable[str]) -> list[str]:
    return [variant for phone in phones for variant in phone_variants(phone)]


# ---- Click to call: a person's own way to dial ----

TEL = "tel:{phone}"
_PLACE = "{phone}"
_HOST_FIRST = re.compile(r"https://[^/?#{}@]+[/?#]")
_TEMPLATE_FORM = re.compile(r"(?:tel|sip|callto|https):[\x21-\x7e]*")


def validate_call_url(template: str) -> None:
    """Raise ValidationError unless `template` is a URL that dials: one of four schemes and one {phone}.

    Any other scheme is refused (`javascript:` would run in our page), and so is a host that the number would decide.
    """
    rest = template.replace(_PLACE, "", 1)
    if not _TEMPLATE_FORM.fullmatch(template) or template.count(_PLACE) != 1 or {"{", "}"} & set(rest):
        raise ValidationError(
            _("A URL that begins with tel:, sip:, callto: or https:// and has {phone} in it, once.")
        )
    if template.startswith("https:") and not _HOST_FIRST.match(template):
        raise ValidationError(_("A URL with https:// names its host before {phone}."))


def call_url(template: str, phone: str) -> str:
    """The address that dials `phone` (E.164), ready for a link."""
    web = template.startswith("https:")
    return template.replace(_PLACE, quote(phone, safe="" if web else "+"))
