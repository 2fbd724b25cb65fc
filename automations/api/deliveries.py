"""`deliveries/`: the log, sending again, calling off."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from automations.deliveries import cancel_delivery, resend_delivery, resend_many
from automations.filters import DeliveryFilter
from automations.models import Attempt, Delivery
from crm.api.permissions import AdminOnly
from crm.api.serializers import StrictModelSerializer, StrictSerializer, UtcDateTimeField
from crm.api.viewsets import ReadOnlyResource

MOST_IDS = 1000


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class HeaderPairs(serializers.Field[Any, Any, dict[str, str], Any]):
    """`{name: value}`; several of one name are joined with a comma, as HTTP allows."""

    def to_representation(self, pairs: list[tuple[str, str]]) -> dict[str, str]:
        values = defaultdict(list)
        for name, value in pairs:
            values[name].append(value)
        return {name: ", ".join(several) for name, several in values.items()}


@extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
class Timings(serializers.JSONField):
    """Milliseconds: `dns`, `connect`, `tls`, `first_byte`, `total`."""


class AttemptSerializer(StrictModelSerializer[Attempt]):
    timings = Timings(read_only=True)
    request_headers = HeaderPairs(read_only=True)
    response_headers = HeaderPairs(read_only=True)

    class Meta:
        model = Attempt
        fields = (
            "number",
            "trigger",
            "started_at",
            "duration_ms",
            "timings",
            "url",
            "resolved_ip",
            "status_code",
            "error_code",
            "request_headers",
            "response_headers",
            "response_body",
            "truncated",
        )
        read_only_fields = fields


class DeliverySerializer(StrictModelSerializer[Delivery]):
    next_attempt_at = serializers.SerializerMethodField()
    payload = serializers.SerializerMethodField()

    class Meta:
        model = Delivery
        fields: tuple[str, ...] = (
            "id",
            "event",
            "rule",
            "destination",
            "deal",
            "state",
            "attempts_made",
            "status_code",
            "error_code",
            "next_attempt_at",
            "created_at",
            "delivered_at",
            "payload",
        )
        read_only_fields = fields

    @extend_schema_field(UtcDateTimeField(allow_null=True))
    def get_next_attempt_at(self, delivery: Delivery) -> str | None:
        waits = delivery.state == Delivery.State.PENDING
        return UtcDateTimeField().to_representation(delivery.due_at) if waits else None

    def get_payload(self, delivery: Delivery) -> dict[str, Any]:
        payload: dict[str, Any] = json.loads(bytes(delivery.body))
        return payload


class WholeDeliverySerializer(DeliverySerializer):
    """With its attempts, newest first."""

    attempts = AttemptSerializer(many=True, read_only=True)

    class Meta(DeliverySerializer.Meta):
        fields = (*DeliverySerializer.Meta.fields, "attempts")
        read_only_fields = fields


class BulkResendSerializer(StrictSerializer):
    """Either `ids` or `filter`, which takes what the list's filters take."""

    ids = serializers.ListField(child=serializers.CharField(), max_length=MOST_IDS, required=False)
    filter = serializers.DictField(required=False, allow_empty=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise ValidationError(_("Give either “ids” or “filter”."))
        return attrs


class ResentSerializer(serializers.Serializer[Any]):
    resent = serializers.IntegerField()


class DeliveryViewSet(ReadOnlyResource[Delivery]):
    queryset = Delivery.objects.all()
    serializer_class = DeliverySerializer
    permission_classes = [AdminOnly]
    lookup_value_regex = r"[a-z0-9_]+"
    filterset_class = DeliveryFilter
    ordering = ("-id",)
    ordering_fields = ("id", "created_at")

    def get_serializer_class(self) -> type[DeliverySerializer]:
        return DeliverySerializer if self.action == "list" else WholeDeliverySerializer

    @extend_schema(request=None, responses=WholeDeliverySerializer)
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: str) -> Response:
        """Send again: same id, same bytes. A waiting delivery is sent at once."""
        resent = resend_delivery(delivery_id=self.get_object().pk)
        return Response(self.get_serializer(resent).data)

    @extend_schema(request=None, responses=WholeDeliverySerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        cancelled = cancel_delivery(delivery_id=self.get_object().pk)
        return Response(self.get_serializer(cancelled).data)

    @extend_schema(request=BulkResendSerializer, responses=ResentSerializer)
    @action(detail=False, methods=["post"])
    def bulk_resend(self, request: Request) -> Response:
        asked = BulkResendSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response({"resent": resend_many(deliveries=chosen_by(**asked.validated_data))})


def chosen_by(
    *,
    ids: Sequence[str] = (),
    filter: Mapping[str, Any] | None = None,  # noqa: A002  # its name in the API
) -> QuerySet[Delivery]:
    """The deliveries with these ids, or those that fit the list's filters. Raises ValidationError for a filter or
    a value that does not exist.
    """
    if filter is None:
        return Delivery.objects.filter(pk__in=ids)
    unknown = filter.keys() - DeliveryFilter.base_filters.keys()
    if unknown:
        raise ValidationError({"filter": [_("There is no such filter: %s.") % ", ".join(sorted(unknown))]})
    chosen = DeliveryFilter(data=filter, queryset=Delivery.objects.all())
    if not chosen.is_valid():
        raise ValidationError({"filter": dict(chosen.errors)})
    deliveries: QuerySet[Delivery] = chosen.qs
    return deliveries
