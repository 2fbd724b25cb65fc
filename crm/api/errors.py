"""Refusals and other errors, mapped once into the API's one error shape.

`{"type": "validation_error" | "client_error" | "server_error", "errors": [{"code", "detail", "attr"}]}`, and beside
them, for a stale version, the deal as it is now.
"""

from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError, IntegrityError
from django.db.models import ProtectedError, RestrictedError
from django.utils.translation import gettext as _
from drf_standardized_errors.handler import ExceptionHandler
from psycopg.errors import ForeignKeyViolation
from rest_framework import exceptions, status

from crm.api.deals.serializers import DealSerializer
from crm.deals import MissingFields, StaleVersion, UnknownDeals
from crm.refusals import InvalidFields, Refused
from crm.stages import StageInUse


class Conflict(exceptions.APIException):
    """What was asked does not fit what there is now."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class Unprocessable(exceptions.APIException):
    """Understood, but it makes no sense for this object."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "unprocessable"


class Incomplete(exceptions.ValidationError):
    """Values are missing that the step asked for needs; one error a field."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY


class ApiExceptionHandler(ExceptionHandler):
    """drf-standardized-errors, taught our refusals."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, Refused):
            return _refusal(exc)
        if isinstance(exc, ProtectedError | RestrictedError):
            return Conflict(_("Others still refer to this, so it cannot be deleted."), "in_use")
        if isinstance(exc, IntegrityError):
            return _clash(exc)
        if isinstance(exc, DataError | OverflowError):
            return exceptions.ValidationError(_("A value is out of range."))
        if isinstance(exc, ModelValidationError):
            return exceptions.ValidationError(_messages(exc))
        return super().convert_known_exceptions(exc)

    def format_exception(self, exc: exceptions.APIException) -> dict[str, Any]:
        data: dict[str, Any] = super().format_exception(exc)
        if isinstance(self.exc, StaleVersion):
            data["deal"] = DealSerializer(self.exc.deal, context=dict(self.context)).data
        return data


def _refusal(refused: Refused) -> exceptions.APIException:
    if isinstance(refused, InvalidFields):
        return exceptions.ValidationError(refused.errors, refused.code)
    if isinstance(refused, MissingFields):
        return Incomplete({name: [str(refused)] for name in refused.fields}, refused.code)
    if isinstance(refused, StaleVersion | StageInUse):
        return Conflict(str(refused), refused.code)
    if isinstance(refused, UnknownDeals):
        return exceptions.NotFound(str(refused), refused.code)
    return Unprocessable(str(refused), refused.code)


def _clash(error: IntegrityError) -> Conflict:
    if isinstance(error.__cause__, ForeignKeyViolation):
        return Conflict(_("Something that this refers to was deleted in the meantime."), "does_not_exist")
    return Conflict(_("This is not possible beside what there is already."))


def _messages(error: ModelValidationError) -> Any:
    return error.message_dict if hasattr(error, "error_dict") else error.messages
