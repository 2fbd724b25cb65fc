"""The REST API: the resources of all apps under one router, its OpenAPI document, and the page that shows it."""

from typing import Any

from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.renderers import OpenApiJsonRenderer2, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from automations.api.deliveries import DeliveryViewSet, ResendJobViewSet
from automations.api.destinations import DestinationViewSet
from automations.api.events import EVENTS
from automations.api.rules import RuleViewSet
from crm.api.activities import ActivityViewSet, CallViewSet, SubscriptionViewSet
from crm.api.contacts import CompanyViewSet, ContactViewSet
from crm.api.deals.views import DealViewSet
from crm.api.labels import LostReasonViewSet, SourceViewSet, TagViewSet
from crm.api.people import TeamViewSet, TokenViewSet, UserViewSet
from crm.api.pipelines import CustomFieldViewSet, PipelineViewSet, StageViewSet
from webhooks.api.endpoints import EndpointViewSet
from webhooks.api.requests import RequestViewSet

router = SimpleRouter()
router.register("pipelines", PipelineViewSet)
router.register("stages", StageViewSet)
router.register("deals", DealViewSet)
router.register("contacts", ContactViewSet)
router.register("companies", CompanyViewSet)
router.register("activities", ActivityViewSet)
router.register("calls", CallViewSet)
router.register("subscriptions", SubscriptionViewSet)
router.register("tags", TagViewSet)
router.register("sources", SourceViewSet)
router.register("lost_reasons", LostReasonViewSet)
router.register("custom_fields", CustomFieldViewSet)
router.register("users", UserViewSet)
router.register("teams", TeamViewSet)
router.register("tokens", TokenViewSet)
router.register("inbound_endpoints", EndpointViewSet)
router.register("inbound_requests", RequestViewSet)
router.register("destinations", DestinationViewSet)
router.register("rules", RuleViewSet)
router.register("deliveries", DeliveryViewSet)
router.register("resend_jobs", ResendJobViewSet)

# What we send, by event, as OpenAPI path items.
WEBHOOKS: dict[str, dict[str, Any]] = EVENTS


def add_webhooks(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Put the outbound events into the OpenAPI document; drf-spectacular calls this."""
    return {**result, "webhooks": WEBHOOKS} if WEBHOOKS else result


class Nothing(APIView):
    """Addresses under the API that do not exist answer in the API's shape."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None

    def initial(self, *_args: Any, **_kwargs: Any) -> None:
        raise NotFound


urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(router.urls)),
    path(
        "schema/",
        # JSON first: it is YAML too, so whoever fetches it can read it.
        SpectacularAPIView.as_view(renderer_classes=[OpenApiJsonRenderer2, OpenApiYamlRenderer]),
        name="schema",
    ),
    path("docs/", SpectacularSwaggerSplitView.as_view(template_name="config/api_docs.html"), name="api-docs"),
    re_path(r"^.*/$", Nothing.as_view()),
]
