from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from crm import deals
from crm.actors import Actor
from crm.models import (
    Change,
    Company,
    Contact,
    CustomField,
    Deal,
    LostReason,
    Pipeline,
    Source,
    Stage,
    Team,
    User,
)
from crm.models.deals import open_door
from tests.crm.api import ApiClient, errors
from tests.crm.deals import many_deals

FIELDS = [
    "id",
    "title",
    "stage",
    "pipeline",
    "status",
    "value",
    "currency",
    "owner",
    "contact",
    "company",
    "source",
    "tags",
    "expected_close_on",
    "lost_reason",
    "custom_fields",
    "external_ids",
    "version",
    "stage_entered_at",
    "closed_at",
    "created_at",
    "updated_at",
]


def test_a_deal_shows_exactly_what_the_api_promises(api: ApiClient, deal: Deal) -> None:
    answer = api.get(f"deals/{deal.pk}/")
    shown = answer.json()
    assert (answer.status_code, list(shown)) == (200, FIELDS)
    assert shown["created_at"] == deal.created_at.isoformat().replace("+00:00", "Z")
    assert (shown["value"], shown["currency"], shown["status"]) == ("0.00", "BRL", "open")
    assert (shown["tags"], shown["external_ids"], shown["version"]) == ([], {}, 1)


def test_a_deal_is_created_with_all_its_fields(api: ApiClient, stages: list[Stage], alice: User) -> None:
    CustomField.objects.create(entity="deal", key="plan", label="Plan")
    contact, company = Contact.objects.create(name="Ana"), Company.objects.create(name="Padaria")
    source = Source.objects.create(name="Fair")
    sent: dict[str, Any] = {
        "title": "ERP",
        "stage": stages[1].pk,
        "value": "1500.50",
        "currency": "USD",
        "owner": alice.pk,
        "contact": contact.pk,
        "company": company.pk,
        "source": source.pk,
        "tags": ["vip", "new"],
        "expected_close_on": "2027-01-31",
        "custom_fields": {"plan": "Gold"},
        "external_ids": {"omie": "123"},
    }
    answer = api.post("deals/", **sent)
    made = answer.json()
    assert answer.status_code == 201
    assert {name: made[name] for name in sent} == {**sent, "tags": ["new", "vip"]}
    assert (made["pipeline"], made["version"]) == (stages[1].pipeline_id, 1)
    change = Change.objects.get()
    assert (change.verb, change.actor_kind, change.actor_id) == ("created", "token", api.token.pk)


@pytest.mark.parametrize(
    ("sent", "refused"),
    [
        ({"titel": "x"}, ("unknown_field", "titel")),
        ({"status": "won"}, ("read_only", "status")),
        ({"version": 1}, ("read_only", "version")),
        ({"value": "-1"}, ("min_value", "value")),
        ({"value": "ten"}, ("invalid", "value")),
        ({"currency": "brl"}, ("invalid", "currency")),
        ({"title": "\0"}, ("null_characters_not_allowed", "title")),
        ({"owner": 10**30}, ("does_not_exist", "owner")),
        ({"stage": 999_999}, ("does_not_exist", "stage")),
        ({"custom_fields": {"unknown": 1}}, ("invalid", "custom_fields")),
        ({"tags": [""]}, ("blank", "tags.0")),
        ({"tags": ["x" * 61]}, ("invalid", "tags")),
        ({"external_ids": {"": "1"}}, ("invalid", "external_ids")),
    ],
)
def test_a_bad_field_is_refused_by_name_and_nothing_changes(
    api: ApiClient, deal: Deal, sent: dict[str, Any], refused: tuple[str, str]
) -> None:
    answer = api.patch(f"deals/{deal.pk}/", **sent)
    assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
    assert errors(answer) == [refused]
    assert Deal.objects.values("title", "version", "stage").get() == {
        "title": deal.title,
        "version": 1,
        "stage": deal.stage_id,
    }


@pytest.mark.parametrize(
    "body",
    [
        '{"custom_fields": {"\\u0000": 1}}',
        '{"custom_fields": {"plan": "\\u0000"}}',
        '{"custom_fields": {"number": "1e999999999"}}',
        '{"external_ids": {"omie": "\\u0000"}}',
        '{"title": "\\ud800"}',
        '{"\\ud800": 1}',
        '{"value": 1e400}',
        '{"value": NaN}',
        '{"custom_fields": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "\xff",
    ],
)
def test_what_cannot_be_kept_is_refused_and_breaks_nothing(api: ApiClient, deal: Deal, body: str) -> None:
    CustomField.objects.create(entity="deal", key="plan", label="Plan")
    CustomField.objects.create(entity="deal", key="number", label="Number", type="number")
    raw = body.encode("latin-1")
    answer = api.http.patch(f"/api/v1/deals/{deal.pk}/", raw, content_type="application/json")
    assert (answer.status_code, answer.json()["type"] in ("validation_error", "client_error")) == (400, True)
    assert Deal.objects.get().version == 1


def test_what_is_not_json_is_refused(api: ApiClient, deal: Deal) -> None:
    address = f"/api/v1/deals/{deal.pk}/"
    assert api.http.patch(address, "{", content_type="application/json").status_code == 400
    assert api.http.patch(address, "[1]", content_type="application/json").status_code == 400
    assert api.http.patch(address, "a=1", content_type="application/x-www-form-urlencoded").status_code == 415
    assert api.http.put(address, "{}", content_type="application/json").status_code == 405


def test_a_patch_may_change_the_stage_and_goes_through_the_door(
    api: ApiClient, deal: Deal, stages: list[Stage]
) -> None:
    answer = api.patch(f"deals/{deal.pk}/", stage=stages[2].pk, value="10", tags=["vip"])
    assert (answer.status_code, answer.json()["stage"], answer.json()["version"]) == (200, stages[2].pk, 2)
    assert set(Change.objects.filter(verb="changed").values_list("field", flat=True)) == {
        "stage",
        "value",
        "tags",
    }


def test_a_move_answers_with_the_moved_deal(api: ApiClient, deal: Deal, stages: list[Stage]) -> None:
    answer = api.post(f"deals/{deal.pk}/move/", stage=stages[1].pk, version=1)
    assert (answer.status_code, answer.json()["stage"], answer.json()["version"]) == (200, stages[1].pk, 2)


def test_a_move_puts_the_deal_between_the_named_ones(
    api: ApiClient, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    low = deals.create_deal(actor=actor, stage=stages[1], title="low")
    high = deals.create_deal(actor=actor, stage=stages[1], title="high")
    answer = api.post(f"deals/{deal.pk}/move/", stage=stages[1].pk, before=low.pk, after=high.pk)
    assert answer.status_code == 200
    assert list(Deal.objects.filter(stage=stages[1]).in_column_order()) == [high, deal, low]


def test_a_stale_move_is_409_with_the_deal_as_it_is(
    api: ApiClient, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    answer = api.post(f"deals/{deal.pk}/move/", stage=stages[2].pk, version=1)
    assert (answer.status_code, errors(answer)) == (409, [("stale_version", None)])
    assert answer.json()["type"] == "client_error"
    assert answer.json()["deal"] == api.get(f"deals/{deal.pk}/").json()
    assert Deal.objects.get().stage == stages[1]


def test_a_move_without_what_the_stage_requires_is_422_with_the_names(
    api: ApiClient, deal: Deal, stages: list[Stage]
) -> None:
    api.patch(f"stages/{stages[1].pk}/", required_fields=["value", "contact"])
    for path in (f"deals/{deal.pk}/move/", "deals/bulk_move/"):
        body: dict[str, Any] = {"deals": [deal.pk]} if "bulk" in path else {}
        answer = api.post(path, stage=stages[1].pk, **body)
        assert (answer.status_code, errors(answer)) == (422, [("required", "value"), ("required", "contact")])
    assert Deal.objects.get().stage == stages[0]


def test_a_move_that_is_none_is_422(api: ApiClient, deal: Deal, stages: list[Stage]) -> None:
    answer = api.post(f"deals/{deal.pk}/move/", stage=stages[0].pk)
    assert (answer.status_code, errors(answer)) == (422, [("not_a_move", None)])
    assert Deal.objects.get().version == 1


def test_many_deals_move_at_once_or_not_at_all(
    api: ApiClient, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    there = deals.create_deal(actor=actor, stage=stages[1], title="there already")
    refused = api.post("deals/bulk_move/", deals=[deal.pk, 999_999], stage=stages[1].pk)
    assert (refused.status_code, Deal.objects.get(pk=deal.pk).stage) == (404, stages[0])
    answer = api.post("deals/bulk_move/", deals=[deal.pk, there.pk], stage=stages[1].pk)
    assert (answer.status_code, answer.json()) == (200, {"moved": 1})
    assert Deal.objects.get(pk=deal.pk).stage == stages[1]


def test_a_deal_is_won_lost_with_a_reason_and_reopened(api: ApiClient, deal: Deal) -> None:
    reason = LostReason.objects.create(name="Price")
    assert api.post(f"deals/{deal.pk}/win/").json()["status"] == "won"
    again = api.post(f"deals/{deal.pk}/win/")
    assert (again.status_code, errors(again)) == (422, [("not_a_change", None)])
    assert errors(api.post(f"deals/{deal.pk}/lose/")) == [("required", "lost_reason")]
    lost = api.post(f"deals/{deal.pk}/lose/", lost_reason=reason.pk, note="Too dear").json()
    assert (lost["status"], lost["lost_reason"]) == ("lost", reason.pk)
    assert lost["closed_at"].endswith("Z")
    reopened = api.post(f"deals/{deal.pk}/reopen/").json()
    assert (reopened["status"], reopened["lost_reason"], reopened["closed_at"]) == ("open", None, None)
    assert deal.activities.get().body == "Too dear"


def test_a_deal_is_won_for_a_value_on_an_earlier_day_and_never_on_a_later_one(
    api: ApiClient, deal: Deal
) -> None:
    later = api.post(f"deals/{deal.pk}/win/", closed_on="2999-01-01")
    assert (later.status_code, errors(later)) == (400, [("invalid", "closed_on")])
    won = api.post(f"deals/{deal.pk}/win/", value="1200.50", closed_on="2026-01-05").json()
    assert (won["status"], won["value"], won["closed_at"][:10]) == ("won", "1200.50", "2026-01-05")


def test_a_deleted_deal_is_gone_and_its_history_stays(api: ApiClient, deal: Deal) -> None:
    assert api.delete(f"deals/{deal.pk}/").status_code == 204
    assert api.get(f"deals/{deal.pk}/").status_code == 404
    assert Change.objects.filter(object_id=deal.pk, verb="deleted").count() == 1


def test_the_timeline_tells_what_happened_newest_first(
    api: ApiClient, deal: Deal, stages: list[Stage]
) -> None:
    api.post(f"deals/{deal.pk}/move/", stage=stages[1].pk)
    deal.activities.create(kind="note", body="They called back", done_at=timezone.now())
    answer = api.get(f"deals/{deal.pk}/timeline/").json()
    assert (answer["next"], answer["previous"]) == (None, None)
    assert [entry["text"] for entry in answer["results"]] == [
        "They called back",
        "New → Proposal",
        "Deal created",
    ]
    assert list(answer["results"][0]) == ["at", "icon", "text", "detail", "url", "tone"]
    assert answer["results"][1]["detail"] == "API token “a token”"


def test_a_rep_works_with_own_and_team_deals_and_the_others_do_not_exist(
    deal: Deal, stages: list[Stage], actor: Actor, bob: User, charlie: User, team: Team
) -> None:
    dora = User.objects.create_user("dora@example.com", name="Dora", team=team)
    of_the_team = deals.create_deal(actor=actor, stage=stages[0], title="Dora's", fields={"owner": dora})
    as_bob, as_charlie = ApiClient(bob), ApiClient(charlie)
    assert [row["id"] for row in as_bob.get("deals/").json()["results"]] == [of_the_team.pk]
    assert as_charlie.get("deals/").json()["results"] == []
    calls: list[Callable[[], Any]] = [
        lambda: as_charlie.get(f"deals/{of_the_team.pk}/"),
        lambda: as_charlie.patch(f"deals/{of_the_team.pk}/", title="mine now"),
        lambda: as_charlie.post(f"deals/{of_the_team.pk}/move/", stage=stages[1].pk),
        lambda: as_charlie.post("deals/bulk_move/", deals=[of_the_team.pk], stage=stages[1].pk),
        lambda: as_charlie.post(f"deals/{of_the_team.pk}/win/"),
        lambda: as_charlie.get(f"deals/{of_the_team.pk}/timeline/"),
        lambda: as_charlie.delete(f"deals/{of_the_team.pk}/"),
    ]
    assert [call().status_code for call in calls] == [404] * len(calls)
    of_the_team.refresh_from_db()
    assert (of_the_team.title, of_the_team.stage, of_the_team.version) == ("Dora's", stages[0], 1)
    assert as_bob.post(f"deals/{of_the_team.pk}/move/", stage=stages[1].pk).status_code == 200
    assert as_bob.post("deals/", title="Bob's", stage=stages[0].pk).json()["owner"] == bob.pk


def test_deals_are_found_by_each_filter(
    api: ApiClient, deal: Deal, stages: list[Stage], actor: Actor, alice: User
) -> None:
    contact, company = Contact.objects.create(name="Ana"), Company.objects.create(name="Padaria")
    source = Source.objects.create(name="Fair")
    fields = {
        "owner": alice,
        "contact": contact,
        "company": company,
        "source": source,
        "tags": ["VIP"],
        "external_ids": {"omie": "7", "other": "8"},
    }
    found = deals.create_deal(actor=actor, stage=stages[1], title="Found", fields=fields)
    deals.win_deal(deal_id=found.pk, actor=actor)
    other_board = Pipeline.objects.create(name="Other")
    for query in (
        {"stage": stages[1].pk},
        {"status": "won"},
        {"owner": alice.pk},
        {"contact": contact.pk},
        {"company": company.pk},
        {"source": source.pk},
        {"tag": "vip"},
        {"created_after": deal.created_at.isoformat()},
        {"updated_after": deal.updated_at.isoformat()},
        {"external_system": "omie"},
        {"external_system": "omie", "external_id": "7"},
        {"search": "padar"},
        {"pipeline": found.pipeline_id, "ordering": "-created_at", "page_size": 1},
    ):
        rows = api.get("deals/", **query).json()["results"]
        assert [row["id"] for row in rows] == [found.pk], query
    for query in ({"external_system": "omie", "external_id": "8"}, {"pipeline": other_board.pk}):
        assert api.get("deals/", **query).json()["results"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"status": "sold"},
        {"stage": "first"},
        {"created_after": "yesterday"},
        {"status": "\0"},
        {"page_size": "9" * 5000},
        {"ordering": "rank"},
        {"ordering": "owner__password"},
        {"page_size": "0"},
        {"page_size": "many"},
    ],
)
def test_a_list_asked_for_wrongly_is_refused(api: ApiClient, query: dict[str, str]) -> None:
    answer = api.get("deals/", **query)
    assert answer.status_code == 400
    assert [attr for _code, attr in errors(answer)] == list(query)


def test_stale_deals_are_those_too_long_in_a_stage_that_says_so(
    api: ApiClient, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    Stage.objects.filter(pk=stages[0].pk).update(rotting_days=3)
    fresh = deals.create_deal(actor=actor, stage=stages[0], title="fresh")
    with open_door():
        Deal.objects.filter(pk=deal.pk).update(stage_entered_at=timezone.now() - timedelta(days=4))
    stale = api.get("deals/", stale="true").json()["results"]
    not_stale = api.get("deals/", stale="false").json()["results"]
    assert ([row["id"] for row in stale], [row["id"] for row in not_stale]) == ([deal.pk], [fresh.pk])


def _walk(api: ApiClient, link: str, direction: str) -> list[list[int]]:
    pages = []
    while link:
        page = api.http.get(link).json()
        pages.append([row["id"] for row in page["results"]])
        link = page[direction]
    return pages


@pytest.mark.parametrize("ordering", ["value", "-value", "expected_close_on", "-expected_close_on", "id"])
def test_pages_show_every_deal_once_in_both_directions_whatever_the_order(
    api: ApiClient, stages: list[Stage], actor: Actor, ordering: str
) -> None:
    for number in range(7):
        fields = {
            "value": Decimal(number // 3),
            "expected_close_on": f"2027-01-0{number // 2 + 1}" if number % 3 else None,
        }
        deals.create_deal(actor=actor, stage=stages[0], title=str(number), fields=fields)
    name = ordering.removeprefix("-")
    sign = "-" if ordering.startswith("-") else ""
    ordered = list(Deal.objects.order_by(f"{sign}{name}", f"{sign}id").values_list("pk", flat=True))
    first = f"/api/v1/deals/?ordering={ordering}&page_size=2"
    pages = _walk(api, first, "next")
    assert pages == [ordered[:2], ordered[2:4], ordered[4:6], ordered[6:]]
    last = api.http.get(first).json()["next"]
    for _page in range(2):
        last = api.http.get(last).json()["next"]
    assert _walk(api, last, "previous") == [ordered[6:], ordered[4:6], ordered[2:4], ordered[:2]]


def test_a_made_up_cursor_is_404(api: ApiClient, deal: Deal) -> None:
    assert api.get("deals/", cursor="made-up").status_code == 404


def test_a_page_of_200_deals_takes_as_many_queries_as_a_page_of_2(
    api: ApiClient, stages: list[Stage], actor: Actor, django_assert_max_num_queries: Any
) -> None:
    fields = {"tags": ["one", "two"], "external_ids": {"omie": "7"}}
    many_deals(200, stage=stages[0], actor=actor, **fields)
    api.get("deals/")  # writes down that the token was used
    with django_assert_max_num_queries(4):  # the token, the deals, their tags, their external ids
        answer = api.get("deals/", page_size=200)
    assert len(answer.json()["results"]) == 200
