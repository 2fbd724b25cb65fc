"""`inbound_requests/`: everything that ever came, and applying it once more."""

from decimal import Decimal
from typing import Any

from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from crm.api.permissions import AdminOnly
from crm.api.serializers import StrictModelSerializer, StrictSerializer
from crm.api.viewsets import ReadOnlyResource
from webhooks.api.endpoints import ProblemSerializer
from webhooks.models import InboundRequest
from webhooks.models.requests import RequestQuerySet
from webhooks.replays import replay
from webhooks.review import decide


@extend_schema_field(OpenApiTypes.STR)
class BodyField(serializers.Field[bytes, Any, str, Any]):
    """The body as text; bytes that are not UTF-8 are shown as replacement characters."""

    def to_representation(self, value: bytes) -> str:
        return bytes(value).decode(errors="replace")


class RequestSerializer(StrictModelSerializer[InboundRequest]):
    body = BodyField(read_only=True)
    deal = serializers.IntegerField(source="deal_id", read_only=True, allow_null=True)
    changes = serializers.DictField(
        child=serializers.ListField(child=serializers.JSONField()), read_only=True
    )
    headers = serializers.DictField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = InboundRequest
        fields = (
            "id",
            "endpoint",
            "received_at",
            "state",
            "reason",
            "detail",
            "dedupe_key",
            "errors",
            "changes",
            "deal",
            "first_request",
            "method",
            "query",
            "headers",
            "content_type",
            "body",
            "remote_address",
            "tries",
            "processed_at",
        )
        read_only_fields = fields

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`errors` is made here because serializers have an attribute of that name."""
        return {**super().get_fields(), "errors": ProblemSerializer(many=True, read_only=True)}


class DecisionSerializer(StrictSerializer):
    deal = serializers.IntegerField(min_value=1, allow_null=True, help_text="null for a new one")
    record = serializers.IntegerField(min_value=0, default=0, help_text="which record of the request, from 0")


class RequestFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    received_after = filters.IsoDateTimeFilter(field_name="received_at", lookup_expr="gt")
    deal = filters.NumberFilter(method="about_deal")

    class Meta:
        model = InboundRequest
        fields = ("endpoint", "state", "deal", "received_after")

    def about_deal(self, requests: RequestQuerySet, _name: str, value: Decimal) -> RequestQuerySet:
        return requests.of_deal(int(value))


class RequestViewSet(ReadOnlyResource[InboundRequest]):
    queryset = InboundRequest.objects.all()
    serializer_class = RequestSerializer
    permission_classes = [AdminOnly]
    lookup_value_regex = r"[a-z0-9_]+"
    filterset_class = RequestFilter
    ordering = ("-received_at",)
    ordering_fields = ("received_at",)

    @extend_schema(request=None, responses=RequestSerializer)
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str) -> Response:
        """Apply it once more, now that what stood in its way is mended."""
        replayed = replay(request_id=self.get_object().pk, now=timezone.now())
        return Response(self.get_serializer(replayed).data)

    @extend_schema(request=DecisionSerializer, responses=RequestSerializer)
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, pk: str) -> Response:
        """Say which deal is meant by a request that waits for it (state `received`, reason `review`)."""
        asked = DecisionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        decided = decide(
            request_id=self.get_object().pk,
            number=asked.validated_data["record"],
            deal_id=asked.validated_data["deal"],
            now=timezone.now(),
        )
        return Response(self.get_serializer(decided).data)
