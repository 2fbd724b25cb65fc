"""`destinations/`: where to send. Values of headers and credentials can be written and never read again."""

from typing import Any

from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from automations.api.deliveries import AttemptSerializer
from automations.deliveries import DeliveryError
from automations.destinations import (
    create_destination,
    delete_destination,
    pause_destination,
    resume_destination,
    rotate_secret,
    update_destination,
)
from automations.health import probe_now
from automations.jobs import recover
from automations.models import Destination, Event
from automations.rendering import PayloadError
from automations.requests import MASK
from automations.trials import send_test
from crm.api.permissions import AdminOnly, AdminSecret
from crm.api.serializers import StrictModelSerializer, StrictSerializer, VisibleDealField
from crm.api.viewsets import WritableResource

DAY = 86_400


class MaskedField(serializers.DictField):
    """`{name: value}`. Values are shown masked; a masked value that is written back keeps the one that is there."""

    child = serializers.CharField(trim_whitespace=False, allow_blank=True)

    def to_representation(self, value: dict[str, str]) -> dict[str, str]:
        return dict.fromkeys(value, MASK)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        given: dict[str, str] = super().to_internal_value(data)
        instance = getattr(self.parent, "instance", None)
        kept = getattr(instance, str(self.field_name)) if isinstance(instance, Destination) else {}
        return {name: kept.get(name, value) if value == MASK else value for name, value in given.items()}


class DestinationSerializer(StrictModelSerializer[Destination]):
    headers = MaskedField(required=False)
    variables = MaskedField(
        required=False, help_text="values for the {names} in the URL's path and query, percent-encoded"
    )
    credentials = serializers.DictField(
        child=serializers.CharField(trim_whitespace=False),
        write_only=True,
        required=False,
        help_text="basic: username, password; bearer: token; header: name, value; "
        "oauth2: token_url, client_id, client_secret, scope (optional)",
    )
    client_certificate = serializers.CharField(
        write_only=True, required=False, allow_blank=True, help_text="certificate and private key, both PEM"
    )

    class Meta:
        model = Destination
        fields = (
            "id",
            "name",
            "url",
            "variables",
            "method",
            "headers",
            "auth",
            "credentials",
            "body_format",
            "ca_bundle",
            "client_certificate",
            "timeout_seconds",
            "rate_limit_per_second",
            "max_in_flight",
            "ordered",
            "retry_schedule",
            "stop_on_4xx",
            "status",
            "paired_endpoint",
            "failing_since",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("status", "failing_since")

    def validate_paired_endpoint(self, endpoint: Model | None) -> Model | None:
        if getattr(endpoint, "deleted_at", None):
            raise ValidationError(_("This endpoint was deleted."))
        return endpoint

    def create(self, validated_data: dict[str, Any]) -> Destination:
        return create_destination(fields=validated_data)

    def update(self, instance: Destination, validated_data: dict[str, Any]) -> Destination:
        return update_destination(destination_id=instance.pk, fields=validated_data)


class SecretSerializer(serializers.Serializer[Destination]):
    secret = serializers.CharField()


class RotationSerializer(StrictSerializer):
    overlap_seconds = serializers.IntegerField(
        default=DAY, help_text="how long requests carry the former secret's signature too; at most 7 days"
    )


class TestSerializer(StrictSerializer):
    event = serializers.ChoiceField(Event.choices)
    deal = VisibleDealField()


class ProbeSerializer(serializers.Serializer[None]):
    probed = serializers.BooleanField(help_text="false where nothing was to be probed")


class RecoverySerializer(StrictSerializer):
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(required=False)


class RecoveredSerializer(serializers.Serializer[None]):
    recovered = serializers.IntegerField()


class DestinationViewSet(WritableResource[Destination]):
    queryset = Destination.objects.present()
    serializer_class = DestinationSerializer
    permission_classes = [AdminOnly]
    search_fields = ("name", "url")
    ordering_fields = ("id", "name", "created_at")
    calls_out = frozenset({"test"})

    def perform_destroy(self, instance: Destination) -> None:
        delete_destination(destination_id=instance.pk)

    @extend_schema(responses=SecretSerializer)
    @action(detail=True, permission_classes=[AdminSecret])
    def secret(self, request: Request, pk: str) -> Response:
        return Response(SecretSerializer(self.get_object()).data)

    @extend_schema(request=RotationSerializer, responses=SecretSerializer)
    @action(detail=True, methods=["post"], permission_classes=[AdminSecret])
    def rotate_secret(self, request: Request, pk: str) -> Response:
        asked = RotationSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        rotated = rotate_secret(destination_id=self.get_object().pk, **asked.validated_data)
        return Response(SecretSerializer(rotated).data)

    @extend_schema(request=None, responses=DestinationSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        return self._answer(pause_destination(destination_id=self.get_object().pk))

    @extend_schema(request=None, responses=DestinationSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        return self._answer(resume_destination(destination_id=self.get_object().pk))

    @extend_schema(request=None, responses={202: ProbeSerializer})
    @action(detail=True, methods=["post"])
    def probe(self, request: Request, pk: str) -> Response:
        """End the pause of a failing destination: its one probe leaves now."""
        probed = probe_now(destination_id=self.get_object().pk, now=timezone.now())
        return Response({"probed": probed}, status=202)

    @extend_schema(request=RecoverySerializer, responses={202: RecoveredSerializer})
    @action(detail=True, methods=["post"])
    def recover(self, request: Request, pk: str) -> Response:
        """Send again, in the background, what failed for good since a time, at most 14 days ago."""
        asked = RecoverySerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            job = recover(destination_id=self.get_object().pk, by=self.user, **asked.validated_data)
        except DeliveryError as error:
            raise ValidationError({"since": [str(error)]}) from error
        return Response({"recovered": job.total}, status=202)

    @extend_schema(request=TestSerializer, responses=AttemptSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send an event now and once, marked as a test, and answer with the attempt."""
        asked = TestSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        try:
            delivery = send_test(
                destination_id=self.get_object().pk,
                event=Event(asked.validated_data["event"]),
                deal=asked.validated_data["deal"],
                actor=self.actor,
            )
        except PayloadError as error:
            raise ValidationError({"deal": [str(error)]}) from error
        return Response(AttemptSerializer(delivery.attempts.get()).data)

    def _answer(self, destination: Destination) -> Response:
        return Response(self.get_serializer(destination).data)
