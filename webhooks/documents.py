"""The native document: what a sender may tell us, whatever system it is.

Types are strict (a number is no text, true is no number) and unknown fields are refused. Null means "leave it as it
is" and is dropped here; "@clear" means "empty it" and becomes None. Only the form is judged; whether a stage or an
owner exists is found out when applying.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from crm.contacts import normal_domain, normal_tax_id
from crm.expressions import CLEAR
from crm.models import Activity, Call, Deal, Subscription
from crm.phones import to_e164
from webhooks.problems import InvalidDocument, Problem, problem

__all__ = ["Document", "InvalidDocument", "Problem", "problem", "read_document"]

Document = dict[str, Any]

LARGEST_ID = 2**63 - 1
_MOST_PROBLEMS = 20
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,2})?")
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def read_document(value: Any) -> Document:
    """The document with phones as E.164, e-mails in lower case, tax ids as digits, money as Decimal, times aware.

    What is not told is not in it, and what shall be emptied is None. Raises InvalidDocument.
    """
    try:
        return _without_nulls(_SERIALIZER.run_validation(value))
    except serializers.ValidationError as error:
        problems = [
            problem(found.code or "invalid", path, found)
            for path, found in _flat(serializers.as_serializer_error(error), "")
        ]
        raise InvalidDocument(problems[:_MOST_PROBLEMS]) from error


def _flat(errors: Any, path: str) -> Iterator[tuple[str, ErrorDetail]]:
    """DRF's nested errors as (path, error); an error of the whole object has the object's path."""
    if isinstance(errors, Mapping):
        for key, value in errors.items():
            yield from _flat(value, _inside(path, key))
    else:
        yield from ((path, error) for error in errors)


def _inside(path: str, key: str | int) -> str:
    if key == "non_field_errors":
        return path
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


_CLEARED: Any = object()  # stands for None until the nulls that say nothing are gone


def _without_nulls(value: Mapping[str, Any]) -> Document:
    return {
        key: _without_nulls(item) if isinstance(item, Mapping) else None if item is _CLEARED else item
        for key, item in value.items()
        if item is not None
    }


class Text(serializers.CharField):
    """A text and nothing that could be made one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class WholeNumber(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class Choice(serializers.ChoiceField):
    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


class Email(Text):
    default_validators = serializers.EmailField().validators

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data).lower()


class Money(serializers.Field[Decimal, Any, str, Any]):
    """0 to 999,999,999,999.99, as "10.00" or as a number."""

    default_error_messages = {"invalid": _("Not an amount: digits, and at most two more after a point.")}

    def to_internal_value(self, data: Any) -> Decimal:
        is_number = isinstance(data, int | Decimal) and not isinstance(data, bool)
        text = f"{Decimal(data):f}" if is_number else data
        if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
            self.fail("invalid")
        return Decimal(text)


class Moment(serializers.DateTimeField):
    """ISO 8601 text; one without a zone is meant in the installation's."""

    default_error_messages = {"range": _("Not a time between 1970 and 2200.")}

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str) or not value.isascii():
            self.fail("invalid", format="YYYY-MM-DDThh:mm[:ss][+HH:MM|Z]")
        moment = super().to_internal_value(value)
        if not _EARLIEST <= moment <= _LATEST:
            self.fail("range")
        return moment


class Day(serializers.DateField):
    default_error_messages = {"range": _("Not a day between 1970 and 2200.")}

    def to_internal_value(self, value: Any) -> date:
        if not isinstance(value, str) or not value.isascii():
            self.fail("invalid", format="YYYY-MM-DD")
        day = super().to_internal_value(value)
        if not _EARLIEST.date() <= day <= _LATEST.date():
            self.fail("range")
        return day


class Phone(Text):
    default_error_messages = {"phone": _("Not a telephone number.")}

    def to_internal_value(self, data: Any) -> str:
        try:
            return to_e164(super().to_internal_value(data))
        except ValueError:
            self.fail("phone")


class TaxId(Text):
    """A CPF or a CNPJ, with or without its punctuation, or another country's number."""

    default_error_messages = {"tax_id": _("Not a tax id.")}

    def to_internal_value(self, data: Any) -> str:
        return normal_tax_id(super().to_internal_value(data)) or self.fail("tax_id")


class Domain(Text):
    def to_internal_value(self, data: Any) -> str:
        return normal_domain(super().to_internal_value(data))


class CustomFields(serializers.Field[dict[str, Any], Any, Any, Any]):
    """An object; which keys exist and what they hold is judged where the fields are defined."""

    default_error_messages = {"invalid": _("Not an object.")}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        return {key: _CLEARED if item == CLEAR else item for key, item in data.items()}


class ExternalIds(CustomFields):
    default_error_messages = {"id": _("Each system's id is a text of 1 to 200 characters.")}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        ids = super().to_internal_value(data)
        for system, value in ids.items():
            is_text = value in (None, _CLEARED) or (isinstance(value, str) and 1 <= len(value) <= 200)
            if not is_text or not 1 <= len(system) <= 60:
                self.fail("id")
        return ids


class Part(serializers.Serializer[Any]):
    """An object of known fields, each of which may be left out or null, and some of which may be emptied."""

    default_error_messages = {"unknown": _("There is no such field."), "empty": _("There is nothing in it.")}
    clearable: ClassVar[frozenset[str]] = frozenset()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for field in fields.values():
            field.required, field.allow_null = False, True
        return fields

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        if unknown := [key for key in data if key not in self.fields]:
            message = ErrorDetail(str(self.error_messages["unknown"]), code="unknown")
            raise serializers.ValidationError({key: [message] for key in unknown[:_MOST_PROBLEMS]})
        cleared = {key: _CLEARED for key, item in data.items() if item == CLEAR and key in self.clearable}
        told = super().to_internal_value({key: item for key, item in data.items() if key not in cleared})
        return {**told, **cleared}

    def refuse_empty(self, attrs: Mapping[str, Any]) -> None:
        if all(value is None for value in attrs.values()):
            self.fail("empty")


class ExternalReferencePart(serializers.Serializer[Any]):
    system = Text(max_length=60)
    id = Text(max_length=200)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (unknown := data.keys() - self.fields.keys()):
            message = ErrorDetail(str(Part.default_error_messages["unknown"]), code="unknown")
            raise serializers.ValidationError({key: [message] for key in unknown})
        return super().to_internal_value(data)


class MatchPart(Part):
    deal_id = WholeNumber(min_value=1, max_value=LARGEST_ID)
    external_id = ExternalReferencePart()
    tax_id = TaxId(max_length=20)
    email = Email(max_length=254)
    phone = Phone(max_length=40)
    by = Choice(choices=["any", "ids", "nothing"])
    status = Choice(choices=Deal.Status.choices)

    def validate(self, attrs: Any) -> Any:
        self.refuse_empty(attrs)
        return attrs


class DealPart(Part):
    clearable = frozenset({"value", "owner", "source", "lost_reason", "expected_close_on"})

    title = Text(max_length=200)
    pipeline = Text(max_length=80, trim_whitespace=False)
    pipeline_id = WholeNumber(min_value=1, max_value=LARGEST_ID)
    stage = Text(max_length=80, trim_whitespace=False)
    stage_id = WholeNumber(min_value=1, max_value=LARGEST_ID)
    status = Choice(choices=Deal.Status.choices)
    value = Money()
    currency = Text(validators=[RegexValidator(r"\A[A-Z]{3}\Z")])
    owner = Email(max_length=254)
    expected_close_on = Day()
    source = Text(max_length=80)  # type: ignore[assignment]  # ours, not DRF's attribute: declared fields move away
    add_tags = serializers.ListField(child=Text(max_length=60), max_length=50)
    remove_tags = serializers.ListField(child=Text(max_length=60), max_length=50)
    lost_reason = Text(max_length=80)
    custom_fields = CustomFields()
    external_ids = ExternalIds()


class ContactPart(Part):
    clearable = frozenset({"emails", "phones", "tax_id", "job_title"})

    name = Text(max_length=160)
    emails = serializers.ListField(child=Email(max_length=254), max_length=20)
    phones = serializers.ListField(child=Phone(max_length=40), max_length=20)
    tax_id = TaxId(max_length=20)
    job_title = Text(max_length=120)
    custom_fields = CustomFields()
    external_ids = ExternalIds()


class CompanyPart(Part):
    clearable = frozenset({"tax_id", "domain"})

    name = Text(max_length=160)
    tax_id = TaxId(max_length=20)
    domain = Domain(max_length=253)
    custom_fields = CustomFields()
    external_ids = ExternalIds()


class ActivityPart(Part):
    kind = Choice(choices=Activity.Kind.choices)
    subject = Text(max_length=200, allow_blank=True)
    body = Text(max_length=50_000, allow_blank=True)
    due_at = Moment()

    def validate(self, attrs: Any) -> Any:
        self.refuse_empty(attrs)
        return attrs


class CallPart(Part):
    external_id = Text(max_length=200)
    direction = Choice(choices=Call.Direction.choices)
    from_number = Phone(max_length=40)
    to_number = Phone(max_length=40)
    started_at = Moment()
    duration_seconds = WholeNumber(min_value=0, max_value=7 * 24 * 3600)
    status = Text(max_length=40)
    recording_url = serializers.URLField(max_length=2000)
    agent = Email(max_length=254)

    def validate(self, attrs: Any) -> Any:
        self.refuse_empty(attrs)
        return attrs


class SubscriptionPart(Part):
    clearable = frozenset({"amount", "renews_on"})

    external_id = Text(max_length=200)
    plan = Text(max_length=160)
    status = Choice(choices=Subscription.Status.choices)
    amount = Money()
    currency = Text(validators=[RegexValidator(r"\A[A-Z]{3}\Z")])
    renews_on = Day()

    def validate(self, attrs: Any) -> Any:
        self.refuse_empty(attrs)
        return attrs


class DocumentSerializer(Part):
    """The whole document. One that describes nothing to be done is refused."""

    event_id = Text(max_length=200)
    occurred_at = Moment()
    match = MatchPart()
    if_missing = Choice(choices=["create", "ignore", "reject"])
    only_if_empty = serializers.ListField(child=Text(max_length=200), max_length=150)
    deal = DealPart()
    contact = ContactPart()
    company = CompanyPart()
    activity = ActivityPart()
    call = CallPart()
    subscription = SubscriptionPart()

    _CONTENT = ("deal", "contact", "company", "activity", "call", "subscription")

    def validate(self, attrs: Any) -> Any:
        self.refuse_empty({name: attrs.get(name) or None for name in self._CONTENT})
        return attrs


_SERIALIZER = DocumentSerializer()  # made once: making it takes longer than judging with it
