"""`deliveries/`: the log, sending again, calling off."""

import json
from collections import defaultdict
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from automations.deliveries import cancel_delivery, cancel_many, resend_delivery
from automations.filters import DeliveryFilter, UnknownFilter, filter_deliveries
from automations.jobs import cancel_job, start_resend
from automations.models import Attempt, Delivery, ResendJob
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

    @extend_schema_field({"description": "null where it is not kept; text where it is not JSON"})
    def get_payload(self, delivery: Delivery) -> Any:
        if not delivery.body:
            return None
        text = bytes(delivery.body).decode()
        return json.loads(text) if delivery.content_type == "application/json" else text


class WholeDeliverySerializer(DeliverySerializer):
    """With its attempts, newest first."""

    attempts = AttemptSerializer(many=True, read_only=True)

    class Meta(DeliverySerializer.Meta):
        fields = (*DeliverySerializer.Meta.fields, "attempts")
        read_only_fields = fields


class ChosenSerializer(StrictSerializer):
    """Either `ids` or `filter`, which takes what the list's filters take."""

    ids = serializers.ListField(child=serializers.CharField(), max_length=MOST_IDS, required=False)
    filter = serializers.DictField(required=False, allow_empty=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise ValidationError(_("Give either “ids” or “filter”."))
        return attrs


class ResentSerializer(serializers.Serializer[Any]):
    """`total` were chosen, `resent` of them are sent again by now; `without_body` have nothing left to send."""

    resent = serializers.IntegerField()
    total = serializers.IntegerField()
    without_body = serializers.IntegerField()
    job = serializers.IntegerField()


class CancelledSerializer(serializers.Serializer[Any]):
    cancelled = serializers.IntegerField()


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

    @extend_schema(request=ChosenSerializer, responses={200: ResentSerializer, 202: ResentSerializer})
    @action(detail=False, methods=["post"])
    def bulk_resend(self, request: Request) -> Response:
        """Send many again. 202 where there are more than could be sent at once: the job goes on with them."""
        job = start_resend(chosen=chosen_by(request), by=self.user)
        is_done = job.state == ResendJob.State.DONE
        answer = {"resent": job.resent, "total": job.total, "without_body": job.without_body, "job": job.pk}
        return Response(answer, status=status.HTTP_200_OK if is_done else status.HTTP_202_ACCEPTED)

    @extend_schema(request=ChosenSerializer, responses=CancelledSerializer)
    @action(detail=False, methods=["post"])
    def bulk_cancel(self, request: Request) -> Response:
        """Call off what waits among many."""
        chosen = chosen_by(request)
        rows = Delivery.objects.all()
        found = rows.filter(pk__in=chosen["ids"]) if "ids" in chosen else filtered(rows, chosen["filter"])
        return Response({"cancelled": cancel_many(deliveries=found)})


def chosen_by(request: Request) -> dict[str, Any]:
    """What the body names, `{"ids"}` or `{"filter"}`. Raises ValidationError."""
    asked = ChosenSerializer(data=request.data)
    asked.is_valid(raise_exception=True)
    chosen: dict[str, Any] = asked.validated_data
    if "filter" in chosen:
        filtered(Delivery.objects.none(), chosen["filter"])
    return chosen


def filtered(rows: QuerySet[Delivery], words: dict[str, Any]) -> QuerySet[Delivery]:
    try:
        return filter_deliveries(rows, words)
    except UnknownFilter as error:
        raise ValidationError({"filter": [str(error)]}) from error


class ResendJobSerializer(StrictModelSerializer[ResendJob]):
    class Meta:
        model = ResendJob
        fields = (
            "id",
            "chosen",
            "trigger",
            "state",
            "total",
            "looked_at",
            "resent",
            "without_body",
            "created_by",
            "created_at",
            "finished_at",
        )
        read_only_fields = fields


class ResendJobViewSet(ReadOnlyResource[ResendJob]):
    queryset = ResendJob.objects.all()
    serializer_class = ResendJobSerializer
    permission_classes = [AdminOnly]
    ordering = ("-id",)
    ordering_fields = ("id", "created_at")

    @extend_schema(request=None, responses=ResendJobSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop it where it is; what was sent again stays so."""
        return Response(self.get_serializer(cancel_job(job_id=self.get_object().pk)).data)
