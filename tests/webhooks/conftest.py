"""An outside system with an endpoint: the world in which every request arrives."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from standardwebhooks import Webhook

from crm.actors import Actor
from crm.deals import create_deal
from crm.models import Deal, Pipeline, Stage
from webhooks.models import InboundEndpoint, InboundRequest

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Answer
else:
    Answer = Any

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


@dataclass
class Sender:
    """Posts to one endpoint. `headers` go with every request."""

    endpoint: InboundEndpoint
    headers: dict[str, str] = field(default_factory=dict)
    client: Client = field(default_factory=Client)

    def post(self, document: Any, *, content_type: str = "application/json", **headers: str) -> Answer:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.client.generic(
            "POST",
            f"/in/{self.endpoint.key}/",
            body,
            content_type=content_type,
            headers={**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}},
        )

    def post_signed(
        self,
        document: Any,
        *,
        message_id: str = "msg_1",
        at: datetime | None = None,
        secret: str = SECRET,
        changed: Mapping[str, str] | None = None,
    ) -> Answer:
        """Signed with the standard's own library; `changed` replaces headers afterwards."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        at = at or datetime.now(UTC)
        signed = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, at, body.decode()),
        }
        return self.post(body, **{**signed, **(changed or {})})


@pytest.fixture
def pipeline(db: None) -> Pipeline:
    pipeline = Pipeline.objects.create(name="Sales")
    for position, name in enumerate(("New", "Proposal", "Won")):
        Stage.objects.create(pipeline=pipeline, name=name, position=position)
    return pipeline


@pytest.fixture
def endpoint(pipeline: Pipeline) -> InboundEndpoint:
    return InboundEndpoint.objects.create(
        name="Omie", verification={"scheme": "none"}, default_pipeline=pipeline
    )


@pytest.fixture
def sender(endpoint: InboundEndpoint) -> Sender:
    return Sender(endpoint)


@pytest.fixture
def signing_sender(endpoint: InboundEndpoint) -> Sender:
    endpoint.verification, endpoint.secret = {"scheme": "standard_webhooks"}, SECRET
    endpoint.save()
    return Sender(endpoint)


@pytest.fixture
def deal(pipeline: Pipeline) -> Deal:
    stage = pipeline.stages.get(name="New")
    return create_deal(actor=Actor.system(), stage=stage, title="ERP for a bakery")


@pytest.fixture
def nothing_changes(deal: Deal) -> Callable[[], None]:
    """Returns a check that there is one deal and that it is as it was."""

    def check() -> None:
        (present,) = Deal.objects.all()
        assert (present.version, present.stage_id, present.title) == (1, deal.stage_id, deal.title)

    return check


def states() -> list[tuple[str, str]]:
    """State and reason of all requests, oldest first."""
    return list(InboundRequest.objects.order_by("received_at", "id").values_list("state", "reason"))
