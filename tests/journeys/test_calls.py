"""Calls and renewals as people meet them: a recording that plays, a phone that dials, a list of renewals."""

import struct
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from typing import TypeAlias
from wave import Wave_write

import pytest
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Page, expect

from crm import recordings
from crm.actors import Actor
from crm.calls import report_call
from crm.contacts import create_contact
from crm.deals import create_deal
from crm.deals.verbs import add_note
from crm.models import Call, Deal, Pipeline, Stage, Subscription, User

OpenPage: TypeAlias = Callable[..., Page]
SECONDS = 120  # 1.9 MB, more than is answered at once


@pytest.fixture
def deal(transactional_db: None, alice: User) -> Deal:
    stage = Stage.objects.create(pipeline=Pipeline.objects.create(name="Sales"), name="New", position=0)
    actor = Actor.user(alice)
    ana = create_contact(actor=actor, fields={"name": "Ana", "phones": ["+5511987654321"]})
    return create_deal(actor=actor, stage=stage, title="Oven", fields={"owner": alice, "contact": ana})


@pytest.fixture
def recorded(deal: Deal) -> Iterator[Call]:
    facts = {"external_id": "c-1", "direction": "in", "from_number": "+5511987654321", "status": "answered"}
    facts["recording_url"] = "https://calls.example/1.wav"
    report_call(system="pbx", facts=facts, deal=deal, actor=Actor.system())
    call = recordings.claim(now=timezone.now())
    assert call is not None
    recordings.keep(call, content=ContentFile(sound()), media_type="audio/wav", suffix=".wav")
    yield call
    Call.objects.get(pk=call.pk).recording_file.delete(save=False)


def sound() -> bytes:
    """A WAV file of two minutes."""
    file = BytesIO()
    with Wave_write(file) as wave:
        wave.setnchannels(1)
        wave.setsampwidth(2)
        wave.setframerate(8000)
        wave.writeframes(struct.pack("<h", 900) * 8000 * SECONDS)
    return file.getvalue()


def test_a_recording_plays_and_may_be_heard_from_anywhere_in_it(
    open_page: OpenPage, alice: User, recorded: Call
) -> None:
    page = open_page(alice, f"/deals/{recorded.deal_id}/")
    player = page.locator("audio")
    expect(player).to_be_visible()
    player.evaluate("player => { player.muted = true; return player.play() }")
    assert player.evaluate("player => Math.round(player.duration)") == SECONDS
    player.evaluate("player => { player.currentTime = player.duration - 1 }")
    expect(player).to_have_js_property("ended", True)


def test_a_recording_plays_on_while_others_change_the_deal(
    open_page: OpenPage, alice: User, recorded: Call
) -> None:
    page = open_page(alice, f"/deals/{recorded.deal_id}/")
    player = page.locator("audio")
    player.evaluate("player => { player.muted = true; return player.play() }")
    report_call(
        system="pbx",
        facts={"external_id": "c-2", "direction": "out", "to_number": "+5511912345678"},
        deal=recorded.deal,
        actor=Actor.system(),
    )
    with transaction.atomic():
        add_note(deal=Deal.objects.get(), body="She calls back", actor=Actor.user(alice))
    expect(page.locator("#deal-story")).to_contain_text("She calls back")
    assert not player.evaluate("player => player.paused")
    player.evaluate("player => player.pause()")
    with transaction.atomic():
        add_note(deal=Deal.objects.get(), body="Once more", actor=Actor.user(alice))
    expect(page.locator("#deal-calls")).to_contain_text("+55 11 91234-5678")


def test_a_phone_dials_in_the_readers_own_way(open_page: OpenPage, alice: User, deal: Deal) -> None:
    page = open_page(alice, "/settings/telephone/")
    page.get_by_label("Address to call with").fill("sip:{phone}@pbx.example.com")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("A click on a phone number calls with it")
    page.goto(f"/deals/{deal.pk}/")
    phone = page.get_by_role("link", name="+55 11 98765-4321")
    expect(phone).to_have_attribute("href", "sip:+5511987654321@pbx.example.com")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_pages_are_accessible_and_fit_their_width(
    open_page: OpenPage,
    alice: User,
    recorded: Call,
    violations: Callable[[Page], list[str]],
    scheme: str,
    width: int,
) -> None:
    today = timezone.localdate()
    for status, days in (("past_due", 40), ("active", -3), ("active", 5), ("active", 200), ("cancelled", 1)):
        Subscription.objects.create(
            deal=recorded.deal, plan="ERP", status=status, renews_on=today + timedelta(days=days), amount=99
        )
    page = open_page(alice, "/subscriptions/", color_scheme=scheme, viewport={"width": width, "height": 800})
    for path in ("/subscriptions/", f"/deals/{recorded.deal_id}/", "/settings/telephone/", "/"):
        page.goto(path)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
