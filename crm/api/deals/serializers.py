"""Deals and what is asked of them as JSON. Every write goes through `crm.deals`."""

from typing import Any, ClassVar

from rest_framework import serializers

from crm.api.serializers import (
    CustomFieldValues,
    ExternalIds,
    StrictModelSerializer,
    StrictSerializer,
    TagNames,
    UtcDateTimeField,
)
from crm.deals import create_deal, update_deal
from crm.models import Deal, LostReason, Stage


class DealSerializer(StrictModelSerializer[Deal]):
    stage = serializers.PrimaryKeyRelatedField(queryset=Stage.objects.select_related("pipeline"))
    tags = TagNames(required=False)
    custom_fields = CustomFieldValues(required=False)
    external_ids = ExternalIds(required=False)

    class Meta:
        model = Deal
        fields = (
            "id",
            "title",
            "stage",
            "pipeline",
            "status",
            "value",
            "currency",
            "owner",
            "contact",
            "company",
            "source",
            "tags",
            "expected_close_on",
            "lost_reason",
            "custom_fields",
            "external_ids",
            "version",
            "stage_entered_at",
            "closed_at",
            "created_at",
            "updated_at",
        )
        read_only_fields = (
            "pipeline",
            "status",
            "version",
            "stage_entered_at",
            "closed_at",
            "created_at",
            "updated_at",
        )

    def create(self, validated_data: dict[str, Any]) -> Deal:
        """A new deal; a rep's belongs to the rep, who else would not see it."""
        view = self.context["view"]
        if not view.user.sees_all_deals:
            validated_data.setdefault("owner", view.user)
        stage, title = validated_data.pop("stage"), validated_data.pop("title")
        return create_deal(actor=view.actor, stage=stage, title=title, fields=validated_data)

    def update(self, instance: Deal, validated_data: dict[str, Any]) -> Deal:
        stage = validated_data.pop("stage", None)
        actor = self.context["view"].actor
        return update_deal(deal_id=instance.pk, actor=actor, stage=stage, fields=validated_data)


class VersionSerializer(StrictSerializer):
    """`version` is the one the caller saw; where the deal has moved on, nothing is done."""

    version = serializers.IntegerField(required=False, allow_null=True, min_value=1)


class MoveSerializer(VersionSerializer):
    """`before` and `after` are the deals between which it is put; without them it goes on top."""

    stage = serializers.PrimaryKeyRelatedField(queryset=Stage.objects.select_related("pipeline"))
    before = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    after = serializers.IntegerField(required=False, allow_null=True, min_value=1)


class WinSerializer(VersionSerializer):
    """What it was worth in the end, and an earlier day on which it was won; else its value, and today."""

    value = serializers.DecimalField(max_digits=14, decimal_places=2, min_value=0, required=False)
    closed_on = serializers.DateField(required=False)


class LoseSerializer(VersionSerializer):
    lost_reason = serializers.PrimaryKeyRelatedField(queryset=LostReason.objects.all())
    note = serializers.CharField(required=False, allow_blank=True)


class BulkMoveSerializer(StrictSerializer):
    MOST: ClassVar = 1000

    deals = serializers.ListField(
        child=serializers.IntegerField(min_value=1), allow_empty=False, max_length=MOST
    )
    stage = serializers.PrimaryKeyRelatedField(queryset=Stage.objects.select_related("pipeline"))


class MovedSerializer(serializers.Serializer[Any]):
    """How many deals were not in the stage already."""

    moved = serializers.IntegerField()


class TimelineEntrySerializer(serializers.Serializer[Any]):
    """One line of a deal's story; `url` leads to the whole of it, where there is more and the caller may read it."""

    at = UtcDateTimeField()
    icon = serializers.CharField()
    text = serializers.CharField()
    detail = serializers.CharField(source="aside")
    url = serializers.CharField()
    tone = serializers.ChoiceField(["ok", "warn", "bad", "neutral"])


class TimelineSerializer(serializers.Serializer[Any]):
    """A page, in the shape of all lists; there is one page only."""

    next = serializers.CharField(allow_null=True, default=None)
    previous = serializers.CharField(allow_null=True, default=None)
    results = TimelineEntrySerializer(many=True)
