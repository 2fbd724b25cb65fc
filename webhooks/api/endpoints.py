"""`inbound_endpoints/`: where other systems post to. A secret is shown once, when it is made."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from crm.api.permissions import AdminOnly
from crm.api.serializers import StrictModelSerializer, StrictSerializer
from crm.api.viewsets import WritableResource
from crm.models import Pipeline, Source, Stage, User
from webhooks.bodies import is_readable
from webhooks.endpoints import (
    create_endpoint,
    delete_endpoint,
    rotate_secret,
    rotate_url,
    update_endpoint,
)
from webhooks.handling import MATCHING, WRITING, matching_of, writing_of
from webhooks.models import InboundEndpoint, InboundRequest, ReplayJob
from webhooks.presets import list_presets
from webhooks.preview import preview
from webhooks.problems import in_readers_language
from webhooks.replays import start_replay
from webhooks.verification import SCHEMES
from webhooks.verification.recipes import ALGORITHMS, ENCODINGS

DAY = 86_400


class DefaultsSerializer(StrictSerializer):
    """What stands in where a document that makes a deal does not say."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Made here because serializers have an attribute called `source`."""
        return {
            name: serializers.PrimaryKeyRelatedField(
                source=f"default_{name}", queryset=rows, allow_null=True, required=False
            )
            for name, rows in (
                ("pipeline", Pipeline.objects.all()),
                ("stage", Stage.objects.all()),
                ("owner", User.objects.filter(is_active=True)),
                ("source", Source.objects.all()),
            )
        }


@extend_schema_field(
    {
        "type": "object",
        "required": ["scheme"],
        "properties": {
            "scheme": {"enum": list(SCHEMES)},
            "secret": {"type": "string", "writeOnly": True, "description": "where left out, one is made"},
            "in": {"enum": ["header", "query"], "description": "of a token; header where left out"},
            "name": {"type": "string", "description": "of the token's header or parameter"},
            "prefix": {"type": "string", "description": "before a token or an hmac signature"},
            "username": {"type": "string", "description": "of basic"},
            "header": {"type": "string", "description": "hmac: where the signature is"},
            "field": {"type": "string", "description": "hmac: the path of a signature inside the body"},
            "algorithm": {"enum": list(ALGORITHMS)},
            "encoding": {"enum": list(ENCODINGS)},
            "template": {
                "type": "string",
                "description": "hmac: what is signed, of {body} {timestamp} {url} {method} {header:Name} {field:path}",
            },
            "timestamp_header": {"type": "string"},
            "signature_part": {"type": "string", "description": "hmac: in a header like t=1,v1=2 this is v1"},
            "timestamp_part": {"type": "string", "description": "hmac: in a header like t=1,v1=2 this is t"},
            "separator": {
                "type": "string",
                "description": "hmac: between such parts; a comma where left out",
            },
            "tolerance_seconds": {"type": "integer", "minimum": 1, "maximum": 3600, "default": 300},
            "verify_token": {"type": "string", "writeOnly": True, "description": "of meta's hub.challenge"},
        },
    }
)
class VerificationField(serializers.DictField):
    """`{"scheme", …}`; a secret in it can be written and never read again."""


@extend_schema_field(
    {
        "type": "object",
        "required": ["scheme"],
        "properties": {
            "scheme": {"enum": ["none", "basic", "bearer", "header", "query"]},
            "username": {"type": "string", "description": "of basic"},
            "name": {"type": "string", "description": "of the header or parameter"},
            "hosts": {
                "type": "array",
                "items": {"type": "string"},
                "description": "which the credentials may be sent to; *.example.com takes in every name below",
            },
            "secret": {"type": "string", "writeOnly": True, "description": "where left out, it stays"},
        },
    }
)
class RecordingAuthField(serializers.DictField):
    """How the recordings of its calls are fetched; a secret in it can be written and never read again."""


_EXPRESSION = {"type": "string", "description": "a JMESPath expression"}
_ONE_MAPPING = {
    "type": "object",
    "required": ["fields"],
    "properties": {
        "each": {
            **_EXPRESSION,
            "description": "leads to the list of records; the body is the one record without it",
        },
        "when": {**_EXPRESSION, "description": "holds for the records that are to be applied"},
        "otherwise": {"type": "string", "description": "what people are told of the others"},
        "fields": {
            "type": "object",
            "additionalProperties": _EXPRESSION,
            "description": "by the path of the native document, such as deal.title",
        },
        "only_if_empty": {
            "type": "array",
            "items": {"type": "string"},
            "description": "paths that are set only where there is nothing yet",
        },
    },
}


@extend_schema_field({"oneOf": [_ONE_MAPPING, {"type": "array", "items": _ONE_MAPPING}, {"type": "null"}]})
class MappingField(serializers.JSONField):
    """A mapping, or several of which the first whose `when` holds is used; null for native documents."""


def _settings_schema(choices: Mapping[str, Sequence[str]], **more: Any) -> dict[str, Any]:
    named = {name: {"enum": list(values), "default": values[0]} for name, values in choices.items()}
    return {"type": "object", "properties": {**named, **more}}


@extend_schema_field(_settings_schema(MATCHING))
class MatchingField(serializers.DictField):
    """Which deal is meant."""

    def to_representation(self, value: Any) -> Any:
        return matching_of(value)


@extend_schema_field(
    _settings_schema(
        WRITING,
        owners={
            "type": "array",
            "items": {"type": "integer"},
            "description": "who take turns; all sales reps where it is empty",
        },
    )
)
class WritingField(serializers.DictField):
    """How it is written to."""

    def to_representation(self, value: Any) -> Any:
        return writing_of(value)


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "keys": {
                "type": "array",
                "items": {"type": "string", "examples": ["header:X-Event-Id", "body:data.id"]},
            },
            "window_days": {"type": "integer", "minimum": 1, "maximum": 365, "default": 30},
            "ignore": {"type": "array", "items": {"type": "string"}},
        },
    }
)
class DedupeField(serializers.JSONField):
    """By what a repeat is recognised."""


@extend_schema_field(
    {
        "type": "object",
        "required": ["allowed_origins"],
        "properties": {
            "allowed_origins": {"type": "array", "items": {"type": "string"}},
            "honeypot": {"type": "string"},
            "redirect_url": {"type": "string", "format": "uri"},
            "rate_per_address": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10},
        },
    }
)
class LandingField(serializers.JSONField):
    """Which pages may post from their visitors' browsers."""


@extend_schema_field(
    {
        "type": "string",
        "maxLength": 40,
        "examples": [preset.key for preset in list_presets()],
        "description": "the system that sends; what is not given is taken from its preset",
    }
)
class PresetField(serializers.CharField):
    """Which preset it is made from; empty for none."""


class EndpointSerializer(StrictModelSerializer[InboundEndpoint]):
    preset = PresetField(required=False, allow_blank=True, max_length=40)
    verification = VerificationField(required=False)
    secret = serializers.CharField(source="new_secret", read_only=True, allow_null=True)
    recording_auth = RecordingAuthField(required=False)
    mapping = MappingField(required=False, allow_null=True)
    matching = MatchingField(required=False)
    writing = WritingField(required=False)
    dedupe = DedupeField(required=False, allow_null=True)
    landing = LandingField(required=False, allow_null=True)
    handshakes = serializers.ListField(
        child=serializers.ChoiceField(InboundEndpoint.Handshake.choices), required=False
    )
    defaults = DefaultsSerializer(source="*", required=False)
    allowed_networks = serializers.ListField(child=serializers.CharField(max_length=43), required=False)

    class Meta:
        model = InboundEndpoint
        fields = (
            "id",
            "name",
            "enabled",
            "setting_up",
            "url",
            "preset",
            "verification",
            "secret",
            "recording_auth",
            "mapping",
            "matching",
            "writing",
            "dedupe",
            "defaults",
            "response_mode",
            "allowed_networks",
            "rate_limit_per_minute",
            "max_body_bytes",
            "handshakes",
            "allow_get",
            "test_mode",
            "landing",
            "created_at",
        )
        read_only_fields = ("url", "created_at")

    def create(self, validated_data: dict[str, Any]) -> InboundEndpoint:
        return create_endpoint(fields=validated_data, created_by=self.context["view"].user)

    def update(self, instance: InboundEndpoint, validated_data: dict[str, Any]) -> InboundEndpoint:
        return update_endpoint(endpoint_id=instance.pk, fields=validated_data)


class SecretRotationSerializer(StrictSerializer):
    overlap_seconds = serializers.IntegerField(
        default=DAY, help_text="how long the former secret is honoured too; at most 7 days"
    )
    secret = serializers.CharField(
        required=False, trim_whitespace=False, help_text="the other system's; where left out, one is made"
    )


class TrialSerializer(StrictSerializer):
    payload = serializers.JSONField(help_text="the body as JSON, or its text as a string")
    content_type = serializers.CharField(default="application/json", max_length=200)
    headers = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="what `header()` in the mapping finds"
    )

    def validate_content_type(self, value: str) -> str:
        if not is_readable(value):
            raise serializers.ValidationError(InboundRequest.Reason.CONTENT_TYPE.label)
        return value


class TrialResultSerializer(serializers.Serializer[Any]):
    """What the request would come to; `deal` is null for one that would be made."""

    status = serializers.ChoiceField(InboundRequest.State.choices)
    reason = serializers.CharField()
    detail = serializers.CharField()
    deal = serializers.IntegerField(allow_null=True)
    candidates = serializers.ListField(child=serializers.IntegerField())
    changes = serializers.DictField(child=serializers.ListField(child=serializers.JSONField()))
    documents = serializers.ListField(child=serializers.JSONField())

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`errors` is added here because serializers have an attribute of that name."""
        return {**super().get_fields(), "errors": ProblemSerializer(many=True)}


class ReplaySerializer(StrictSerializer):
    since = serializers.DateTimeField(help_text="of what came since then; bodies are kept for 30 days")


class ReplayJobSerializer(serializers.ModelSerializer[ReplayJob]):
    """`looked_at` of `total` requests were tried, and `applied` of them applied."""

    class Meta:
        model = ReplayJob
        fields = ("id", "since", "state", "total", "looked_at", "applied", "created_at", "finished_at")


class ProblemSerializer(serializers.Serializer[Any]):
    """What is wrong, in the reader's language."""

    code = serializers.CharField()
    path = serializers.CharField(allow_blank=True)
    message = serializers.CharField()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        (shown,) = in_readers_language([instance])
        return shown


class EndpointViewSet(WritableResource[InboundEndpoint]):
    queryset = InboundEndpoint.objects.present().select_related(
        "default_pipeline", "default_stage", "default_owner", "default_source"
    )
    serializer_class = EndpointSerializer
    permission_classes = [AdminOnly]
    filterset_fields = ("enabled",)
    search_fields = ("name",)
    ordering_fields = ("id", "name", "created_at")

    def perform_destroy(self, instance: InboundEndpoint) -> None:
        delete_endpoint(endpoint_id=instance.pk)

    @extend_schema(request=None, responses=EndpointSerializer)
    @action(detail=True, methods=["post"])
    def rotate_url(self, request: Request, pk: str) -> Response:
        """Give it another address; the former one answers 404 from now on."""
        return self._answer(rotate_url(endpoint_id=self.get_object().pk))

    @extend_schema(request=SecretRotationSerializer, responses=EndpointSerializer)
    @action(detail=True, methods=["post"])
    def rotate_secret(self, request: Request, pk: str) -> Response:
        asked = SecretRotationSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        overlap = timedelta(seconds=asked.validated_data["overlap_seconds"])
        return self._answer(
            rotate_secret(
                endpoint_id=self.get_object().pk,
                overlap=overlap,
                now=timezone.now(),
                given=asked.validated_data.get("secret"),
            )
        )

    @extend_schema(request=TrialSerializer, responses=TrialResultSerializer)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, pk: str) -> Response:
        """What a request with this body would do, writing nothing."""
        asked = TrialSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        payload = asked.validated_data["payload"]
        body = payload if isinstance(payload, str) else json.dumps(payload)
        result = preview(
            endpoint=self.get_object(),
            body=body.encode(errors="surrogatepass"),
            content_type=asked.validated_data["content_type"],
            headers=asked.validated_data.get("headers", {}),
        )
        return Response(result)

    @extend_schema(methods=["get"], responses=ReplayJobSerializer(many=True))
    @extend_schema(methods=["post"], request=ReplaySerializer, responses={202: ReplayJobSerializer})
    @action(detail=True, methods=["get", "post"], pagination_class=None, filter_backends=[])
    def replays(self, request: Request, pk: str) -> Response:
        """POST applies anew what was rejected for its content, or given up, since a time; GET shows the last ten of
        these jobs.
        """
        endpoint = self.get_object()
        if request.method == "GET":
            return Response(ReplayJobSerializer(endpoint.replays.all()[:10], many=True).data)
        asked = ReplaySerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        job = start_replay(endpoint_id=endpoint.pk, since=asked.validated_data["since"], by=self.user)
        return Response(ReplayJobSerializer(job).data, status=202)

    def _answer(self, endpoint: InboundEndpoint) -> Response:
        return Response(self.get_serializer(endpoint).data)
