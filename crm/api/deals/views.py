"""`deals/` and what can be done to a deal."""

from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import action
from rest_framework.filters import SearchFilter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from crm import deals
from crm.api.deals.filters import DealFilter
from crm.api.deals.serializers import (
    BulkMoveSerializer,
    DealSerializer,
    LoseSerializer,
    MovedSerializer,
    MoveSerializer,
    TimelineSerializer,
    VersionSerializer,
    WinSerializer,
)
from crm.api.pagination import StrictOrdering
from crm.api.schema import ErrorsSerializer
from crm.api.viewsets import WritableResource
from crm.history import deal_timeline
from crm.models import Deal, DealQuerySet

_Asked = TypeVar("_Asked", bound=type[Serializer[Any]])


class StaleSerializer(ErrorsSerializer):
    """The errors, and the deal as it is now."""

    deal = DealSerializer()


_ANSWERS = {
    200: DealSerializer,
    409: OpenApiResponse(
        StaleSerializer, description="The version is stale; `deal` is the deal as it is now."
    ),
    422: OpenApiResponse(
        ErrorsSerializer, description="Required fields are missing, or nothing would change."
    ),
}


class DealViewSet(WritableResource[Deal]):
    """Cards. What one may not see does not exist."""

    queryset = Deal.objects.prefetch_related("tags", "external_id_rows")
    serializer_class = DealSerializer
    filter_backends = [DealFilter, SearchFilter, StrictOrdering]
    search_fields = ("title", "contact__name", "company__name")
    ordering = ("-created_at",)
    ordering_fields = (
        "id",
        "title",
        "value",
        "expected_close_on",
        "stage_entered_at",
        "closed_at",
        "created_at",
        "updated_at",
    )

    def get_queryset(self) -> DealQuerySet:
        deals_of_all = super().get_queryset()
        assert isinstance(deals_of_all, DealQuerySet)  # noqa: S101  # narrows the type, nothing more
        return deals_of_all.visible_to(self.user)

    def perform_destroy(self, instance: Deal) -> None:
        deals.delete_deal(deal_id=instance.pk, actor=self.actor)

    @extend_schema(request=MoveSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: str) -> Response:
        """Move the deal to another stage, or to another place in its own."""
        deal, asked = self.get_object(), self._asked(MoveSerializer)
        return self._answer(deals.move_deal(deal_id=deal.pk, actor=self.actor, **asked))

    @extend_schema(request=WinSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def win(self, request: Request, pk: str) -> Response:
        """Close the deal as won, for another value or on an earlier day where they are given."""
        deal, asked = self.get_object(), self._asked(WinSerializer)
        return self._answer(deals.win_deal(deal_id=deal.pk, actor=self.actor, **asked))

    @extend_schema(request=LoseSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def lose(self, request: Request, pk: str) -> Response:
        """Close the deal as lost; a note goes into its timeline."""
        deal, asked = self.get_object(), self._asked(LoseSerializer)
        return self._answer(deals.lose_deal(deal_id=deal.pk, actor=self.actor, **asked))

    @extend_schema(request=VersionSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Open a closed deal again, in the stage it was in."""
        deal, asked = self.get_object(), self._asked(VersionSerializer)
        return self._answer(deals.reopen_deal(deal_id=deal.pk, actor=self.actor, **asked))

    @extend_schema(
        request=BulkMoveSerializer, responses={200: MovedSerializer, 422: ErrorsSerializer}, filters=False
    )
    @action(detail=False, methods=["post"])
    def bulk_move(self, request: Request) -> Response:
        """Move many deals on top of a stage, all or none; one that does not exist (for the caller) is 404."""
        asked = self._asked(BulkMoveSerializer)
        wanted = set(asked["deals"])
        unseen = wanted - set(self.get_queryset().filter(pk__in=wanted).values_list("pk", flat=True))
        if unseen:
            raise deals.UnknownDeals(sorted(unseen))
        return Response({"moved": deals.bulk_move(deal_ids=wanted, stage=asked["stage"], actor=self.actor)})

    @extend_schema(responses=TimelineSerializer, filters=False)
    @action(detail=True, pagination_class=None)
    def timeline(self, request: Request, pk: str) -> Response:
        """What happened to the deal, newest first: changes, activities, calls, deliveries, inbound requests."""
        entries = deal_timeline(self.get_object(), reader=self.user)
        return Response(TimelineSerializer({"results": entries}).data)

    def _asked(self, serializer_class: _Asked) -> dict[str, Any]:
        serializer = serializer_class(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        asked: dict[str, Any] = serializer.validated_data
        return asked

    def _answer(self, deal: Deal) -> Response:
        return Response(DealSerializer(deal, context=self.get_serializer_context()).data)
