"""The tables of the inbound side. Other modules import them from here."""

from webhooks.models.endpoints import InboundEndpoint
from webhooks.models.hours import EndpointHour
from webhooks.models.order import NewestEvent
from webhooks.models.replays import ReplayJob
from webhooks.models.requests import InboundRequest

__all__ = ["EndpointHour", "InboundEndpoint", "InboundRequest", "NewestEvent", "ReplayJob"]
