"""Checks values of custom fields by the type of each field and brings them into the form they are kept in."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils.translation import gettext as _
from stdnum.br import cnpj, cpf
from stdnum.exceptions import ValidationError as NumberError

from crm.models import CustomField
from crm.phones import to_e164

type_of_check = Callable[[Any, CustomField], Any]


def clean_custom_fields(
    entity: CustomField.Entity,
    values: Mapping[str, Any],
    *,
    definitions: Mapping[str, CustomField] | None = None,
) -> dict[str, Any]:
    """Return `values` as they are kept: text, numbers, yes or no, lists of choices; money as "0.00", dates as ISO
    text, phones as E.164, tax ids as digits. None and "" mean "no value" and come back as None.

    `definitions`, by key, are read where the caller has none.
    Raises ValidationError with a message per field that does not exist or cannot have its value.
    """
    if definitions is None:
        keys = [key for key in values if is_storable(key)]
        definitions = {row.key: row for row in CustomField.objects.filter(entity=entity, key__in=keys)}
    cleaned, problems = {}, []
    for key, value in values.items():
        definition = definitions.get(key)
        try:
            cleaned[key] = _clean(definition, value, key=key)
        except (ValueError, TypeError, ArithmeticError, NumberError, ValidationError):
            label = definition.label if definition else key
            problems.append(_("“%(value)s” is no value for “%(field)s”.") % {"value": value, "field": label})
        except KeyError:
            problems.append(_("There is no custom field “%(key)s”.") % {"key": key})
    if problems:
        raise ValidationError(problems)
    return cleaned


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can keep the text: JSON can say NUL and half a character, which it cannot."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


def _clean(definition: CustomField | None, value: Any, *, key: str) -> Any:
    if definition is None:
        if value is None:
            return None
        raise KeyError(key)
    if value is None or value == "":
        return None
    return _CHECKS[CustomField.Type(definition.type)](value, definition)


def _text(value: Any, _definition: CustomField) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    if not is_storable(value):
        raise ValueError(value)
    return value


def _number(value: Any, _definition: CustomField) -> int | float:
    if isinstance(value, bool):
        raise TypeError(value)
    number = Decimal(str(value))
    if not number.is_finite() or abs(number) >= Decimal(10) ** 18:
        raise ValueError(value)
    return int(number) if number == number.to_integral_value() else float(number)


def _money(value: Any, definition: CustomField) -> str:
    _number(value, definition)
    amount = Decimal(str(value))
    if amount != round(amount, 2):
        raise ValueError(value)
    return f"{amount:.2f}"


def _date(value: Any, _definition: CustomField) -> str:
    return date.fromisoformat(value).isoformat()


def _choice(value: Any, definition: CustomField) -> str:
    if value not in definition.options:
        raise ValueError(value)
    return str(value)


def _choices(value: Any, definition: CustomField) -> list[str]:
    if not isinstance(value, list):
        raise TypeError(value)
    return [_choice(item, definition) for item in value]


def _boolean(value: Any, _definition: CustomField) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _email(value: Any, _definition: CustomField) -> str:
    validate_email(value)
    return str(value).lower()


def _phone(value: Any, definition: CustomField) -> str:
    return to_e164(_text(value, definition))


def _url(value: Any, _definition: CustomField) -> str:
    URLValidator(schemes=["http", "https"])(value)
    return str(value)


def _cpf(value: Any, definition: CustomField) -> str:
    return str(cpf.validate(_text(value, definition)))


def _cnpj(value: Any, definition: CustomField) -> str:
    return str(cnpj.validate(_text(value, definition)))


_CHECKS: dict[CustomField.Type, type_of_check] = {
    CustomField.Type.TEXT: _text,
    CustomField.Type.NUMBER: _number,
    CustomField.Type.MONEY: _money,
    CustomField.Type.DATE: _date,
    CustomField.Type.CHOICE: _choice,
    CustomField.Type.CHOICES: _choices,
    CustomField.Type.BOOLEAN: _boolean,
    CustomField.Type.EMAIL: _email,
    CustomField.Type.PHONE: _phone,
    CustomField.Type.URL: _url,
    CustomField.Type.CPF: _cpf,
    CustomField.Type.CNPJ: _cnpj,
}
