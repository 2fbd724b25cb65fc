"""`activities/`, `calls/` and `subscriptions/`: what hangs on a deal is seen by whoever sees the deal."""

from typing import Any, ClassVar, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from crm.activities import create_activity, delete_activity, update_activity
from crm.announcements import announce_deals
from crm.api.serializers import StrictModelSerializer, VisibleDealField
from crm.api.viewsets import WritableResource
from crm.calls import create_call, update_call
from crm.models import Activity, Call, Deal, Subscription
from crm.recordings import retry
from crm.sounds import sound_response

_Row = TypeVar("_Row", bound=Model)


class _OfADeal(WritableResource[_Row]):
    """Rows of deals the caller sees, and rows of no deal; open boards are told of each change to a deal."""

    def get_queryset(self) -> QuerySet[_Row]:
        visible = Deal.objects.visible_to(self.user).order_by().values("pk")
        return super().get_queryset().filter(Q(deal=None) | Q(deal__in=visible))

    @transaction.atomic
    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        self._announce(serializer.save())

    @transaction.atomic
    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        self._announce(serializer.save())

    @transaction.atomic
    def perform_destroy(self, instance: _Row) -> None:
        self._announce(instance)
        instance.delete()

    def _announce(self, row: Any) -> None:
        deal: Deal | None = row.deal
        if deal:
            announce_deals(pipelines=[deal.pipeline_id], stages=[], deals=[deal.pk], actor=self.actor)


class ActivitySerializer(StrictModelSerializer[Activity]):
    deal = VisibleDealField(required=False, allow_null=True, help_text="or else a contact")

    class Meta:
        model = Activity
        fields = (
            "id",
            "deal",
            "contact",
            "kind",
            "subject",
            "body",
            "due_at",
            "done_at",
            "reminder",
            "assignee",
        )
        extra_kwargs: ClassVar = {
            "reminder": {"help_text": "minutes before due_at at which the assignee is told; null for never"}
        }

    def create(self, validated_data: dict[str, Any]) -> Activity:
        return create_activity(fields=validated_data, actor=self.context["view"].actor)

    def update(self, instance: Activity, validated_data: dict[str, Any]) -> Activity:
        actor = self.context["view"].actor
        return update_activity(activity_id=instance.pk, fields=validated_data, actor=actor)


class ActivityFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    done = filters.BooleanFilter(field_name="done_at", lookup_expr="isnull", exclude=True)
    due_after = filters.IsoDateTimeFilter(field_name="due_at", lookup_expr="gte")
    due_before = filters.IsoDateTimeFilter(field_name="due_at", lookup_expr="lt")
    overdue = filters.BooleanFilter(method="narrow_to_overdue")

    class Meta:
        model = Activity
        fields: ClassVar = ["deal", "contact", "kind", "assignee"]

    def narrow_to_overdue(
        self,
        rows: QuerySet[Activity],
        _name: str,
        wanted: bool,
    ) -> QuerySet[Activity]:
        late = Q(done_at=None, due_at__lt=timezone.now())
        return rows.filter(late) if wanted else rows.exclude(late)


class ActivityViewSet(WritableResource[Activity]):
    queryset = Activity.objects.select_related("deal")
    serializer_class = ActivitySerializer
    filterset_class = ActivityFilter
    search_fields = ("subject", "body")
    ordering = ("-created_at",)
    ordering_fields = ("id", "due_at", "done_at", "created_at")

    def get_queryset(self) -> QuerySet[Activity]:
        return Activity.objects.visible_to(self.user).select_related("deal")

    def perform_destroy(self, instance: Activity) -> None:
        delete_activity(activity_id=instance.pk, actor=self.actor)


class CallSerializer(StrictModelSerializer[Call]):
    deal = VisibleDealField(required=False, allow_null=True)
    recording_file = serializers.SerializerMethodField(help_text="where a kept recording is")

    class Meta:
        model = Call
        fields = (
            "id",
            "deal",
            "contact",
            "direction",
            "from_number",
            "to_number",
            "started_at",
            "duration_seconds",
            "status",
            "recording_url",
            "recording_file",
            "recording_state",
            "external_id",
            "agent",
        )
        read_only_fields = ("recording_state",)
        extra_kwargs: ClassVar = {"direction": {"required": True, "allow_blank": False}}

    def get_recording_file(self, call: Call) -> str | None:
        kept = call.recording_state == Call.RecordingState.KEPT
        return f"{settings.PUBLIC_URL}/api/v1/calls/{call.pk}/recording/" if kept else None

    def create(self, validated_data: dict[str, Any]) -> Call:
        return create_call(fields=validated_data, actor=self.context["view"].actor)

    def update(self, instance: Call, validated_data: dict[str, Any]) -> Call:
        return update_call(call_id=instance.pk, fields=validated_data, actor=self.context["view"].actor)


class CallViewSet(_OfADeal[Call]):
    queryset = Call.objects.select_related("deal")
    serializer_class = CallSerializer
    filterset_fields = ("deal", "contact", "direction", "agent", "external_id")
    search_fields = ("from_number", "to_number", "external_id")
    ordering = ("-id",)
    ordering_fields = ("id", "started_at", "duration_seconds")

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # DRF's signature
        """A recording is what it is, whatever a player says it accepts."""
        return super().perform_content_negotiation(request, force or self.action == "recording")

    @extend_schema(responses={(200, "audio/*"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def recording(self, request: Request, pk: str) -> HttpResponseBase:
        """The kept recording, whole or one range of it."""
        call = get_object_or_404(Call.objects.audible_to(self.user), pk=self.get_object().pk)
        return sound_response(request._request, call)  # noqa: SLF001  # the request itself, which DRF wraps

    @extend_schema(request=None, responses=CallSerializer)
    @action(detail=True, methods=["post"])
    def retry_recording(self, request: Request, pk: str) -> Response:
        """Download once more what could not be downloaded."""
        retry(call_id=self.get_object().pk, now=timezone.now())
        return Response(self.get_serializer(self.get_object()).data)


class SubscriptionSerializer(StrictModelSerializer[Subscription]):
    deal = VisibleDealField(required=False, allow_null=True)

    class Meta:
        model = Subscription
        fields = (
            "id",
            "deal",
            "company",
            "plan",
            "status",
            "amount",
            "currency",
            "renews_on",
            "external_id",
        )


class SubscriptionFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    renews_before = filters.DateFilter(field_name="renews_on", lookup_expr="lt")

    class Meta:
        model = Subscription
        fields: ClassVar = ["deal", "company", "status", "external_id"]


class SubscriptionViewSet(_OfADeal[Subscription]):
    queryset = Subscription.objects.select_related("deal")
    serializer_class = SubscriptionSerializer
    filterset_class = SubscriptionFilter
    search_fields = ("plan", "external_id")
    ordering = ("renews_on",)
    ordering_fields = ("id", "renews_on", "amount", "created_at")
