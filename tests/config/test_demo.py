"""The demo: loaded once whoever asks, alive, and with an ERP that answers; and deals by the thousand."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer
from standardwebhooks import Webhook

from automations.destinations import update_destination
from automations.models import Delivery, Destination
from automations.signing import generate_secret, signed_headers
from config.demo.accounts import LOGINS
from config.demo.erp import TAG, Erp, Partner
from config.demo.loading import ERP_NAME, load_demo
from config.demo.volume import generate_deals
from config.management.commands.demo_erp import partner as demo_partner
from crm.actors import Actor
from crm.deals import create_deal, move_deal
from crm.models import Change, Deal, Pipeline, Stage, User
from tests.automations.conftest import sending
from tests.crm.conftest import actor, alice, pipeline, stages
from tests.processes import eventually
from tests.receivers import Receiver
from webhooks.models import InboundRequest

__all__ = ["actor", "alice", "pipeline", "sending", "stages"]

SECRET, ANSWER_SECRET = generate_secret(), generate_secret()

# ---- Loading ----


def test_two_loads_at_once_load_one_demo(transactional_db: None) -> None:
    answers: list[bool] = []

    def load() -> None:
        with contextlib.closing(connection):
            answers.append(load_demo())

    threads = [threading.Thread(target=load) for _number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False, True]
    assert User.objects.count() == len(LOGINS)


def test_the_demo_names_the_setting_that_it_needs(db: None, settings: Settings) -> None:
    settings.ALLOWED_PRIVATE_NETWORKS = []
    with pytest.raises(CommandError, match="ALLOWED_PRIVATE_NETWORKS"):
        call_command("load_demo")
    assert not User.objects.exists()


# ---- The ERP ----


@pytest.fixture
def start_erp() -> Iterator[Callable[..., str]]:
    """Starts an ERP that answers at once and returns its address."""
    started: list[tuple[Erp, threading.Thread]] = []

    def start(partner: Callable[[], Partner | None], *, at_port: int = 0) -> str:
        erp = Erp(port=at_port, partner=partner, answer_after=0)
        thread = threading.Thread(target=erp.serve_forever, args=(0.02,))
        thread.start()
        started.append((erp, thread))
        return f"http://127.0.0.1:{erp.server_address[1]}/webhooks"

    yield start
    for erp, thread in started:
        erp.shutdown()
        erp.server_close()
        thread.join()


@pytest.fixture
def erp(start_erp: Callable[..., str], receiver: Receiver) -> str:
    """The address of an ERP for which the receiver plays Stagehook."""
    return start_erp(lambda: Partner(SECRET, receiver.url, ANSWER_SECRET))


def deliver(address: str, *, webhook_id: str = "msg_1", secret: str = SECRET, test: bool = False) -> int:
    deal = {"id": 7, "stage": {"id": 3, "name": "Proposta"}}
    body = json.dumps({"type": "deal.stage_changed", "data": {"deal": deal}, "test": test}).encode()
    signed = signed_headers(delivery_id=webhook_id, body=body, secrets=[secret], at=datetime.now(UTC))
    headers = {**dict(signed), "Stagehook-Chain": "the chain"}
    return requests.post(address, body, headers=headers, timeout=5).status_code


def test_the_erp_answers_with_a_signed_order_number(erp: str, receiver: Receiver) -> None:
    assert deliver(erp) == 200
    (answer,) = receiver.wait_for(1)
    document: dict[str, Any] = Webhook(ANSWER_SECRET).verify(answer.body, answer.headers)
    assert document["event_id"] == answer.headers["webhook-id"] == "order-msg_1"
    assert document["match"] == {"deal_id": 7}
    assert document["deal"] == {"add_tags": [TAG], "external_ids": {"erp": "PED-10007"}}
    assert answer.headers["stagehook-chain"] == "the chain"


def test_the_erp_takes_a_repeated_webhook_once(erp: str, receiver: Receiver) -> None:
    assert [deliver(erp), deliver(erp), deliver(erp, webhook_id="msg_2")] == [200, 200, 200]
    answers = receiver.wait_for(2)
    assert {answer.headers["webhook-id"] for answer in answers} == {"order-msg_1", "order-msg_2"}


def test_the_erp_refuses_what_stagehook_did_not_sign(erp: str, receiver: Receiver) -> None:
    assert deliver(erp, secret=generate_secret()) == 401
    assert requests.post(erp, b"{}", timeout=5).status_code == 401
    assert receiver.requests == []


def test_the_erp_makes_no_order_for_a_test(erp: str, receiver: Receiver) -> None:
    assert deliver(erp, test=True) == 200
    assert deliver(erp, webhook_id="msg_2") == 200
    assert [answer.headers["webhook-id"] for answer in receiver.wait_for(1)] == ["order-msg_2"]


def test_the_erp_tries_again_while_stagehook_is_starting(erp: str, receiver: Receiver) -> None:
    receiver.answer(503, 200)
    assert deliver(erp) == 200
    first, second = receiver.wait_for(2)
    assert first.body == second.body


def test_the_demo_goes_full_circle(
    transactional_db: None,
    live_server: LiveServer,
    settings: Settings,
    sending: Callable[..., None],
    start_erp: Callable[..., str],
) -> None:
    settings.PUBLIC_URL = live_server.url
    load_demo()
    address = start_erp(demo_partner)
    destination = Destination.objects.get(name=ERP_NAME)
    update_destination(destination_id=destination.pk, fields={"url": address})
    sending()
    stage = Stage.objects.get(name="Proposta")
    deal = Deal.objects.open().filter(stage__name="Reunião").first()
    assert deal is not None
    move_deal(deal_id=deal.pk, stage=stage, actor=Actor.system())
    eventually(lambda: deal.tags.filter(name=TAG).exists())
    assert deal.external_id_rows.get(system="erp").value == f"PED-{10_000 + deal.pk}"
    assert InboundRequest.objects.get().state == "applied"
    assert Delivery.objects.count() == 1  # the answer is no news to the ERP


# ---- Volume ----


def test_generated_deals_go_below_the_cards_that_are_there(
    pipeline: Pipeline, stages: list[Stage], actor: Actor
) -> None:
    first = create_deal(actor=actor, stage=stages[0], title="The first")
    generate_deals(count=100, pipeline_name="Sales")
    counts = [Deal.objects.filter(stage=stage, status="open").count() for stage in stages]
    assert counts == [35, 33, 33]
    assert Deal.objects.filter(stage=stages[0]).in_column_order()[0] == first
    assert Change.objects.filter(verb="created", entity="deal").count() == 101


def test_generated_deals_are_the_same_for_the_same_seed(pipeline: Pipeline) -> None:
    def generated(seed: int) -> list[tuple[Any, ...]]:
        known = set(Deal.objects.values_list("pk", flat=True))
        generate_deals(count=50, seed=seed)
        fresh = Deal.objects.exclude(pk__in=known).order_by("pk")
        return list(fresh.values_list("title", "value", "contact__name", "stage"))

    first = generated(7)
    assert generated(7) == first
    assert generated(8) != first


def test_generating_makes_a_pipeline_where_there_is_none(db: None) -> None:
    call_command("generate_deals", "--deals", "13", "--pipeline", "Volume")
    assert Pipeline.objects.get().name == "Volume"
    assert Deal.objects.filter(pipeline__name="Volume").count() == 13
