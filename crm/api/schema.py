"""What the OpenAPI document says of every operation: its errors, and the key that makes a POST safe to repeat."""

from typing import Any

from drf_spectacular.openapi import AutoSchema as SpectacularSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="A POST repeated with the same key within 24 hours gets the first answer and does nothing.",
)


class ErrorSerializer(serializers.Serializer[Any]):
    """One thing that is wrong; `attr` names the field, where there is one."""

    code = serializers.CharField()
    detail = serializers.CharField()
    attr = serializers.CharField(allow_null=True)


class ErrorsSerializer(serializers.Serializer[Any]):
    """The body of every answer that refuses something."""

    type = serializers.ChoiceField(["validation_error", "client_error", "server_error"])

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`errors` is added here because serializers have an attribute of that name."""
        return {**super().get_fields(), "errors": ErrorSerializer(many=True)}


class AutoSchema(SpectacularSchema):
    """Adds to each operation what the framework does not know of."""

    def get_override_parameters(self) -> list[Any]:
        return [IDEMPOTENCY_KEY] if self.method == "POST" else []

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for code in self._error_codes():
            answer = self._get_response_for_code(  # type: ignore[no-untyped-call]  # drf-spectacular's own
                ErrorsSerializer, code, direction=direction
            )
            bodies.setdefault(code, answer)
        return bodies

    def _error_codes(self) -> list[str]:
        codes = ["401", "403", "404"]
        return codes if self.method == "DELETE" else ["400", *codes]
