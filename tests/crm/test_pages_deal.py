"""The page of one deal."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.actors import Actor
from crm.deals import lose_deal, update_deal
from crm.models import Activity, Call, Company, Contact, CustomField, Deal, LostReason, User
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
    story = texts(as_alice.get(f"/deals/{deal.pk}/").content.decode(), "what")
    assert story[0] == "Send the offer"
    assert sorted(story[1:]) == [
        "Deal created · Alice",
        "Id in “erp”: SO-7 · Alice",
        "Incoming +551130 · 1:05",
        "Incoming: +551130 → +551140 · 1:05",
        "She calls back",
        "Tags: vip · Alice",
        "Value: 0.00 → 99.50 · Alice",
    ]


def test_other_parts_contribute_to_the_story(as_alice: Client, deal: Deal) -> None:
    def contribute(deal: Deal, **_rest: Any) -> list[TimelineEntry]:
        sent = TimelineEntry(at=timezone.now(), icon="bolt", text="Sent to ERP", detail="200", url="/x/")
        return [sent]

    timeline_requested.connect(contribute)
    try:
        html = as_alice.get(f"/deals/{deal.pk}/").content.decode()
    finally:
        timeline_requested.disconnect(contribute)
    assert texts(html, "what")[0] == "Sent to ERP · 200"
    assert '<a class="link" href="/x/">Sent to ERP</a>' in html


@pytest.mark.parametrize("road", ["", "fields/title/", "move/", "win/", "lose/", "reopen/", "notes/"])
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


def test_a_field_that_somebody_else_changed_is_a_conflict_and_another_field_is_none(
    as_alice: Client, deal: Deal, bob: User
) -> None:
    update_deal(deal_id=deal.pk, actor=Actor.user(bob), fields={"value": Decimal(10)})
    assert edit(as_alice, deal, "title", "New name", was="ERP for a bakery").status_code == 200
    response = edit(as_alice, deal, "value", "20", was="0.00")
    assert response.status_code == 409
    assert "changed this deal" in response.content.decode()
    assert Deal.objects.get(pk=deal.pk).value == 10
    assert edit(as_alice, deal, "value", "20").status_code == 200  # "Keep mine" sends no `was`
    assert Deal.objects.get(pk=deal.pk).value == 20


def test_a_field_that_does_not_exist_is_404(as_alice: Client, deal: Deal) -> None:
    assert edit(as_alice, deal, "version", "7").status_code == 404
    assert edit(as_alice, deal, "custom_fields.none", "7").status_code == 404


def test_a_deal_is_won_and_reopened(as_alice: Client, deal: Deal) -> None:
    as_alice.post(f"/deals/{deal.pk}/win/")
    assert Deal.objects.get(pk=deal.pk).status == Deal.Status.WON
    as_alice.post(f"/deals/{deal.pk}/reopen/")
    assert Deal.objects.get(pk=deal.pk).status == Deal.Status.OPEN


def test_a_lost_deal_keeps_its_reason_and_note(as_alice: Client, deal: Deal) -> None:
    reason = LostReason.objects.create(name="Price")
    refused = as_alice.post(f"/deals/{deal.pk}/lose/", follow=True)
    assert "Choose why the deal was lost." in refused.content.decode()
    assert Deal.objects.get(pk=deal.pk).status == Deal.Status.OPEN
    as_alice.post(f"/deals/{deal.pk}/lose/", {"lost_reason": reason.pk, "note": "Too dear"})
    deal = Deal.objects.get(pk=deal.pk)
    assert (deal.status, deal.lost_reason) == (Deal.Status.LOST, reason)
    assert Activity.objects.get(deal=deal).body == "Too dear"


def test_losing_a_lost_deal_again_says_that_it_is_lost(as_alice: Client, deal: Deal, actor: Actor) -> None:
    lose_deal(deal_id=deal.pk, actor=actor, lost_reason=None)
    page = as_alice.post(f"/deals/{deal.pk}/lose/", follow=True).content.decode()
    assert "already is: Lost." in page


def test_a_note_is_kept_with_its_writer_and_an_empty_one_is_refused(as_alice: Client, deal: Deal) -> None:
    assert as_alice.post(f"/deals/{deal.pk}/notes/", {"body": "  "}).status_code == 422
    assert as_alice.post(f"/deals/{deal.pk}/notes/", {"body": "She calls back"}).status_code == 200
    note = Activity.objects.get(deal=deal)
    assert (note.kind, note.body, note.created_by["name"]) == ("note", "She calls back", "Alice")
