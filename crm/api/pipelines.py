"""`pipelines/`, `stages/` and `custom_fields/`: the shape of the board and of its cards. Administrators write them."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from crm.api.permissions import AdminsWrite
from crm.api.serializers import StrictModelSerializer
from crm.api.viewsets import WritableResource
from crm.custom_field_deletion import delete_custom_field
from crm.models import CustomField, Pipeline, Stage
from crm.stages import delete_pipeline, delete_stage, requirable_fields


class StageSerializer(StrictModelSerializer[Stage]):
    required_fields = serializers.ListField(child=serializers.CharField(), required=False)

    class Meta:
        model = Stage
        fields = (
            "id",
            "pipeline",
            "name",
            "position",
            "probability",
            "rotting_days",
            "required_fields",
            "card_limit",
            "limit_is_hard",
            "may_go_back",
            "may_enter",
        )

    def validate_pipeline(self, pipeline: Pipeline) -> Pipeline:
        if self.instance and self.instance.pipeline_id != pipeline.pk:
            raise ValidationError(_("A stage stays in its pipeline."))
        return pipeline

    def validate_required_fields(self, names: list[str]) -> list[str]:
        """Fields of a deal by their names in the API; added fields as `custom_fields.<key>`."""
        known = requirable_fields().keys()
        if unknown := sorted(set(names) - known):
            raise ValidationError(_("A deal has no field %(names)s.") % {"names": ", ".join(unknown)})
        return list(dict.fromkeys(names))


class StageViewSet(WritableResource[Stage]):
    queryset = Stage.objects.all()
    serializer_class = StageSerializer
    permission_classes = [AdminsWrite]
    filterset_fields = ("pipeline",)
    search_fields = ("name",)
    ordering = ("position",)
    ordering_fields = ("id", "name", "position")

    def perform_destroy(self, instance: Stage) -> None:
        """Where no deal is in it any more; its rules go with it."""
        delete_stage(stage=instance, move_to=None, actor=self.actor)


class PipelineSerializer(StrictModelSerializer[Pipeline]):
    stages = StageSerializer(many=True, read_only=True)

    class Meta:
        model = Pipeline
        fields = ("id", "name", "position", "archived", "stages")


class PipelineViewSet(WritableResource[Pipeline]):
    queryset = Pipeline.objects.prefetch_related("stages")
    serializer_class = PipelineSerializer
    permission_classes = [AdminsWrite]
    filterset_fields = ("archived",)
    search_fields = ("name",)
    ordering = ("position",)
    ordering_fields = ("id", "name", "position")

    def perform_destroy(self, instance: Pipeline) -> None:
        """Where no deal is in it any more; its stages and rules go with it."""
        delete_pipeline(pipeline=instance, actor=self.actor)


class CustomFieldSerializer(StrictModelSerializer[CustomField]):
    options = serializers.ListField(child=serializers.CharField(), required=False)

    class Meta:
        model = CustomField
        fields = ("id", "entity", "key", "label", "type", "options", "required")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """What values already rest on stays as it is."""
        if self.instance:
            fixed = [
                name
                for name in ("entity", "key", "type")
                if name in attrs and attrs[name] != getattr(self.instance, name)
            ]
            if fixed:
                raise ValidationError(
                    dict.fromkeys(fixed, _("This cannot be changed once values rest on it."))
                )
        return attrs


class CustomFieldViewSet(WritableResource[CustomField]):
    queryset = CustomField.objects.all()
    serializer_class = CustomFieldSerializer
    permission_classes = [AdminsWrite]
    filterset_fields = ("entity",)
    search_fields = ("key", "label")
    ordering_fields = ("id", "key", "label", "position")

    def perform_destroy(self, instance: CustomField) -> None:
        delete_custom_field(field=instance)
