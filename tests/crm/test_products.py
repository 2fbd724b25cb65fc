"""Products on deals: the catalogue, lines, what they come to, and the deal's value that may follow them."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from crm import signals
from crm.actors import Actor
from crm.deals import create_deal, update_deal
from crm.models import Change, Deal, DealLine, Product, Stage, User
from crm.products import delete_line, follow_products, totals_of, write_line
from crm.refusals import InvalidFields
from tests.crm.pages import browser_of, texts


@pytest.fixture
def as_bob(bob: User) -> Client:
    return browser_of(bob)


@pytest.fixture
def oven(stages: list[Stage], actor: Actor, bob: User) -> Deal:
    return create_deal(actor=actor, stage=stages[0], title="Oven", fields={"owner": bob, "value": 7})


def put(deal: Deal, actor: Actor, **fields: Any) -> DealLine:
    return write_line(
        deal_id=deal.pk, fields={"name": "x", "unit_price": Decimal(100), **fields}, actor=actor
    )


def value_of(deal: Deal) -> tuple[float, bool]:
    value, follows = Deal.objects.values_list("value", "follows_products").get(pk=deal.pk)
    return float(value), follows


def test_lines_come_to_what_is_paid_once_each_month_and_in_the_first_year(oven: Deal, actor: Actor) -> None:
    put(oven, actor, unit_price=Decimal("99.90"), quantity=Decimal(3), discount=Decimal("12.5"))
    put(oven, actor, unit_price=Decimal(50), quantity=Decimal(2), period="monthly")
    put(oven, actor, unit_price=Decimal(100), period="quarterly")
    put(oven, actor, unit_price=Decimal(1000), period="yearly", discount=Decimal(10))
    totals = totals_of(oven.lines.all())
    assert [line.total for line in oven.lines.all()] == [Decimal("262.24"), 100, 100, 900]
    assert (totals.once, totals.monthly) == (Decimal("262.24"), Decimal("208.33"))
    assert totals.first_year == Decimal("262.24") + 1200 + 400 + 900


def test_the_value_follows_the_products_until_somebody_writes_another(oven: Deal, actor: Actor) -> None:
    line = put(oven, actor)
    assert value_of(oven) == (7, False)
    follow_products(deal_id=oven.pk, follows=True, actor=actor)
    assert value_of(oven) == (100, True)
    write_line(deal_id=oven.pk, line_id=line.pk, fields={"quantity": Decimal(2)}, actor=actor)
    put(oven, actor, period="monthly", unit_price=Decimal(10))
    assert value_of(oven) == (320, True)
    delete_line(deal_id=oven.pk, line_id=line.pk, actor=actor)
    assert value_of(oven) == (120, True)
    update_deal(deal_id=oven.pk, actor=actor, fields={"value": Decimal(99), "title": "Big oven"})
    assert value_of(oven) == (99, False)
    put(oven, actor)
    assert value_of(oven) == (99, False)


def test_a_line_is_told_to_the_history_and_to_nobody_else(oven: Deal, actor: Actor) -> None:
    heard: list[Any] = []

    def hear(events: Any, **_rest: Any) -> None:
        heard.extend(event.before for event in events)

    signals.deal_updated.connect(hear)
    try:
        line = put(oven, actor, name="Dough hook")
        write_line(deal_id=oven.pk, line_id=line.pk, fields={"name": "Dough hook"}, actor=actor)
        delete_line(deal_id=oven.pk, line_id=line.pk, actor=actor)
        version = Deal.objects.get(pk=oven.pk).version
        follow_products(deal_id=oven.pk, follows=True, actor=actor)
    finally:
        signals.deal_updated.disconnect(hear)
    told = [(row.before, row.after) for row in Change.objects.filter(field="products").order_by("pk")]
    shown = {
        "name": "Dough hook",
        "quantity": "1.00",
        "unit_price": "100.00",
        "period": "",
        "discount": "0.00",
    }
    assert told == [(None, shown), (shown, None)]
    assert version == 1  # nobody who edits the deal is in conflict
    assert heard == [{"value": "7.00"}]


@pytest.mark.parametrize(
    "wrong", [{"quantity": Decimal(0)}, {"discount": Decimal(101)}, {"unit_price": Decimal(-1)}, {"name": ""}]
)
def test_a_line_that_cannot_be_is_refused_and_changes_nothing(
    oven: Deal, actor: Actor, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidFields) as refusal:
        put(oven, actor, **wrong)
    assert list(refusal.value.errors) == list(wrong)
    assert not DealLine.objects.exists()
    assert not Change.objects.filter(field="products").exists()


def test_a_product_too_dear_for_a_deal_that_follows_is_refused(oven: Deal, actor: Actor) -> None:
    follow_products(deal_id=oven.pk, follows=True, actor=actor)
    with pytest.raises(InvalidFields):
        put(oven, actor, unit_price=Decimal("999999999999.99"), quantity=Decimal(2))
    assert (value_of(oven), DealLine.objects.count()) == ((0, True), 0)


def test_a_product_of_the_catalogue_fills_in_the_form_and_is_saved(as_bob: Client, oven: Deal) -> None:
    plan = Product.objects.create(name="Support", unit_price=Decimal("1500.50"), period="monthly")
    abroad = Product.objects.create(name="Setup", unit_price=Decimal(10), currency="USD")
    new = f"/deals/{oven.pk}/products/new/"
    assert as_bob.get(new, {"product": abroad.pk}).context["form"].initial["unit_price"] is None
    form = as_bob.get(new, {"product": plan.pk})
    assert 'value="1,500.50"' in form.content.decode()
    filled = {**form.context["form"].initial, "product": plan.pk, "quantity": "1.5", "unit_price": "1,000"}
    saved = as_bob.post(new, {name: "" if value is None else value for name, value in filled.items()})
    assert json.loads(saved.headers["HX-Trigger"])["board-done"]["message"] == "“Support” saved"
    line = oven.lines.get()
    assert (line.product, line.name, line.period, line.total) == (plan, "Support", "monthly", Decimal(1500))
    page = as_bob.get(f"/deals/{oven.pk}/").content.decode()
    assert texts(page, "more num") == ["1.5 × R$1,000"]
    assert "Products: 1.5 × Support, 1,000.00" in page


def test_a_line_that_somebody_changed_meanwhile_is_shown_as_it_stands(
    as_bob: Client, oven: Deal, actor: Actor
) -> None:
    line = put(oven, actor, name="Hook")
    address = f"/deals/{oven.pk}/products/{line.pk}/"
    filled = as_bob.get(address).context["form"].initial
    write_line(deal_id=oven.pk, line_id=line.pk, fields={"quantity": Decimal(4)}, actor=actor)
    late = as_bob.post(address, {**filled, "product": "", "quantity": "9"})
    assert (late.status_code, "Somebody changed this product" in late.content.decode()) == (409, True)
    assert late.context["form"].initial["quantity"] == 4
    assert oven.lines.get().quantity == 4
    wrong = as_bob.post(address, {**filled, "product": "", "quantity": "lots"})
    assert (wrong.status_code, oven.lines.get().quantity) == (422, Decimal(4))


def test_lines_are_removed_and_followed_by_who_sees_the_deal_and_nobody_else(
    as_bob: Client, charlie: User, oven: Deal, actor: Actor
) -> None:
    line = put(oven, actor)
    as_charlie, base = browser_of(charlie), f"/deals/{oven.pk}/products/"
    for road in ("new/", f"{line.pk}/", f"{line.pk}/remove/", "follow/"):
        assert (
            as_charlie.post(base + road, {"name": "Mine", "unit_price": 1, "quantity": 1}).status_code == 404
        )
    assert (oven.lines.get().name, value_of(oven)) == ("x", (7, False))
    assert as_bob.post(base + "follow/", {"follows": "on"}).status_code == 302
    assert value_of(oven) == (100, True)
    assert as_bob.post(base + f"{line.pk}/remove/").status_code == 200
    assert (oven.lines.count(), value_of(oven)) == (0, (0, True))
    assert as_bob.post(base + f"{line.pk}/remove/").status_code == 404


def test_administrators_keep_the_catalogue_and_prices_of_deals_stay(
    alice: User, as_bob: Client, oven: Deal, actor: Actor
) -> None:
    assert as_bob.get("/settings/products/").status_code == 403
    as_alice = browser_of(alice)
    filled = {
        "name": "Support",
        "code": "S1",
        "unit_price": "1,500.50",
        "currency": "BRL",
        "period": "monthly",
    }
    assert as_alice.post("/settings/products/new/", filled).status_code == 302
    plan = Product.objects.get()
    put(oven, actor, product=plan, unit_price=plan.unit_price)
    assert as_alice.post(f"/settings/products/{plan.pk}/", {**filled, "unit_price": "9"}).status_code == 302
    assert oven.lines.get().unit_price == Decimal("1500.50")
    assert as_alice.post("/settings/products/new/", {**filled, "name": "SUPPORT"}).status_code == 422
    assert (
        as_alice.post("/settings/products/new/", {**filled, "name": "B", "currency": "XX"}).status_code == 422
    )
    as_alice.post(f"/settings/products/{plan.pk}/delete/")
    assert Product.objects.exists()
    as_alice.post(f"/settings/products/{plan.pk}/", {**filled, "archived": "on"})
    offered = as_bob.get(f"/deals/{oven.pk}/products/new/").context["form"].fields["product"].queryset
    assert list(offered) == []
    assert "R$9 per month" not in as_alice.get("/settings/products/").content.decode()


def test_a_deal_does_not_follow_products_that_come_to_too_much(oven: Deal, actor: Actor, alice: User) -> None:
    dear = {"name": "Factory", "quantity": Decimal(10**7), "unit_price": Decimal(10**11)}
    write_line(deal_id=oven.pk, fields=dear, actor=actor)
    page = browser_of(alice).post(f"/deals/{oven.pk}/products/follow/", {"follows": "on"}, follow=True)
    assert page.status_code == 200
    assert list(page.context["messages"])
    assert not Deal.objects.get(pk=oven.pk).follows_products
