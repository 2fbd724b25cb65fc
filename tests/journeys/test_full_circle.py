"""The whole route once, with real processes: a card moves, a signed request leaves, the answer changes the card."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, expect
from standardwebhooks import Webhook

from crm.models import ApiToken, User
from crm.tokens import create_token
from tests.processes import eventually
from tests.receivers import Received, Receiver
from tests.workers import Worker

pytestmark = pytest.mark.timeout(180)


@dataclass
class Api:
    """Stagehook from outside: nothing but HTTP and a token."""

    site: str
    token: str

    def get(self, path: str) -> Any:
        return self._call("GET", path)

    def post(self, path: str, **fields: Any) -> Any:
        return self._call("POST", path, json=fields)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = requests.request(
            method, f"{self.site}/api/v1/{path}", headers=headers, timeout=10, **options
        )
        assert answer.ok, answer.text
        return answer.json()


@dataclass
class Erp:
    """The outside system: its address, and the endpoint that it answers to."""

    receiver: Receiver
    endpoint: dict[str, Any]
    answer_url: str

    def verify(self, request: Received, secret: str) -> Any:
        return Webhook(secret).verify(request.body, request.headers)

    def answer(self, event: Any) -> dict[str, Any]:
        """Tell Stagehook the order's number, and return what it says."""
        message_id, now = f"order-{uuid.uuid4()}", datetime.now(UTC)
        deal = {"add_tags": ["In the ERP"], "external_ids": {"erp": "PED-1"}}
        document = {"event_id": message_id, "match": {"deal_id": event["data"]["deal"]["id"]}, "deal": deal}
        body = json.dumps(document)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.endpoint["secret"]).sign(message_id, now, body),
        }
        answer = requests.post(self.answer_url, body, headers=headers, timeout=10)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said


@pytest.fixture
def alice(transactional_db: None) -> User:
    return User.objects.create_user(
        "alice@example.com", "alice's password", name="Alice Reis", role=User.Role.ADMIN, language="en"
    )


@pytest.fixture
def api(site: str, alice: User) -> Api:
    _token, text = create_token(owner=alice, name="test", scopes=ApiToken.Scope.values)
    return Api(site, text)


@pytest.fixture
def erp(api: Api, receiver: Receiver) -> Erp:
    endpoint = api.post("inbound_endpoints/", name="ERP", verification={"scheme": "standard_webhooks"})
    key = endpoint["url"].rstrip("/").rpartition("/")[2]
    return Erp(receiver, endpoint, answer_url=f"{api.site}/in/{key}/")


@pytest.fixture
def stages(api: Api) -> list[dict[str, Any]]:
    pipeline = api.post("pipelines/", name="Sales")
    return [
        api.post("stages/", pipeline=pipeline["id"], name=name, position=position)
        for position, name in enumerate(("New", "Proposal", "Closing"))
    ]


def test_the_full_circle_through_the_api_alone(
    api: Api, erp: Erp, stages: list[dict[str, Any]], start_worker: Callable[[], Worker]
) -> None:
    start_worker()
    destination = api.post(
        "destinations/", name="ERP", url=erp.receiver.url, paired_endpoint=erp.endpoint["id"]
    )
    rule = api.post(
        "rules/",
        name="To the ERP",
        event="deal.stage_changed",
        stage=stages[1]["id"],
        destination=destination["id"],
        payload={"mode": "standard"},
    )
    deal = api.post("deals/", title="ERP for a bakery", stage=stages[0]["id"], value="1500.00")
    api.post(f"deals/{deal['id']}/move/", stage=stages[1]["id"], version=deal["version"])

    (request,) = erp.receiver.wait_for(1)
    event = erp.verify(request, api.get(f"destinations/{destination['id']}/secret/")["secret"])
    assert event["data"]["deal"]["stage"] == {"id": stages[1]["id"], "name": "Proposal"}
    assert event["data"]["previous"] == {"stage": {"id": stages[0]["id"], "name": "New"}}
    assert event["data"]["rule"] == {"id": rule["id"], "name": "To the ERP"}

    said = erp.answer(event)
    assert (said["status"], said["deal"]) == ("applied", deal["id"])
    changed = api.get(f"deals/{deal['id']}/")
    assert changed["tags"] == ["In the ERP"]
    assert changed["external_ids"] == {"erp": "PED-1"}

    delivery_path = f"deliveries/{request.headers['webhook-id']}/"
    eventually(lambda: api.get(delivery_path)["state"] == "delivered")
    assert [attempt["status_code"] for attempt in api.get(delivery_path)["attempts"]] == [200]
    assert len(api.get("deliveries/")["results"]) == 1  # the answer is not sent back to its sender
    assert api.get(f"inbound_requests/{said['id']}/")["state"] == "applied"


@pytest.fixture
def page(site: str, browser: Browser) -> Iterator[Page]:
    """A browser that nobody has logged in with yet."""
    context = browser.new_context(base_url=site, locale="en-US")
    yield context.new_page()
    context.close()


def drag(card: Locator, to: Locator) -> None:
    """With the mouse, as a hand does it: press, move in steps, release."""
    start, end = card.bounding_box(), to.bounding_box()
    assert start
    assert end
    mouse = card.page.mouse
    mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    mouse.down()
    mouse.move(end["x"] + end["width"] / 2, end["y"] + 40, steps=8)
    mouse.up()


def test_the_full_circle_in_the_browser(
    api: Api, erp: Erp, stages: list[dict[str, Any]], page: Page, start_worker: Callable[[], Worker]
) -> None:
    start_worker()
    deal = api.post("deals/", title="ERP for a bakery", stage=stages[0]["id"], value="1500.00")
    page.goto("/")
    page.get_by_label("E-mail").fill("alice@example.com")
    page.get_by_label("Password").fill("alice's password")
    page.keyboard.press("Enter")

    page.get_by_label("Menu of Proposal").click()
    page.get_by_role("link", name="Send to a URL on entry").click()
    expect(page.get_by_label("Event")).to_have_value("deal.stage_changed")
    expect(page.locator("[name=stage]")).to_have_value(str(stages[1]["id"]))
    page.get_by_label("Its name").fill("ERP")
    page.get_by_label("URL").fill(erp.receiver.url)
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/automations/**")
    (rule,) = eventually(lambda: api.get("rules/")["results"])

    page.goto("/")
    page.evaluate("window.isStillTheSamePage = true")
    card = page.locator(f"[data-deal-id='{deal['id']}']")
    proposal = page.locator(f"[data-stage-id='{stages[1]['id']}']")
    drag(card, proposal.locator(".cards"))
    expect(proposal.locator("[data-deal-id]")).to_have_count(1)

    (request,) = erp.receiver.wait_for(1)
    event = erp.verify(request, api.get(f"destinations/{rule['destination']}/secret/")["secret"])
    assert event["data"]["deal"]["stage"]["name"] == "Proposal"
    assert event["data"]["changed_by"]["name"] == "Alice Reis"

    erp.answer(event)
    expect(proposal.locator(".tag")).to_have_text(["In the ERP"])
    assert page.evaluate("window.isStillTheSamePage")
    card.get_by_role("link", name="ERP for a bakery").click()
    expect(page.get_by_text("PED-1", exact=True).first).to_be_visible()
