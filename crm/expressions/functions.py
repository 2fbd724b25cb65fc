"""The functions that expressions have beyond those of JMESPath.

They take the null and the empty text for "nothing" and give null for it, so that a mapping may name what a sender
leaves out. What is there and cannot be understood is an error: passing over it would lose it.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from math import prod
from typing import Any, NoReturn

from babel.numbers import get_currency_precision, list_currencies
from django.utils import timezone
from django.utils.translation import gettext as _
from jmespath.functions import signature
from stdnum.br import cnpj, cpf
from stdnum.exceptions import ValidationError as NumberError

from crm.expressions.answers import AnswerFunctions, as_typed, unless_refused
from crm.expressions.bounds import Budget
from crm.expressions.errors import ExpressionError
from crm.phones import to_e164

_TEXT: Any = {"types": ["string", "number", "null"]}
_ANY: Any = {"types": []}
CLEAR = "@clear"  # what a document says to empty a field, since null leaves it as it is
_LONGEST_CURRENCY = 3
_MILLISECONDS = 10**11  # such a number of seconds would be in the year 5138
_LOCAL_FORMATS = ("%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d-%m-%Y", "%d.%m.%Y")


class NativeFunctions(AnswerFunctions):
    """JMESPath's functions and ours, with the work that they may make.

    `root` is the whole of what is evaluated, `headers` what came beside it, under names in lower case.
    """

    def __init__(self, budget: Budget, *, root: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._budget, self._root, self._headers = budget, root, headers or {}

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        values = list(resolved_args)
        self._budget.weigh([value for value in values if isinstance(value, str | list | dict)])
        result = super().call_function(function_name, values)
        if function_name != "root":  # which nothing was made for
            self._budget.weigh(result)
        return result

    @signature()
    def _func_root(self) -> Any:
        return self._root

    @signature({"types": ["string"]})
    def _func_header(self, name: str) -> str | None:
        return self._headers.get(name.lower())

    @signature()
    def _func_clear(self) -> str:
        return CLEAR

    @signature({"types": ["array", "null"]})
    def _func_first(self, items: list[Any] | None) -> Any:
        return next((item for item in items or [] if item is not None and item != ""), None)

    @signature({"types": ["string"]}, {"types": ["array", "null"]})
    def _func_join(self, separator: str, array: list[Any] | None) -> str | None:
        """As in JMESPath, and what is nothing is passed over: a name without a surname has no space after it."""
        if array is None:
            return None
        if any(isinstance(item, dict | list) for item in array):
            raise ExpressionError(_("Only texts and numbers can be joined."))
        self._budget.write(len(separator) * len(array))
        return separator.join(_as_written(item) for item in array if item is not None and item != "")

    @signature(_TEXT, _TEXT)
    def _func_to_phone(self, text: Any, country: Any) -> str | None:
        written = _text(text)
        try:
            return to_e164(written, country=_text(country).upper()) if written else None
        except ValueError as error:
            _refuse(_("“%(value)s” is no telephone number."), text, error)

    @signature(_TEXT)
    def _func_digits(self, text: Any) -> str | None:
        return "".join(letter for letter in _text(text) if letter in "0123456789") or None

    @signature(_TEXT)
    def _func_cpf(self, text: Any) -> str | None:
        written = _text(text)
        try:
            return str(cpf.validate(written)) if written else None
        except NumberError as error:
            _refuse(_("“%(value)s” is no CPF."), text, error)

    @signature(_TEXT)
    def _func_cnpj(self, text: Any) -> str | None:
        written = _text(text)
        try:
            return str(cnpj.validate(written)) if written else None
        except NumberError as error:
            _refuse(_("“%(value)s” is no CNPJ."), text, error)

    @signature(_TEXT)
    def _func_to_money(self, text: Any) -> str | None:
        written = _text(text)
        if not written:
            return None
        try:
            amount = _decimal(written if isinstance(text, int | float) else _without_grouping(written))
            cents = amount.quantize(Decimal("0.01"))
        except InvalidOperation as error:
            _refuse(_("“%(value)s” is no amount of money."), text, error)
        if cents != amount:
            _refuse(_("“%(value)s” is no amount of money."), text)
        return f"{cents:f}"

    @signature(_ANY)
    def _func_money_or_null(self, text: Any) -> str | None:
        return unless_refused(self._func_to_money, text) if as_typed(text) else None

    @signature(_TEXT, _TEXT)
    def _func_from_minor(self, amount: Any, currency: Any) -> str | None:
        written, code = _text(amount), _text(currency).upper()
        if not written:
            return None
        if code not in list_currencies():
            _refuse(_("“%(value)s” is no currency."), currency)
        try:
            minor = _decimal(written)
            if minor != minor.to_integral_value():
                _refuse(_("“%(value)s” is no whole number."), amount)
        except InvalidOperation as error:
            _refuse(_("“%(value)s” is no whole number."), amount, error)
        places = get_currency_precision(code)
        return f"{minor.scaleb(-places):.{max(places, 2)}f}"

    @signature({"types": ["array", "null"]}, {"types": ["array-string"]})
    def _func_total(self, rows: list[Any] | None, factors: list[str]) -> str | None:
        """The sum of the rows, each the product of the named numbers: quantity times price."""
        try:
            products = [prod(_decimal(_text(row[name])) for name in factors) for row in rows or []]
            return f"{sum(products):f}" if products else None
        except (InvalidOperation, KeyError, TypeError) as error:
            _refuse(_("“%(value)s” cannot be added up."), rows, error)

    @signature(_TEXT)
    def _func_to_date(self, value: Any) -> str | None:
        moment = _moment(value)
        return moment.isoformat()[:10] if moment else None

    @signature(_TEXT)
    def _func_to_datetime(self, value: Any) -> str | None:
        moment = _moment(value)
        if moment is None:
            return None
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @signature(_TEXT)
    def _func_trim(self, text: Any) -> str | None:
        return None if text is None else _text(text)

    @signature(_TEXT)
    def _func_lower(self, text: Any) -> str | None:
        return None if text is None else _as_written(text).lower()

    @signature(_TEXT)
    def _func_upper(self, text: Any) -> str | None:
        return None if text is None else _as_written(text).upper()

    @signature(_TEXT)
    def _func_title(self, text: Any) -> str | None:
        if text is None:
            return None
        return " ".join(word.capitalize() for word in _as_written(text).split(" "))

    @signature(_TEXT, {"types": ["string"]})
    def _func_split(self, text: Any, separator: str) -> list[str] | None:
        if not separator:
            raise ExpressionError(_("Nothing was said of where to split the text."))
        return None if text is None else _as_written(text).split(separator)

    @signature(_TEXT, {"types": ["string"]}, {"types": ["string"]})
    def _func_replace(self, text: Any, old: str, new: str) -> str | None:
        if not old:
            raise ExpressionError(_("Nothing was said of what to replace."))
        if text is None:
            return None
        written = _as_written(text)
        self._budget.write(written.count(old) * len(new))
        return written.replace(old, new)

    @signature({"types": ["string", "number", "boolean", "null"]}, {"types": ["object"]})
    def _func_lookup(self, value: Any, table: dict[str, Any]) -> Any:
        return None if value is None else table.get(_as_written(value))

    @signature(_ANY, _ANY)
    def _func_default(self, value: Any, other: Any) -> Any:
        return other if value is None or value == "" else value

    @signature({"types": ["string", "null"]})
    def _func_to_json(self, text: str | None) -> Any:
        if text is None or not text.strip():
            return None
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            _refuse(_("“%(value)s” is no JSON."), text, error)


def _as_written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _text(value: Any) -> str:
    """A text or number without the space around it; "" for null."""
    return "" if value is None else _as_written(value).strip()


def _refuse(message: str, value: Any, error: Exception | None = None) -> NoReturn:
    shown = str(value)
    raise ExpressionError(message % {"value": shown if len(shown) <= 60 else f"{shown[:60]}…"}) from error


def _decimal(text: str) -> Decimal:
    """Raises InvalidOperation, also for what is no finite number or longer than any amount."""
    number = Decimal(text) if len(text) <= 40 and "_" not in text else Decimal("NaN")
    if not number.is_finite() or abs(number) >= Decimal(10) ** 18:
        raise InvalidOperation(text)
    return number


def _without_grouping(text: str) -> str:
    """ "R$ 1.500,00" and "1,500.00" as "1500.00".

    Of two kinds of separators the last is the decimal one. A single kind groups where it stands more than once or
    before exactly three digits: nobody writes three decimals of money.
    """
    bare = "".join(letter for letter in text if letter in "0123456789.,-")
    currency = [letter for letter in text if letter not in bare and not letter.isspace()]
    if len(currency) > _LONGEST_CURRENCY or not any(letter.isdecimal() for letter in bare):
        return text
    last = max(bare.rfind("."), bare.rfind(","))
    if last < 0:
        return bare
    mark = bare[last]
    other = "," if mark == "." else "."
    groups = other not in bare and (bare.count(mark) > 1 or len(bare) - last == 4)
    whole, decimals = (bare, "") if groups else (bare[:last], bare[last + 1 :])
    return f"{whole.replace('.', '').replace(',', '')}.{decimals or '0'}"


def _moment(value: Any) -> datetime | None:
    """A moment as ISO text, Unix seconds or milliseconds, 24/11/2026 or as in e-mail; what says no zone is ours."""
    written = _text(value)
    if not written:
        return None
    for read in (_from_number, _from_iso, _from_local, parsedate_to_datetime):
        try:
            moment = read(written)
            return moment if moment.tzinfo else timezone.make_aware(moment, timezone.get_default_timezone())
        except (ValueError, ArithmeticError, IndexError, TypeError, OSError):
            continue
    _refuse(_("“%(value)s” is no date."), value)


def _from_number(text: str) -> datetime:
    number = _decimal(text)
    if text.isdecimal() and len(text) == 8:  # 20261124
        raise ValueError(text)
    seconds = float(number / 1000 if abs(number) >= _MILLISECONDS else number)
    return datetime.fromtimestamp(seconds, timezone.get_default_timezone())


def _from_iso(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _from_local(text: str) -> datetime:
    for form in _LOCAL_FORMATS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007  # the zone is given by the caller
        except ValueError:
            continue
    raise ValueError(text)
