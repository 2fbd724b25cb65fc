"""Telephone numbers in one form, E.164, so that equal numbers are equal text."""

import phonenumbers


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
