"""`rules/`: what is sent when, a look ahead, and why a rule would act or not."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from automations.answers import explain_rule
from automations.manual import run_rule, runnable_rules
from automations.models import Delivery, Destination, Rule
from automations.rules import create_rule, delete_rule, preview_rule, take, update_rule
from crm.api.permissions import AdminOnly, Everybody
from crm.api.serializers import StrictModelSerializer, StrictSerializer, VisibleDealField
from crm.api.viewsets import WritableResource

STANDARD_PAYLOAD = {"mode": "standard"}


class RuleSerializer(StrictModelSerializer[Rule]):
    destination = serializers.PrimaryKeyRelatedField(queryset=Destination.objects.present())

    class Meta:
        model = Rule
        fields: tuple[str, ...] = (
            "id",
            "name",
            "enabled",
            "event",
            "pipeline",
            "stage",
            "from_stage",
            "fields",
            "days",
            "conditions",
            "destination",
            "payload",
            "delay_seconds",
            "if_left",
            "sending_window",
            "position",
        )

    def to_representation(self, instance: Rule) -> dict[str, Any]:
        shown = super().to_representation(instance)
        return {**shown, "payload": shown["payload"] or STANDARD_PAYLOAD}

    def create(self, validated_data: dict[str, Any]) -> Rule:
        return create_rule(fields=validated_data, by=self.context["view"].user)

    def update(self, instance: Rule, validated_data: dict[str, Any]) -> Rule:
        return update_rule(rule_id=instance.pk, fields=validated_data)


class RuleOfDealSerializer(RuleSerializer):
    """A rule that need not exist, and the deal to try it with."""

    name = serializers.CharField(default="-", max_length=120)
    deal = VisibleDealField(write_only=True)

    class Meta(RuleSerializer.Meta):
        fields = (*RuleSerializer.Meta.fields, "deal")


class CheckSerializer(serializers.Serializer[Any]):
    check = serializers.CharField()
    passed = serializers.BooleanField()


class PreviewSerializer(serializers.Serializer[Any]):
    matches = serializers.BooleanField()
    checks = CheckSerializer(many=True)
    payload = serializers.JSONField(help_text="null where the payload cannot be made; a check says why")


class ForDealSerializer(StrictSerializer):
    deal = VisibleDealField()


class SentSerializer(serializers.ModelSerializer[Delivery]):
    class Meta:
        model = Delivery
        fields = ("id", "state", "created_at")


class ExplanationSerializer(serializers.Serializer[Any]):
    """What a rule makes of a deal as it is now, and what it has sent for it, newest first."""

    matches = serializers.BooleanField()
    checks = CheckSerializer(many=True)
    deliveries = SentSerializer(many=True)


class RuleViewSet(WritableResource[Rule]):
    queryset = Rule.objects.present().select_related("destination")
    serializer_class = RuleSerializer
    permission_classes = [AdminOnly]
    filterset_fields = ("enabled", "event", "pipeline", "stage", "destination")
    search_fields = ("name",)
    ordering = ("position",)
    ordering_fields = ("id", "position", "name", "created_at")

    def perform_destroy(self, instance: Rule) -> None:
        delete_rule(rule_id=instance.pk)

    @extend_schema(request=RuleOfDealSerializer, responses=PreviewSerializer)
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """What a rule, saved or not, would do with a deal. Nothing is written or sent."""
        asked = RuleOfDealSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        fields = dict(asked.validated_data)
        deal = fields.pop("deal")
        rule = Rule()
        take(rule, fields)
        return Response(PreviewSerializer(preview_rule(rule=rule, deal=deal)).data)

    @extend_schema(request=ForDealSerializer, responses=SentSerializer)
    @action(detail=True, methods=["post"], permission_classes=[Everybody], filterset_fields=())
    def run(self, request: Request, pk: str) -> Response:
        """Run a rule that is run by hand, for a deal that the caller sees."""
        asked = ForDealSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        rule = get_object_or_404(runnable_rules(), pk=pk)
        delivery = run_rule(rule_id=rule.pk, deal_id=asked.validated_data["deal"].pk, actor=self.actor)
        return Response(SentSerializer(delivery).data)

    @extend_schema(parameters=[OpenApiParameter("deal", int, required=True)], responses=ExplanationSerializer)
    @action(detail=True, filterset_fields=())
    def explain(self, request: Request, pk: str) -> Response:
        asked = ForDealSerializer(
            data={"deal": request.query_params.get("deal")}, context=self.get_serializer_context()
        )
        asked.is_valid(raise_exception=True)
        rule, deal = self.get_object(), asked.validated_data["deal"]
        answer = explain_rule(rule=rule, deal=deal)
        explanation = {
            "matches": answer.matches,
            "checks": answer.checks,
            "deliveries": rule.deliveries.filter(deal=deal).order_by("-id")[:20],
        }
        return Response(ExplanationSerializer(explanation).data)
