"""The filters of deals, on the board, in the list and through the API, and the bar that shows them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from crm.actors import Actor
from crm.deals import create_deal, win_deal
from crm.filters import read_filters
from crm.filters.chips import chips
from crm.models import Company, Contact, CustomField, Deal, Source, Stage, Team, User
from crm.models.deals import open_door
from tests.crm.api import ApiClient, errors
from tests.crm.pages import browser_of, texts


@pytest.fixture
def as_alice(alice: User) -> Client:
    return browser_of(alice)


@pytest.fixture
def found(stages: list[Stage], actor: Actor, alice: User, team: Team, bob: User) -> Deal:
    """A deal that each filter can find, beside one of nothing that none does."""
    for key, kind, options in (
        ("plan", CustomField.Type.CHOICE, ["gold", "silver"]),
        ("needs", CustomField.Type.CHOICES, ["fiscal", "stock"]),
        ("seats", CustomField.Type.NUMBER, []),
        ("fee", CustomField.Type.MONEY, []),
        ("starts", CustomField.Type.DATE, []),
        ("signed", CustomField.Type.BOOLEAN, []),
        ("in", CustomField.Type.TEXT, []),  # a key that is also the name of a comparison
    ):
        CustomField.objects.create(
            entity=CustomField.Entity.DEAL, key=key, label=key.title(), type=kind, options=options
        )
    create_deal(actor=actor, stage=stages[0], title="Nothing")
    Stage.objects.filter(pk=stages[1].pk).update(rotting_days=3)
    fields = {
        "owner": bob,
        "value": Decimal("1500.50"),
        "contact": Contact.objects.create(name="João Melo", emails=["joao@example.com"]),
        "company": Company.objects.create(name="Padaria Pão Bom"),
        "source": Source.objects.create(name="Fair"),
        "tags": ["VIP"],
        "expected_close_on": date(2026, 12, 10),
        "custom_fields": {
            "plan": "gold",
            "needs": ["fiscal", "stock"],
            "seats": 12,
            "fee": "99.90",
            "starts": "2027-02-01",
            "signed": True,
            "in": "Sheet no. 7",
        },
    }
    deal = create_deal(actor=actor, stage=stages[1], title="Integração", fields=fields)
    with open_door():
        times = {"created_at": datetime(2026, 3, 5, 12, tzinfo=UTC)}
        Deal.objects.filter(pk=deal.pk).update(
            **times, stage_entered_at=timezone.now() - timedelta(days=4), updated_at=times["created_at"]
        )
    deal.refresh_from_db()
    return deal


QUERIES = [
    "q=integracao",
    "q=INTEGRA%20joao",
    "q=pao%20bom",
    "owner={bob}",
    "owner={bob}&owner={alice}",
    "team={team}",
    "tag=vip&tag=other",
    "source={source}",
    "value_min=1500.50&value_max=1500.50",
    "close_after=2026-12-10&close_before=2026-12-10",
    "created_after=2026-03-05&created_before=2026-03-05",
    "updated_before=2026-03-05",
    "created_before=2026-03-05T23:00:00Z",
    "stale=true",
    "stage={stage}",
    "cf.plan=gold&cf.plan=silver",
    "cf.needs=stock",
    "cf.seats.min=12&cf.seats.max=12.5",
    "cf.fee.min=99.9&cf.fee.max=99.90",
    "cf.starts.min=2027-02-01&cf.starts.max=2027-02-01",
    "cf.signed=true",
    "cf.in=no.%207",
    "contact={contact}&company={company}",
]
OTHERS = [
    "q=zebra",
    "owner={alice}",
    "owner=me",
    "tag=other",
    "value_min=1500.51",
    "value_max=1500.49&value_min=1",
    "close_after=2026-12-11",
    "created_before=2026-03-04",
    "cf.plan=silver",
    "cf.seats.min=13",
    "cf.fee.max=99.89",
    "cf.starts.max=2027-01-31",
    "cf.signed=false",
]


def filled(query: str, found: Deal, alice: User) -> str:
    return query.format(
        bob=found.owner_id,
        alice=alice.pk,
        team=found.owner.team_id if found.owner else 0,
        source=found.source_id,
        stage=found.stage_id,
        contact=found.contact_id,
        company=found.company_id,
    )


def on_board(client: Client, query: str) -> list[str]:
    return texts(client.get(f"/?{query}").content.decode(), "card-title")


def in_list(client: Client, query: str) -> list[str]:
    return texts(client.get(f"/deals/?{query}").content.decode(), "row-link")


def by_api(api: ApiClient, query: str) -> list[str]:
    return [row["title"] for row in api.http.get(f"/api/v1/deals/?{query}").json()["results"]]


def test_board_list_and_api_find_the_same_by_every_filter(
    as_alice: Client, api: ApiClient, alice: User, found: Deal
) -> None:
    for template in QUERIES:
        query = filled(template, found, alice)
        answers = (on_board(as_alice, query), in_list(as_alice, query), by_api(api, query))
        assert answers == (["Integração"],) * 3, query


def test_what_a_filter_does_not_fit_is_not_shown(as_alice: Client, alice: User, found: Deal) -> None:
    for template in OTHERS:
        query = filled(template, found, alice)
        assert "Integração" not in in_list(as_alice, query), query


def test_none_and_me_stand_for_no_owner_and_oneself(
    found: Deal, as_alice: Client, bob: User, stages: list[Stage]
) -> None:
    assert in_list(as_alice, "owner=none") == ["Nothing"]
    assert in_list(browser_of(bob), "owner=me") == ["Integração"]
    assert sorted(in_list(as_alice, f"owner=none&owner={bob.pk}")) == ["Integração", "Nothing"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("owner", "ana"),
        ("stage", "9" * 40),
        ("value_min", "much"),
        ("value_max", "NaN"),
        ("close_after", "soon"),
        ("created_after", "2026-02-31"),
        ("stale", "perhaps"),
        ("status", "sold"),
        ("q", "\0"),
        ("cf.nothing", "1"),
    ],
)
def test_what_is_no_value_is_named_in_a_notice_and_refused_by_the_api(
    as_alice: Client, api: ApiClient, deal: Deal, name: str, value: str
) -> None:
    for page in ("/deals/", "/forecast/"):
        html = as_alice.get(page, {name: value}).content.decode()
        assert ("filter-note" in html) == (name != "status" or page == "/deals/")
    assert in_list(as_alice, QueryDict(mutable=True).urlencode() or "view=") == [deal.title]
    answer = api.get("deals/", **{name: value})
    assert (answer.status_code, errors(answer)) == (400, [("invalid", name)])


def test_two_values_of_what_has_one_are_refused(as_alice: Client, deal: Deal) -> None:
    html = as_alice.get("/deals/?value_min=1&value_min=2").content.decode()
    assert "“1, 2” is no value for “value_min”." in html


def test_the_numbers_of_the_board_are_those_of_the_filters(
    as_alice: Client, found: Deal, stages: list[Stage], actor: Actor
) -> None:
    create_deal(actor=actor, stage=stages[1], title="Other", fields={"value": Decimal(100)})
    html = as_alice.get("/?tag=vip").content.decode()
    assert "<b data-sums>R$1,500.50</b>" in html
    answer = as_alice.get(f"/pipelines/{found.pipeline_id}/columns/?tag=vip").json()
    assert [column["count"] for column in answer["columns"]] == [0, 1, 0]


def test_the_next_cards_of_a_column_keep_the_filters(
    as_alice: Client, stages: list[Stage], actor: Actor
) -> None:
    for number in range(60):
        fields = {"tags": ["vip"] if number % 2 else []}
        create_deal(actor=actor, stage=stages[0], title=f"Deal {number}", fields=fields)
    html = as_alice.get("/?tag=vip").content.decode()
    assert len(texts(html, "card-title")) == 25
    more = html.split('hx-get="/stages/')[1].split('"')[0].replace("&amp;", "&")
    rest = texts(as_alice.get(f"/stages/{more}").content.decode(), "card-title")
    assert rest == ["Deal 9", "Deal 7", "Deal 5", "Deal 3", "Deal 1"]


def test_an_empty_board_and_list_say_which_filter_hides_everything(
    as_alice: Client, found: Deal, alice: User
) -> None:
    for page in ("/", "/deals/"):
        html = as_alice.get(f"{page}?tag=vip&owner={alice.pk}").content.decode()
        assert "The filters hide everything." in html
        assert "Without “Owner: Alice” there is 1 deal" in html
        assert "Without “Tag" not in html
    assert "The filters hide everything." not in as_alice.get("/deals/?tag=vip").content.decode()


def test_chips_say_what_the_filters_mean(found: Deal, alice: User, bob: User) -> None:
    query = QueryDict(
        f"owner={bob.pk}&owner=me&value_min=1000&value_max=2000&close_after=2026-12-01&stale=true"
    )
    said = {chip.group: (chip.text, chip.rest) for chip in chips(read_filters(query, user=alice))}
    assert said["owner"][0] == "Bob, me"
    assert said["value"] == (
        "1,000 – 2,000",
        f"owner={bob.pk}&owner=me&close_after=2026-12-01&stale=true",
    )
    assert said["close"][0].startswith("from ")
    assert said["stale"][0] == "Yes"


def test_the_dialog_is_filled_with_the_filters_there_are(as_alice: Client, found: Deal) -> None:
    html = as_alice.get(
        f"/deals/filters/?layout=board&pipeline={found.pipeline_id}&tag=VIP&cf.seats.min=3&sort=-value"
    ).content.decode()
    assert f'action="/pipelines/{found.pipeline_id}/"' in html
    assert 'name="cf.seats.min" value="3"' in html
    assert 'value="VIP"' in html.split("checked")[0][-400:]
    assert '<input type="hidden" name="sort" value="-value">' in html


def test_filters_widen_nothing_for_a_rep(
    stages: list[Stage], actor: Actor, bob: User, charlie: User, team: Team
) -> None:
    manager = User.objects.create_user("mia@example.com", name="Mia", role=User.Role.MANAGER)
    for owner in (bob, charlie, None):
        create_deal(actor=actor, stage=stages[0], title=f"Of {owner}", fields={"owner": owner})
    query = f"owner={bob.pk}&owner={charlie.pk}&owner=none"
    seen: dict[Any, list[str]] = {
        user: sorted(in_list(browser_of(user), query)) for user in (manager, bob, charlie)
    }
    assert seen == {
        manager: ["Of Bob", "Of Charlie", "Of None"],
        bob: ["Of Bob"],
        charlie: ["Of Charlie"],
    }
    assert sorted(on_board(browser_of(bob), query)) == ["Of Bob"]


def test_a_filtered_board_takes_two_queries_more_than_a_whole_one_at_most(
    as_alice: Client, found: Deal, actor: Actor, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    win_deal(deal_id=found.pk, actor=actor)
    with django_assert_max_num_queries(19):
        as_alice.get(f"/?owner={found.owner_id}&tag=vip&value_min=1&q=x&view=")


# ---- What it costs ----


@pytest.mark.parametrize(
    "path", ["/?q=fiscal", "/deals/?q=fiscal", "/contacts/?q=fiscal", "/search/?q=fiscal"]
)
def test_a_word_is_looked_for_in_texts_that_are_folded_already(
    as_alice: Client, found: Deal, path: str
) -> None:
    with CaptureQueriesContext(connection) as asked:
        assert as_alice.get(path).status_code == 200
    statements = [query["sql"] for query in asked if "fiscal" in query["sql"]]
    assert statements
    assert [sql for sql in statements if "TRANSLATE(" in sql.upper()] == []


@pytest.mark.parametrize("model", [Deal, Contact, Company])
def test_a_rare_word_is_found_by_an_index(db: None, model: type[Model]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # which would be right among so few rows
    plan = model._default_manager.filter(words__contains="fiscal").order_by().explain()
    assert f"{model._meta.model_name}_by_words" in plan
