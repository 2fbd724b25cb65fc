"""What is written down on a deal's page: notes that name people, and calls that nothing reported."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from crm.actors import Actor
from crm.contacts import create_contact
from crm.deals import create_deal
from crm.mentions import named_in, people_who_see
from crm.models import Activity, Call, Deal, Notice, Stage, Team, User
from tests.crm.pages import browser_of, texts


@pytest.fixture
def dora(team: Team) -> User:
    return User.objects.create_user("dora@example.com", name="Dora Lima", team=team)


@pytest.fixture
def oven(stages: list[Stage], actor: Actor, bob: User) -> Deal:
    rui = create_contact(actor=actor, fields={"name": "Rui", "phones": ["+5511912345678"]})
    return create_deal(actor=actor, stage=stages[0], title="Oven", fields={"owner": bob, "contact": rui})


@pytest.fixture
def as_bob(bob: User) -> Client:
    return browser_of(bob)


def test_who_is_named_and_sees_the_deal_is_told(
    as_bob: Client, alice: User, dora: User, charlie: User, oven: Deal
) -> None:
    body = "@dora lima and @Alice: ask @Charlie, not me, @Bob. @Dora Lima!"
    assert as_bob.post(f"/deals/{oven.pk}/notes/", {"body": body}).status_code == 200
    assert {notice.user for notice in Notice.objects.all()} == {alice, dora}
    notice = Notice.objects.get(user=dora)
    assert (notice.kind, notice.subject, notice.body, notice.url) == (
        "mention",
        "Bob mentioned you in “Oven”",
        body,
        f"/deals/{oven.pk}/",
    )


def test_names_are_read_whole_and_the_longest_first(alice: User, dora: User) -> None:
    short = User(pk=900, name="Dora")
    people = [alice, dora, short]
    assert named_in("ask @Dora Lima, please", people) == [dora]
    assert named_in("ask @Dora Limas, please", people) == [short]
    assert named_in("@Dorado or mail@Alice", people) == []
    assert named_in("(@alice)", people) == [alice]
    assert named_in("@Alice", []) == []


def test_those_who_see_a_deal_are_those_whom_it_is_visible_to(
    alice: User, bob: User, dora: User, charlie: User, oven: Deal, stages: list[Stage], actor: Actor
) -> None:
    User.objects.create_user("gone@example.com", name="Gone", role="manager", is_active=False)
    alone = create_deal(actor=actor, stage=stages[0], title="Nobody's")
    of_charlie = create_deal(actor=actor, stage=stages[0], title="C", fields={"owner": charlie})
    for deal in (oven, alone, of_charlie):
        seeing = {user for user in (alice, bob, dora, charlie) if deal in Deal.objects.visible_to(user)}
        assert set(people_who_see(deal)) == seeing
    assert set(people_who_see(oven)) == {alice, bob, dora}


def test_people_are_offered_by_what_is_in_their_name(
    as_bob: Client, alice: User, dora: User, charlie: User, oven: Deal
) -> None:
    User.objects.filter(pk=alice.pk).update(name="Álice")

    def offered(typed: str) -> list[str]:
        html = as_bob.get(f"/deals/{oven.pk}/mentions/", {"q": typed}).content.decode()
        return texts(html, "clip")

    assert offered("") == ["Bob", "Dora Lima", "Álice"]
    assert offered("LIMA") == ["Dora Lima"]
    assert offered("ali") == ["Álice"]
    assert offered("char") == offered("\0x") == []


def test_a_call_is_written_down_with_what_was_said(as_bob: Client, bob: User, oven: Deal) -> None:
    page = as_bob.get(f"/deals/{oven.pk}/").context["call_form"]
    assert page.initial["number"] == "+5511912345678"
    said = {"direction": "out", "number": "(11) 91234-5678", "started_at": "2026-11-20T10:30", "minutes": "5"}
    answer = as_bob.post(f"/deals/{oven.pk}/calls/", {**said, "status": "answered", "note": "Wants two"})
    assert (answer.status_code, answer.headers["HX-Trigger"]) == (200, '{"deal-changed": {}}')
    call = Call.objects.get()
    assert (call.deal, call.contact, call.agent, call.to_number) == (
        oven,
        oven.contact,
        bob,
        "+5511912345678",
    )
    assert (call.duration_seconds, call.status, call.from_number, call.system) == (300, "answered", "", "")
    note = Activity.objects.get()
    assert (note.kind, note.subject, note.body) == ("note", "Call with +5511912345678", "Wants two")


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "me"},
        {"started_at": "soon"},
        {"started_at": "0001-01-01T00:00"},
        {"started_at": (timezone.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")},
        {"minutes": "-1"},
        {"direction": "up"},
    ],
)
def test_a_call_that_cannot_be_is_told_beside_the_field(
    as_bob: Client, oven: Deal, wrong: dict[str, str]
) -> None:
    said = {"direction": "in", "number": "+5511912345678", "started_at": "2026-11-20T10:30", "status": "busy"}
    answer = as_bob.post(f"/deals/{oven.pk}/calls/", {**said, "note": "x", **wrong})
    assert answer.status_code == 422
    assert list(answer.context["call_form"].errors) == list(wrong)
    assert not Call.objects.exists()
    assert not Activity.objects.exists()


@pytest.mark.parametrize("road", ["notes", "calls", "mentions"])
def test_who_does_not_see_the_deal_writes_nothing_and_reads_no_names(
    charlie: User, oven: Deal, road: str
) -> None:
    client, address = browser_of(charlie), f"/deals/{oven.pk}/{road}/"
    answer = client.get(address) if road == "mentions" else client.post(address, {"body": "@Bob"})
    assert answer.status_code == 404
    assert not Notice.objects.exists()
