"""The page of one deal."""

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.actors import Actor
from crm.deals import move_deal, update_deal
from crm.history import stage_stays
from crm.models import (
    Activity,
    Call,
    Change,
    Company,
    Contact,
    CustomField,
    Deal,
    LostReason,
    Stage,
    User,
)
from crm.models.deals import open_door
from crm.signals import timeline_requested
from crm.timeline import TimelineEntry
from tests.crm.pages import browser_of, texts


@pytest.fixture
def as_alice(alice: User) -> Client:
    return browser_of(alice)


def edit(client: Client, deal: Deal, name: str, value: Any, **more: str) -> Any:
    return client.post(f"/deals/{deal.pk}/fields/{name}/", {"value": value, **more})


def test_the_page_tells_the_story_of_the_deal(as_alice: Client, deal: Deal, actor: Actor) -> None:
    update_deal(deal_id=deal.pk, actor=actor, fields={"value": Decimal("99.50"), "tags": ["vip"]})
    update_deal(deal_id=deal.pk, actor=actor, fields={"external_ids": {"erp": "SO-7"}})
    Activity.objects.create(deal=deal, kind="note", body="She calls back", done_at=timezone.now())
    Activity.objects.create(deal=deal, kind="task", subject="Send the offer", due_at=timezone.now())
    Call.objects.create(
        deal=deal, direction="in", from_number="+551130", to_number="+551140", duration_seconds=65
    )
    page = as_alice.get(f"/deals/{deal.pk}/").content.decode()
    assert "Mark “Send the offer” as done" in page
    assert sorted(texts(page, "what")) == [
        "Deal created · Alice",
        "Id in “erp”: SO-7 · Alice",
        "Incoming +551130 · 1:05",
        "Incoming: +551130 → +551140 · 1:05",
        "She calls back",
        "Tags: vip · Alice",
        "Value: 0.00 → 99.50 · Alice",
    ]


def test_other_parts_contribute_to_the_story_and_administrators_may_follow_it(
    as_alice: Client, deal: Deal, bob: User, actor: Actor
) -> None:
    update_deal(deal_id=deal.pk, actor=actor, fields={"owner": bob})
    as_bob = browser_of(bob)

    def contribute(deal: Deal, **_rest: Any) -> list[TimelineEntry]:
        at = timezone.now()
        sent = TimelineEntry(at=at, icon="bolt", text="Sent to ERP", detail="200", by="Rule “New”", url="/x/")
        return [sent]

    timeline_requested.connect(contribute)
    try:
        html = as_alice.get(f"/deals/{deal.pk}/").content.decode()
        deal_of_bob = as_bob.get(f"/deals/{deal.pk}/").content.decode()
    finally:
        timeline_requested.disconnect(contribute)
    assert texts(html, "what")[0] == texts(deal_of_bob, "what")[0] == "Sent to ERP · 200 · Rule “New”"
    assert '<a class="link" href="/x/">Sent to ERP</a>' in html
    assert 'href="/x/"' not in deal_of_bob


def test_the_story_is_narrowed_to_what_one_asks_for(
    as_alice: Client, deal: Deal, stages: list[Stage]
) -> None:
    move_deal(deal_id=deal.pk, stage=stages[1], actor=Actor.inbound(endpoint_id=1, name="Omie"))
    Activity.objects.create(deal=deal, kind="note", body="She calls back", done_at=timezone.now())
    Activity.objects.create(deal=deal, kind="meeting", subject="Visit", done_at=timezone.now())
    Call.objects.create(deal=deal, direction="in", from_number="+5511", duration_seconds=65, system="zadarma")

    def told(story: str) -> list[str]:
        page = as_alice.get(f"/deals/{deal.pk}/?story={story}").content.decode()
        return texts(page[page.index('id="deal-story"') :], "what")

    assert told("stages") == ["New → Proposal · Inbound “Omie”"]
    assert told("notes") == ["She calls back"]
    assert told("activities") == ["Visit"]
    assert told("calls") == ["Incoming: +5511 · 1:05 · zadarma"]
    assert told("sent") == told("received") == []
    assert len(told("all")) == len(told("what?")) == 5


def test_a_long_story_is_told_in_two_steps(as_alice: Client, deal: Deal) -> None:
    notes = [Activity(deal=deal, kind="note", body=str(n), done_at=timezone.now()) for n in range(45)]
    Activity.objects.bulk_create(notes)
    page = as_alice.get(f"/deals/{deal.pk}/?story=notes").content.decode()
    assert (len(texts(page, "what")), "Show 5 older entries" in page) == (40, True)
    whole = as_alice.get(f"/deals/{deal.pk}/?story=notes&whole").content.decode()
    assert (len(texts(whole, "what")), "older entr" in whole) == (45, False)


def test_each_stage_tells_how_long_the_deal_was_in_it(
    as_alice: Client, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    for to in (1, 0, 1):
        move_deal(deal_id=deal.pk, stage=stages[to], actor=actor)
    began = timezone.now() - timedelta(days=10)
    with open_door():
        Deal.objects.filter(pk=deal.pk).update(created_at=began)
    for days, change in zip((2, 5, 9), Change.objects.filter(field="stage").order_by("at"), strict=True):
        Change.objects.filter(pk=change.pk).update(at=began + timedelta(days=days))
    stays = stage_stays(Deal.objects.get(pk=deal.pk), now=began + timedelta(days=10))
    assert stays == {stages[0].pk: timedelta(days=6), stages[1].pk: timedelta(days=4)}
    page = as_alice.get(f"/deals/{deal.pk}/").content.decode()
    assert re.findall(r"<small title[^>]*>(.*?)</small>", page) == ["6 days", "4 days"]


@pytest.mark.parametrize("road", ["", "fields/title/", "move/", "reopen/", "notes/"])
def test_a_deal_one_does_not_see_is_404_by_every_road(deal: Deal, charlie: User, road: str) -> None:
    client, address = browser_of(charlie), f"/deals/{deal.pk}/{road}"
    response = client.post(address, {"value": "Mine", "body": "x"}) if road else client.get(address)
    assert response.status_code == 404
    assert Deal.objects.get(pk=deal.pk).version == 1


@pytest.mark.parametrize(
    ("name", "typed", "kept"),
    [
        ("title", "ERP for two bakeries", "ERP for two bakeries"),
        ("value", "1,500.50", Decimal("1500.50")),
        ("currency", "USD", "USD"),
        ("expected_close_on", "2026-12-24", date(2026, 12, 24)),
    ],
)
def test_a_field_is_saved_by_itself(
    as_alice: Client, deal: Deal, name: str, typed: str, kept: object
) -> None:
    response = edit(as_alice, deal, name, typed)
    assert response.status_code == 200
    assert response.headers["HX-Trigger"] == '{"deal-changed": {}}'
    assert getattr(Deal.objects.get(pk=deal.pk), name) == kept


def test_people_company_and_tags_are_saved(as_alice: Client, deal: Deal, bob: User) -> None:
    company = Company.objects.create(name="Good Bread")
    contact = Contact.objects.create(name="Rui", company=company)
    for name, typed in (
        ("owner", bob.pk),
        ("company", "GOOD BREAD"),
        ("contact", contact.pk),
        ("tags", "vip, new"),
    ):
        assert edit(as_alice, deal, name, typed).status_code == 200
    deal = Deal.objects.get(pk=deal.pk)
    assert (deal.owner, deal.company, deal.contact) == (bob, company, contact)
    assert sorted(tag.name for tag in deal.tags.all()) == ["new", "vip"]


@pytest.mark.parametrize(
    ("kind", "options", "typed", "kept"),
    [
        ("text", [], "blue", "blue"),
        ("number", [], "12", 12),
        ("money", [], "1,500.5", "1500.50"),
        ("date", [], "2026-12-24", "2026-12-24"),
        ("choice", ["a", "b"], "b", "b"),
        ("choices", ["a", "b"], ["a", "b"], ["a", "b"]),
        ("boolean", [], "false", False),
        ("cnpj", [], "11.222.333/0001-81", "11222333000181"),
        ("cpf", [], "111.444.777-35", "11144477735"),
        ("email", [], "Ana@Example.com", "ana@example.com"),
        ("phone", [], "(11) 91234-5678", "+5511912345678"),
        ("url", [], "https://example.com/a", "https://example.com/a"),
    ],
)
def test_an_added_field_is_saved_by_its_type(
    as_alice: Client, deal: Deal, kind: str, options: list[str], typed: object, kept: object
) -> None:
    CustomField.objects.create(entity="deal", key="extra", label="Extra", type=kind, options=options)
    assert edit(as_alice, deal, "custom_fields.extra", typed).status_code == 200
    assert Deal.objects.get(pk=deal.pk).custom_fields == {"extra": kept}
    shown = as_alice.get(f"/deals/{deal.pk}/fields/custom_fields.extra/").context["form"]
    nothing: object = [] if kind == "choices" else ""
    assert edit(as_alice, deal, "custom_fields.extra", nothing, was=shown.said).status_code == 200
    assert Deal.objects.get(pk=deal.pk).custom_fields == {}


def test_a_value_that_cannot_be_is_told_beside_its_field(as_alice: Client, deal: Deal) -> None:
    for name, typed, told in (
        ("title", "", "This field is required."),
        ("value", "a lot", "Write an amount such as 1,500.50."),
        ("owner", "999999", "Select a valid choice."),
    ):
        response = edit(as_alice, deal, name, typed)
        assert response.status_code == 422
        assert told in texts(response.content.decode(), "error")[0]
    assert Deal.objects.get(pk=deal.pk).version == 1


def test_a_change_of_another_field_is_no_conflict(as_alice: Client, deal: Deal, bob: User) -> None:
    update_deal(deal_id=deal.pk, actor=Actor.user(bob), fields={"value": Decimal(10)})
    assert edit(as_alice, deal, "title", "New name", was="ERP for a bakery").status_code == 200


def test_a_conflict_shows_what_it_was_theirs_and_mine_until_one_is_kept(
    as_alice: Client, deal: Deal, bob: User, charlie: User
) -> None:
    update_deal(deal_id=deal.pk, actor=Actor.user(bob), fields={"owner": bob})
    response = edit(as_alice, deal, "owner", charlie.pk, was="")
    html = response.content.decode()
    assert response.status_code == 409
    assert "Bob changed this field now." in html
    assert re.findall(r"<dd>(.*?)</dd>", html) == ["—", "Bob", "Charlie"]
    assert Deal.objects.get(pk=deal.pk).owner == bob
    (theirs,) = re.findall(r'name="was" value="(.*?)"', html)
    assert edit(as_alice, deal, "owner", charlie.pk, was=theirs).status_code == 200
    assert Deal.objects.get(pk=deal.pk).owner == charlie


def test_keeping_mine_does_not_run_over_a_third_change(as_alice: Client, deal: Deal, bob: User) -> None:
    for value in (10, 30):
        update_deal(deal_id=deal.pk, actor=Actor.user(bob), fields={"value": Decimal(value)})
    assert edit(as_alice, deal, "value", "20", was="10.00").status_code == 409
    assert Deal.objects.get(pk=deal.pk).value == 30


def test_two_who_typed_the_same_agree(as_alice: Client, deal: Deal, bob: User) -> None:
    update_deal(deal_id=deal.pk, actor=Actor.user(bob), fields={"value": Decimal(20)})
    assert edit(as_alice, deal, "value", "20", was="0.00").status_code == 200


def test_a_field_that_does_not_exist_is_404(as_alice: Client, deal: Deal) -> None:
    assert edit(as_alice, deal, "version", "7").status_code == 404
    assert edit(as_alice, deal, "custom_fields.none", "7").status_code == 404


def close(client: Client, deal: Deal, verb: str, **filled: Any) -> Any:
    """Through the dialog that the board and the deal's page share."""
    return client.post(f"/deals/bulk/{verb}/", {"deal": deal.pk, "step": "do", **filled})


def test_a_deal_is_won_for_a_value_on_a_day_and_reopened(as_alice: Client, deal: Deal) -> None:
    page = as_alice.get(f"/deals/{deal.pk}/").content.decode()
    for verb in ("win", "lose"):
        assert f'hx-post="/deals/bulk/{verb}/"' in page
    assert close(as_alice, deal, "win", value="1,500.50", closed_on="2026-11-20").status_code == 200
    deal = Deal.objects.get(pk=deal.pk)
    assert (deal.status, deal.value, deal.closed_at and deal.closed_at.date()) == (
        Deal.Status.WON,
        Decimal("1500.50"),
        date(2026, 11, 20),
    )
    reopened = as_alice.post(f"/deals/{deal.pk}/reopen/", follow=True).content.decode()
    assert "“ERP for a bakery”: Open" in reopened
    assert Deal.objects.get(pk=deal.pk).status == Deal.Status.OPEN
    again = as_alice.post(f"/deals/{deal.pk}/reopen/", follow=True).content.decode()
    assert "already is: Open." in again


def test_a_lost_deal_keeps_its_reason_and_note(as_alice: Client, deal: Deal) -> None:
    reason = LostReason.objects.create(name="Price")
    assert close(as_alice, deal, "lose", lost_reason="").status_code == 422
    assert Deal.objects.get(pk=deal.pk).status == Deal.Status.OPEN
    close(as_alice, deal, "lose", lost_reason=reason.pk, note="Too dear")
    deal = Deal.objects.get(pk=deal.pk)
    assert (deal.status, deal.lost_reason) == (Deal.Status.LOST, reason)
    assert Activity.objects.get(deal=deal).body == "Too dear"


def test_a_note_is_kept_with_its_writer_and_an_empty_one_is_refused(as_alice: Client, deal: Deal) -> None:
    assert as_alice.post(f"/deals/{deal.pk}/notes/", {"body": "  "}).status_code == 422
    assert as_alice.post(f"/deals/{deal.pk}/notes/", {"body": "She calls back"}).status_code == 200
    note = Activity.objects.get(deal=deal)
    assert (note.kind, note.body, note.created_by["name"]) == ("note", "She calls back", "Alice")
