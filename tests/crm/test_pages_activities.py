"""My day, the lists, the calendar, and what is done to an activity in place."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from crm import agenda
from crm.activities import create_activity, update_activity
from crm.actors import Actor
from crm.deals import update_deal
from crm.models import Activity, Contact, Deal, User
from crm.views import pages
from tests.crm.pages import browser_of, texts

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)  # a Tuesday, 9:00 in São Paulo
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def today(db: None) -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def mine(deal: Deal, bob: User, actor: Actor) -> Deal:
    """Bob's deal; Bob keeps the time of São Paulo."""
    User.objects.filter(pk=bob.pk).update(time_zone="America/Sao_Paulo")
    return update_deal(deal_id=deal.pk, actor=actor, fields={"owner": bob})


@pytest.fixture
def as_bob(mine: Deal, bob: User) -> Client:
    return browser_of(bob)


def plan(deal: Deal | None, subject: str, due_at: datetime | None = None, **fields: Any) -> Activity:
    given = {"deal": deal, "subject": subject, "due_at": due_at, **fields}
    return create_activity(fields=given, actor=Actor.system())


def titles(html: str) -> list[str]:
    found = re.findall(r'class="act-title"[^>]*>(.*?)</button>', html, re.DOTALL)
    return [" ".join(text.split()) for text in found]


def sections(client: Client) -> dict[str, list[str]]:
    html = client.get("/activities/").content.decode()
    parts = re.split(r'id="day-(\w+)"', html)
    return {key: titles(inside) for key, inside in zip(parts[1::2], parts[2::2], strict=True)}


def said(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = response.json()
    return answer


def test_a_day_has_what_is_late_then_today_then_next_and_what_was_done(
    as_bob: Client, mine: Deal, bob: User, alice: User
) -> None:
    plan(mine, "Late", NOON - HOUR, assignee=bob)
    plan(mine, "Soon", NOON + HOUR, assignee=bob)
    plan(mine, "Tonight", datetime(2026, 11, 25, 2, tzinfo=UTC), assignee=bob)  # 23:00 there
    plan(mine, "Tomorrow", datetime(2026, 11, 25, 3, tzinfo=UTC), assignee=bob)
    plan(mine, "In a month", NOON + 30 * DAY, assignee=bob)
    plan(mine, "Some day", assignee=bob)
    plan(mine, "Finished", NOON - DAY, assignee=bob, done_at=NOON - HOUR)
    plan(mine, "Finished yesterday", NOON - DAY, assignee=bob, done_at=NOON - 10 * HOUR)
    plan(mine, "Alice's", NOON - HOUR, assignee=alice)
    assert sections(as_bob) == {
        "overdue": ["Late"],
        "today": ["Soon", "Tonight"],
        "next": ["Tomorrow"],
        "undated": ["Some day"],
        "done": ["Finished"],
    }
    html = as_bob.get("/activities/").content.decode()
    assert texts(html, "count bad")[0].startswith("1")
    assert as_bob.get("/activities/count/").content.decode().count("hidden") == 0


def test_an_empty_day_teaches_how_to_fill_it(as_bob: Client) -> None:
    for address, words in (
        ("/activities/", "Press N"),
        ("/activities/overdue/", "Nothing is overdue"),
        ("/activities/all/", "press N"),
        ("/activities/all/?q=nothing", "No activity fits"),
    ):
        assert words in as_bob.get(address).content.decode()
    assert "hidden" in as_bob.get("/activities/count/").content.decode()


def test_the_lists_are_narrowed_and_ordered(as_bob: Client, mine: Deal, bob: User, alice: User) -> None:
    ana = Contact.objects.create(name="Ana Souza")
    plan(mine, "Call", NOON - DAY, assignee=bob)
    plan(mine, "Meet", NOON + 3 * DAY, assignee=alice, kind="meeting")
    plan(None, "Write", NOON + DAY, contact=ana, assignee=bob, kind="email")
    plan(mine, "Paid", NOON - DAY, done_at=NOON)

    def shown(path: str = "all", **query: Any) -> list[str]:
        return titles(as_bob.get(f"/activities/{path}/", query).content.decode())

    assert shown() == ["Call", "Write", "Meet"]
    assert shown(sort="-due") == ["Meet", "Write", "Call"]
    assert (shown(owner="me"), shown(owner=alice.pk)) == (["Call", "Write"], ["Meet"])
    assert (shown(kind="email"), shown(q="ána sou")) == (["Write"], ["Write"])
    assert (shown(q="bakery"), shown(q="mee")) == (["Call", "Meet"], ["Meet"])
    assert (shown(state="done"), shown(state="overdue")) == (["Paid"], ["Call"])
    assert shown(due_after="2026-11-25", due_before="2026-11-25") == ["Write"]
    assert shown(owner="x", kind="x", due_after="x", sort="x", state="x") == ["Call", "Write", "Meet"]
    assert (shown("overdue"), shown("overdue", owner=alice.pk)) == (["Call"], [])


def test_a_long_list_has_pages(
    as_bob: Client, mine: Deal, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SIZE", 2)
    monkeypatch.setattr(agenda, "SHOWN", 2)
    for number in range(3):
        plan(mine, f"A{number}", NOON - (5 - number) * HOUR, assignee=bob)
    plan(mine, "Some day", assignee=bob)
    first = as_bob.get("/activities/all/").content.decode()
    after = Activity.objects.get(subject="A1").pk
    rest = as_bob.get(f"/activities/all/?after={after}").content.decode()
    assert (titles(first), titles(rest)) == (["A0", "A1"], ["A2", "Some day"])
    assert sections(as_bob)["overdue"] == ["A0", "A1"]


def calendar(client: Client, **query: Any) -> dict[str, list[str]]:
    """The texts of each day that has any."""
    html = client.get("/activities/calendar/", query).content.decode()
    parts = re.split(r'data-day="([\d-]+)"', html)
    days = zip(parts[1::2], parts[2::2], strict=True)
    found = {day: re.findall(r'class="cal-text">([^<]+)<', inside) for day, inside in days}
    return {"first": [next(iter(found))], "last": [list(found)[-1]]} | {k: v for k, v in found.items() if v}


def test_the_calendar_shows_each_day_as_the_reader_counts_them(as_bob: Client, mine: Deal, bob: User) -> None:
    plan(mine, "Late in the day", datetime(2026, 11, 25, 2, tzinfo=UTC), assignee=bob)
    plan(mine, "Next month", datetime(2026, 12, 6, 15, tzinfo=UTC), assignee=bob)
    month = calendar(as_bob)
    assert month == {
        "first": ["2026-10-26"],
        "last": ["2026-12-06"],
        "2026-11-24": ["Late in the day"],
        "2026-12-06": ["Next month"],
    }
    User.objects.filter(pk=bob.pk).update(language="pt-br")  # where weeks begin on Sundays
    week = calendar(as_bob, span="week", on="2026-12-06")
    assert week == {"first": ["2026-12-06"], "last": ["2026-12-12"], "2026-12-06": ["Next month"]}
    for wrong in ("x", "0001-01-01", "9999-12-31"):
        assert calendar(as_bob, on=wrong)["first"] == ["2026-11-01"]


def test_a_full_day_of_a_month_leads_to_its_week(as_bob: Client, mine: Deal, bob: User) -> None:
    for number in range(6):
        plan(mine, f"A{number}", NOON + HOUR, assignee=bob)
    html = as_bob.get("/activities/calendar/").content.decode()
    assert "2 more" in html
    assert len(calendar(as_bob, span="week")["2026-11-24"]) == 6


def test_a_calendar_says_how_many_it_leaves_out(
    as_bob: Client, mine: Deal, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agenda, "MOST", 3)
    for number in range(3):
        plan(mine, f"A{number}", NOON + number * HOUR, assignee=bob)
    assert "not shown" not in as_bob.get("/activities/calendar/").content.decode()
    for number in range(2):
        plan(mine, f"B{number}", NOON + 9 * HOUR, assignee=bob)
    assert (
        "2 later activities of this time are not shown"
        in as_bob.get("/activities/calendar/").content.decode()
    )
    assert calendar(as_bob)["2026-11-24"] == ["A0", "A1", "A2"]


def test_an_activity_is_ticked_and_taken_back(as_bob: Client, mine: Deal, bob: User) -> None:
    made = plan(mine, "Call", NOON - HOUR, assignee=bob)
    answer = said(as_bob.post(f"/activities/{made.pk}/done/"))
    assert answer["text"] == "Done: Call"
    assert Activity.objects.get().done_at == NOON
    assert said(as_bob.post(answer["undo"]["url"]))["undo"] is None
    assert Activity.objects.get().done_at is None


@pytest.mark.parametrize(
    ("to", "due_at"),
    [
        ("tomorrow", datetime(2026, 11, 25, 20, 30, tzinfo=UTC)),
        ("next_week", datetime(2026, 11, 30, 20, 30, tzinfo=UTC)),
        ("2026-12-24", datetime(2026, 12, 24, 20, 30, tzinfo=UTC)),
        ("2026-12-24T08:00:00+00:00", datetime(2026, 12, 24, 8, tzinfo=UTC)),
        ("", None),
    ],
)
def test_an_activity_is_put_off_and_back(
    as_bob: Client, mine: Deal, bob: User, to: str, due_at: datetime | None
) -> None:
    was = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
    made = plan(mine, "Call", was, assignee=bob)
    answer = said(as_bob.post(f"/activities/{made.pk}/move/", {"to": to}))
    assert Activity.objects.get().due_at == due_at
    said(as_bob.post(answer["undo"]["url"], answer["undo"]["values"]))
    assert Activity.objects.get().due_at == was


@pytest.mark.parametrize("to", ["x", "2026-13-01", "0001-01-01", "9999-12-31T23:59:00-12:00", "9999-12-31"])
def test_a_day_that_is_none_is_refused_and_moves_nothing(
    as_bob: Client, mine: Deal, bob: User, to: str
) -> None:
    made = plan(mine, "Call", NOON, assignee=bob)
    refused = as_bob.post(f"/activities/{made.pk}/move/", {"to": to})
    assert refused.status_code == 422
    assert refused.json()["message"]
    assert Activity.objects.get().due_at == NOON


def form(about_it: str, **given: Any) -> dict[str, Any]:
    return {
        "subject": "Call",
        "about": about_it,
        "about_text": "typed",
        "kind": "task",
        "due_on": "2026-11-25",
        "due_time": "09:30",
        "reminder": "10",
        "assignee": "",
        "body": "",
        **given,
    }


def test_an_activity_is_planned_and_changed_in_its_dialog(as_bob: Client, mine: Deal, bob: User) -> None:
    empty = as_bob.get(f"/activities/new/?about=deal:{mine.pk}&on=2026-11-30").content.decode()
    assert f'value="deal:{mine.pk}"' in empty
    assert 'value="2026-11-30"' in empty
    made = as_bob.post("/activities/new/", form(f"deal:{mine.pk}", assignee=bob.pk))
    assert (made.status_code, json.loads(made["HX-Trigger"])) == (
        204,
        {"activity-saved": {"text": "Planned: Call"}},
    )
    activity = Activity.objects.get()
    assert (activity.deal, activity.assignee, activity.reminder) == (mine, bob, 10)
    assert activity.due_at == datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
    assert activity.created_by["name"] == "Bob"
    ana = Contact.objects.create(name="Ana")
    changed = as_bob.post(
        f"/activities/{activity.pk}/", form(f"contact:{ana.pk}", due_on="", due_time="", assignee=bob.pk)
    )
    assert changed.status_code == 204
    kept = Activity.objects.get()
    assert (kept.deal, kept.contact, kept.due_at) == (None, ana, None)
    assert 'value="Ana"' in as_bob.get(f"/activities/{activity.pk}/").content.decode()


def test_two_people_who_change_an_activity_keep_what_each_has_changed_or_choose(
    as_bob: Client, mine: Deal, bob: User, alice: User
) -> None:
    activity = plan(mine, "Call", datetime(2026, 11, 25, 12, 30, tzinfo=UTC), assignee=bob, reminder=10)
    address = f"/activities/{activity.pk}/"
    shown = hidden(as_bob.get(address))
    assert (shown["was_about"], shown["was_due_time"], shown["was_reminder"]) == (
        f"deal:{mine.pk}",
        "09:30",
        "10",
    )

    update_activity(activity_id=activity.pk, actor=Actor.user(alice), fields={"body": "Ask for Ana"})
    typed = form(f"deal:{mine.pk}", assignee=bob.pk)
    assert as_bob.post(address, {**typed, **shown, "subject": "Ring"}).status_code == 204
    kept = Activity.objects.get()
    assert (kept.subject, kept.body, kept.changed_by["name"]) == ("Ring", "Ask for Ana", "Bob")

    shown = hidden(as_bob.get(address))
    theirs = {"subject": "Visit", "due_at": datetime(2026, 11, 26, 12, 30, tzinfo=UTC)}
    update_activity(activity_id=activity.pk, actor=Actor.user(alice), fields=theirs)
    mixed = {**typed, "subject": "Write", "due_time": "10:00", "body": "Ask for Rui"}
    late = as_bob.post(address, {**mixed, **shown})
    html = late.content.decode()
    assert late.status_code == 409
    assert "Alice changed this activity" in html
    assert texts(html, "versions") == [
        "Before Ring Theirs Visit Yours Write",
        "Before 11/25/2026 Theirs 11/26/2026 Yours 11/25/2026",
        "Before 09:30 Theirs 09:30 Yours 10:00",
    ]
    assert Activity.objects.get().subject == "Visit"

    mixed |= {**hidden(late), "due_on": "2026-11-26"}
    update_activity(activity_id=activity.pk, actor=Actor.user(alice), fields={"subject": "Again"})
    assert as_bob.post(address, mixed).status_code == 409  # a third change is a conflict once more
    assert as_bob.post(address, {**mixed, "theirs": "subject due_on due_time"}).status_code == 204
    kept = Activity.objects.get()
    assert (kept.subject, kept.due_at, kept.body) == ("Again", theirs["due_at"], "Ask for Rui")
    mixed = {**typed, **hidden(as_bob.get(address)), "subject": "Mine"}
    assert as_bob.post(address, mixed).status_code == 204
    assert Activity.objects.get().subject == "Mine"


def hidden(response: Any) -> dict[str, str]:
    """What a form sends back of what it has shown."""
    inputs = re.findall(
        r'<input type="hidden" name="(was_\w+)" value="(.*?)">', response.content.decode(), re.DOTALL
    )
    return dict(inputs)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"subject": ""}, "subject"),
        ({"about": ""}, "about"),
        ({"about": "deal:999999999999999999999"}, "about"),
        ({"due_time": ""}, "due_time"),
        ({"due_on": ""}, "due_on"),
        ({"due_on": "9999-12-31"}, "due_on"),
        ({"kind": "party"}, "kind"),
        ({"reminder": "-1"}, "reminder"),
        ({"subject": "a\0b"}, "subject"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    as_bob: Client, mine: Deal, wrong: dict[str, Any], field: str
) -> None:
    refused = as_bob.post("/activities/new/", form(f"deal:{mine.pk}", **wrong))
    html = refused.content.decode()
    assert (refused.status_code, re.findall(r'id="activity-(\w+)-error"', html)) == (422, [field])
    assert 'value="typed"' in html
    assert not Activity.objects.exists()


def test_deals_and_contacts_are_offered_as_far_as_one_sees_them(
    as_bob: Client, mine: Deal, charlie: User
) -> None:
    Contact.objects.create(name="Bakery Ana")
    offered = as_bob.get("/activities/about/?q=bakery").content.decode()
    assert re.findall(r'data-text="([^"]+)"', offered) == ["ERP for a bakery", "Bakery Ana"]
    assert "ERP for a bakery" in as_bob.get("/activities/about/").content.decode()
    as_charlie = browser_of(charlie)
    assert "ERP" not in as_charlie.get("/activities/about/?q=bakery").content.decode()
    assert "Nothing found" in as_charlie.get("/activities/about/").content.decode()


def test_charlie_sees_and_changes_nothing_of_bob_s(
    as_bob: Client, mine: Deal, bob: User, charlie: User
) -> None:
    made = plan(mine, "Secret", NOON - HOUR, assignee=bob)
    stranger = browser_of(charlie)
    for address in (f"/activities/{made.pk}/", f"/activities/{made.pk}/move/"):
        assert stranger.get(address).status_code == 404
    for verb in ("", "done/", "reopen/", "move/", "delete/"):
        assert stranger.post(f"/activities/{made.pk}/{verb}", {"to": "tomorrow"}).status_code == 404
    for address in ("", "overdue/?owner=all", "all/", "calendar/?owner=all"):
        assert "Secret" not in stranger.get(f"/activities/{address}").content.decode()
    assert stranger.post("/activities/new/", form(f"deal:{mine.pk}")).status_code == 422
    assert Activity.objects.get().done_at is None
    assert Client().get("/activities/").status_code == 302


def test_a_manager_sees_everybody_s_and_gives_them_to_who_sees_the_deal(
    as_bob: Client, mine: Deal, bob: User, charlie: User
) -> None:
    made = plan(mine, "Call", NOON - HOUR, assignee=bob)
    User.objects.filter(pk=charlie.pk).update(role=User.Role.MANAGER)
    manager = browser_of(User.objects.get(pk=charlie.pk))
    assert titles(manager.get("/activities/overdue/?owner=all").content.decode()) == ["Call"]
    User.objects.filter(pk=charlie.pk).update(role=User.Role.REP)
    refused = as_bob.post(f"/activities/{made.pk}/", form(f"deal:{mine.pk}", assignee=charlie.pk))
    assert "Charlie does not see this deal." in refused.content.decode()
    assert Activity.objects.get().assignee == bob


def test_the_deal_and_its_card_say_what_is_overdue(as_bob: Client, mine: Deal, bob: User) -> None:
    assert "Nothing is planned." in as_bob.get(f"/deals/{mine.pk}/").content.decode()
    made = plan(mine, "Call", NOON - HOUR, assignee=bob)
    page = as_bob.get(f"/deals/{mine.pk}/").content.decode()
    assert f'class="act late"\n    data-activity-id="{made.pk}"' in page
    assert texts(as_bob.get("/").content.decode(), "due late") == ["today"]


def test_a_contact_shows_what_one_plans_with_them(as_bob: Client, bob: User, charlie: User) -> None:
    ana = Contact.objects.create(name="Ana")
    plan(None, "Call", NOON - HOUR, contact=ana, assignee=bob)
    plan(None, "Met", contact=ana, assignee=bob, done_at=NOON)
    page = as_bob.get(f"/contacts/{ana.pk}/").content.decode()
    assert titles(page) == ["Call"]
    assert "Met" in page
    assert f"/activities/new/?about=contact:{ana.pk}" in page
    strangers = browser_of(charlie).get(f"/contacts/{ana.pk}/").content.decode()
    assert (titles(strangers), "Met" in strangers) == ([], False)


def test_lists_take_as_many_queries_for_many_as_for_one(
    as_bob: Client, mine: Deal, bob: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        plan(mine, f"A{number}", NOON + number * HOUR, assignee=bob)
    for address, most in (("", 11), ("all/", 8), ("calendar/", 8)):
        with django_assert_max_num_queries(most):
            as_bob.get(f"/activities/{address}")
