"""`tags/`, `sources/` and `lost_reasons/`. Tags are everybody's, the other two part of the configuration."""

from crm.api.permissions import AdminsWrite
from crm.api.serializers import StrictModelSerializer
from crm.api.viewsets import WritableResource
from crm.models import LostReason, Source, Tag


class TagSerializer(StrictModelSerializer[Tag]):
    class Meta:
        model = Tag
        fields = ("id", "name")


class TagViewSet(WritableResource[Tag]):
    queryset = Tag.objects.all()
    serializer_class = TagSerializer
    search_fields = ("name",)
    ordering = ("name",)
    ordering_fields = ("id", "name")


class SourceSerializer(StrictModelSerializer[Source]):
    class Meta:
        model = Source
        fields = ("id", "name")


class SourceViewSet(WritableResource[Source]):
    queryset = Source.objects.all()
    serializer_class = SourceSerializer
    permission_classes = [AdminsWrite]
    search_fields = ("name",)
    ordering = ("name",)
    ordering_fields = ("id", "name")


class LostReasonSerializer(StrictModelSerializer[LostReason]):
    class Meta:
        model = LostReason
        fields = ("id", "name", "archived")


class LostReasonViewSet(WritableResource[LostReason]):
    queryset = LostReason.objects.all()
    serializer_class = LostReasonSerializer
    permission_classes = [AdminsWrite]
    filterset_fields = ("archived",)
    search_fields = ("name",)
    ordering = ("name",)
    ordering_fields = ("id", "name")
