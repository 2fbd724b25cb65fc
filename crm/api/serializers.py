"""What all serializers share: no field is ignored, times are UTC, deals that one may not see do not exist."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any, ClassVar, TypeVar

from django.db import models
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from crm.edits import external_ids
from crm.models import Company, Contact, Deal

_Model = TypeVar("_Model", bound=models.Model)


class UtcDateTimeField(serializers.DateTimeField):
    """Times in UTC, with Z, whatever the time zone of the person who asks."""

    timezone = UTC


class _Strict(serializers.Serializer[Any]):
    """Refuses what it does not know and what cannot be written, rather than ignore it."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (errors := self._refused(data)):
            raise ValidationError(errors)
        return super().to_internal_value(data)

    def _refused(self, data: Mapping[str, Any]) -> dict[str, list[ErrorDetail]]:
        errors = {}
        for name in data:
            if name not in self.fields:
                errors[name] = [ErrorDetail(_("There is no such field."), code="unknown_field")]
            elif self.fields[name].read_only:
                errors[name] = [ErrorDetail(_("This field cannot be written."), code="read_only")]
        return errors


class StrictSerializer(_Strict):
    """For bodies that are no model's, such as that of a move."""


class StrictModelSerializer(_Strict, serializers.ModelSerializer[_Model]):
    """For resources."""

    serializer_field_mapping: ClassVar = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: UtcDateTimeField,
    }


class VisibleDealField(serializers.PrimaryKeyRelatedField[Deal]):
    """A deal by its id; one that the caller may not see does not exist."""

    def __init__(self, **options: Any) -> None:
        super().__init__(queryset=Deal.objects.all(), **options)

    def get_queryset(self) -> QuerySet[Deal]:
        return Deal.objects.visible_to(self.context["request"].user)


@extend_schema_field({"type": "array", "items": {"type": "string", "maxLength": 60}})
class TagNames(serializers.ListField):
    """Tags by name, in alphabetical order; unknown ones are created."""

    child = serializers.CharField()

    def to_representation(self, data: Any) -> list[str]:
        return sorted(tag.name for tag in data.all())


@extend_schema_field({"type": "object", "additionalProperties": True})
class CustomFieldValues(serializers.DictField):
    """`{key: value}`. Written keys are merged into those that are there, null removes one."""


@extend_schema_field({"type": "object", "additionalProperties": {"type": ["string", "null"]}})
class ExternalIds(serializers.DictField):
    """`{system: id}`. Written keys are merged into those that are there, null removes one."""

    child = serializers.CharField(allow_null=True, max_length=200)

    def get_attribute(self, instance: Deal | Contact | Company) -> dict[str, str]:
        return external_ids(instance)


@extend_schema_field(OpenApiTypes.STR)
class SecretField(serializers.CharField):
    """Text that can be written and never read again."""

    def __init__(self, **options: Any) -> None:
        super().__init__(write_only=True, trim_whitespace=False, **options)
