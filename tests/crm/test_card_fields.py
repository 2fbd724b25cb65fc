"""What cards show is chosen, by a person or by a view."""

from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from crm.actors import Actor
from crm.deals import create_deal, update_deal
from crm.models import Company, Contact, CustomField, Deal, SavedView, User
from tests.crm.pages import browser_of, texts


@pytest.fixture
def as_alice(alice: User) -> Client:
    return browser_of(alice)


@pytest.fixture
def full_deal(deal: Deal, actor: Actor, alice: User) -> Deal:
    """A deal with something to say for each field."""
    CustomField.objects.create(entity="deal", key="budget", label="Budget", type="money")
    CustomField.objects.create(entity="deal", key="trial", label="On trial", type="boolean")
    fields = {
        "company": Company.objects.create(name="Good Bread"),
        "contact": Contact.objects.create(name="Maria Lima"),
        "tags": ["vip"],
        "value": Decimal(900),
        "owner": alice,
        "custom_fields": {"budget": "1200.50", "trial": True},
    }
    return update_deal(deal_id=deal.pk, actor=actor, fields=fields)


def lines(html: str) -> list[str]:
    return [" ".join(line.split()) for line in texts(html, "card-lines")]


def choose(client: Client, deal: Deal, *fields: str, query: str = "") -> str:
    """The address that the choice leads to."""
    answer = client.post(f"/pipelines/{deal.pipeline_id}/fields/?{query}", {"field": fields})
    assert answer.status_code == 302
    return str(answer["Location"])


def test_cards_show_the_fields_a_person_has_chosen_and_no_others(as_alice: Client, full_deal: Deal) -> None:
    choose(as_alice, full_deal, "contact", "cf.budget", "cf.trial", "tags", "nonsense")
    html = as_alice.get("/").content.decode()
    assert lines(html) == ["Contact Maria Lima Budget R$1,200.50 On trial Yes"]
    assert texts(html, "tag") == ["vip"]
    assert "Good Bread" not in html
    assert "no activity" not in html
    menu = as_alice.get(f"/pipelines/{full_deal.pipeline_id}/fields/").content.decode()
    assert menu.count("checked") == 4


def test_a_card_may_show_its_title_alone(as_alice: Client, full_deal: Deal) -> None:
    choose(as_alice, full_deal)
    html = as_alice.get("/").content.decode()
    assert texts(html, "card-title") == ["ERP for a bakery"]
    assert texts(html, "tag") == []
    assert "R$900</b> </div>" not in html


def test_what_one_chooses_is_ones_own(as_alice: Client, full_deal: Deal, bob: User) -> None:
    choose(as_alice, full_deal, "contact")
    assert User.objects.get(pk=bob.pk).card_fields == []


def test_a_view_keeps_its_fields_and_leaves_those_of_the_person_alone(
    as_alice: Client, full_deal: Deal, alice: User
) -> None:
    choose(as_alice, full_deal, "company")
    asked = f"layout=board&board={full_deal.pipeline_id}"
    as_alice.post(f"/views/new/?{asked}", {"name": "Short"})
    view = SavedView.objects.get()
    assert view.columns == ["title", "company"]
    address = choose(as_alice, full_deal, "value", query=f"tag=vip&view={view.pk}")
    assert f"view={view.pk}" in address
    assert "columns=title,value" in address
    assert "Good Bread" not in as_alice.get(address).content.decode()
    assert User.objects.get(pk=alice.pk).card_fields == ["title", "company"]


def test_every_way_a_card_is_drawn_obeys_the_address(as_alice: Client, full_deal: Deal, actor: Actor) -> None:
    for number in range(30):
        create_deal(actor=actor, stage=full_deal.stage, title=str(number))
    board = f"/pipelines/{full_deal.pipeline_id}"
    asked = "columns=title,cf.budget"
    more = texts(as_alice.get(f"{board}/?{asked}").content.decode(), "card-title")
    assert len(more) == 25
    column = as_alice.get(f"{board}/?{asked}").content.decode()
    rest = column.split('class="more"')[1].split('hx-get="')[1].split('"')[0].replace("&amp;", "&")
    assert urlsplit(rest).query.endswith(asked)
    drawn = [
        as_alice.get(rest).content.decode(),
        as_alice.get(f"{board}/touched/?{asked}&deal={full_deal.pk}").json()["cards"][0]["html"],
        as_alice.get(f"{board}/columns/?{asked}&loaded={full_deal.stage_id}:40").json()["cards"][
            str(full_deal.stage_id)
        ],
    ]
    for html in drawn:
        assert lines(html) == ["Budget R$1,200.50"]
        assert "Good Bread" not in html


def test_more_fields_take_a_query_more_at_most(
    as_alice: Client, full_deal: Deal, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    every = "title,company,contact,value,tags,days,subscription,activity,owner,source,created_at,cf.budget"
    with django_assert_max_num_queries(15) as seen:
        as_alice.get("/?view=")
    with django_assert_max_num_queries(len(seen) + 1):
        as_alice.get(f"/?view=&columns={every}")
