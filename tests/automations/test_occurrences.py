"""What comes with time: deals that stay in a stage, subscriptions that are about to renew."""

import json
import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from automations import occurrences
from automations.models import Delivery, Destination, Event, Occurrence, Rule
from automations.occurrences import fire_due
from automations.rules import create_rule, update_rule
from crm import deals
from crm.actors import Actor
from crm.models import Deal, Stage, Subscription
from crm.models.deals import open_door

DAY = timedelta(days=1)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def stale(destination: Destination, stages: list[Stage]) -> Rule:
    """Tells of deals that have been in the first stage for a week."""
    rule = create_rule(fields={"name": "A week", "stage": stages[0], "destination": destination})
    return made_for(rule, Event.DEAL_STALE, days=7)


@pytest.fixture
def renewal(destination: Destination) -> Rule:
    """Tells of subscriptions three days before they renew."""
    rule = create_rule(fields={"name": "Renewals", "destination": destination})
    return made_for(rule, Event.SUBSCRIPTION_RENEWAL_DUE, days=3)


def made_for(rule: Rule, event: Event, **columns: Any) -> Rule:
    Rule.objects.filter(pk=rule.pk).update(event=event, **columns)
    rule.refresh_from_db()
    return rule


def plan(deal: Deal | None, renews_on: date | None, **fields: Any) -> Subscription:
    return Subscription.objects.create(deal=deal, plan="Pro", renews_on=renews_on, **fields)


def sent() -> list[dict[str, Any]]:
    """The documents of all deliveries, in the order in which they were made."""
    return [json.loads(bytes(delivery.body)) for delivery in Delivery.objects.order_by("pk")]


# ---- Deals that stay ----


def test_a_deal_is_stale_once_it_has_been_in_its_stage_for_the_rules_days(deal: Deal, stale: Rule) -> None:
    due_at = deal.stage_entered_at + 7 * DAY
    assert fire_due(now=due_at - timedelta(seconds=1)) == 0
    assert fire_due(now=due_at) == 1
    (document,) = sent()
    assert document["type"] == "deal.stale"
    assert document["data"]["deal"]["id"] == deal.pk
    assert document["data"]["changed_by"]["kind"] == "system"
    assert (document["data"]["previous"], document["data"]["sequence"]) == ({}, 2)
    assert Deal.objects.values_list("last_sequence", "version").get() == (2, deal.version)


def test_a_stale_deal_is_told_of_once_per_rule_and_stage_entry(
    deal: Deal, stale: Rule, stages: list[Stage], actor: Actor
) -> None:
    now = deal.stage_entered_at + 8 * DAY
    assert [fire_due(now=now), fire_due(now=now + 30 * DAY)] == [1, 0]
    for stage in (stages[1], stages[0]):
        deals.move_deal(deal_id=deal.pk, stage=stage, actor=actor)
    assert [fire_due(now=now + 30 * DAY), fire_due(now=now + 30 * DAY)] == [1, 0]
    assert (Delivery.objects.count(), Occurrence.objects.count()) == (2, 2)


def test_each_rule_tells_of_a_stale_deal_in_its_own_time(
    deal: Deal, stale: Rule, destination: Destination
) -> None:
    other = create_rule(fields={"name": "Two weeks", "destination": destination})
    made_for(other, Event.DEAL_STALE, days=14)
    assert [fire_due(now=deal.stage_entered_at + days * DAY) for days in (7, 13, 14)] == [1, 0, 1]
    assert [document["data"]["rule"]["name"] for document in sent()] == ["A week", "Two weeks"]


@pytest.mark.parametrize("why", ["closed", "elsewhere", "disabled", "deleted", "not_met"])
def test_nothing_is_sent_of_a_deal_that_no_rule_is_about(
    why: str, deal: Deal, stale: Rule, stages: list[Stage], actor: Actor
) -> None:
    if why == "closed":
        deals.win_deal(deal_id=deal.pk, actor=actor)
    elif why == "elsewhere":
        Rule.objects.update(stage=stages[2])
    elif why == "disabled":
        update_rule(rule_id=stale.pk, fields={"enabled": False})
    elif why == "deleted":
        Rule.objects.update(deleted_at=timezone.now(), enabled=False)
    else:
        row = {"field": "deal.value", "op": "gt", "value": "1000"}
        Rule.objects.update(conditions={"match": "all", "rows": [row]})
    fire_due(now=deal.stage_entered_at + 30 * DAY)
    assert Delivery.objects.count() == 0


def test_a_stale_deal_that_leaves_its_stage_while_the_delivery_waits_is_skipped(
    deal: Deal, stale: Rule
) -> None:
    Rule.objects.update(delay_seconds=3600)
    fire_due(now=deal.stage_entered_at + 8 * DAY)
    assert Delivery.objects.get().stage_entered_at == deal.stage_entered_at


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_tell_once(deal: Deal, stale: Rule) -> None:
    now = deal.stage_entered_at + 8 * DAY
    counts: list[int] = []

    def sweep() -> None:
        counts.append(fire_due(now=now))
        connection.close()

    threads = [threading.Thread(target=sweep) for _turn in range(2)]
    with transaction.atomic():
        Deal.objects.select_for_update().get(pk=deal.pk)
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [0, 1]
    assert Delivery.objects.count() == 1


def test_many_stale_deals_are_told_of_in_parts(
    deal: Deal, stale: Rule, stages: list[Stage], actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occurrences, "AT_A_TIME", 2)
    for number in range(4):
        deals.create_deal(actor=actor, stage=stages[0], title=f"Deal {number}")
    now = timezone.now() + 8 * DAY
    assert [fire_due(now=now), fire_due(now=now)] == [5, 0]
    assert Delivery.objects.values("deal").distinct().count() == 5


@pytest.mark.django_db(transaction=True)
def test_a_sweep_that_fails_keeps_neither_delivery_nor_occurrence(deal: Deal, stale: Rule) -> None:
    with open_door():  # a sequence that cannot be raised: the database refuses in the middle
        Deal.objects.update(last_sequence=2**31 - 1)
    with pytest.raises(Exception, match="out of range"):
        fire_due(now=deal.stage_entered_at + 8 * DAY)
    assert (Delivery.objects.count(), Occurrence.objects.count()) == (0, 0)


# ---- Renewals ----


def test_a_renewal_is_told_of_on_the_rules_day_where_the_organisation_is(
    deal: Deal, renewal: Rule, settings: Settings
) -> None:
    settings.TIME_ZONE = "America/Sao_Paulo"
    subscription = plan(deal, date(2026, 11, 27), amount="99.00", external_id="sub_1")
    midnight = datetime(2026, 11, 24, 3, tzinfo=UTC)  # there
    Rule.objects.update(created_at=midnight - DAY)
    assert fire_due(now=midnight - timedelta(seconds=1)) == 0
    assert fire_due(now=midnight) == 1
    (document,) = sent()
    assert document["type"] == "subscription.renewal_due"
    assert document["data"]["deal"]["id"] == deal.pk
    assert document["data"]["subscription"] == {
        "id": subscription.pk,
        "plan": "Pro",
        "status": "active",
        "amount": "99.00",
        "currency": "BRL",
        "renews_on": "2026-11-27",
        "external_id": "sub_1",
    }


def test_a_renewal_is_told_of_once_for_each_date(deal: Deal, renewal: Rule) -> None:
    with time_machine.travel(NOON):
        subscription = plan(deal, date(2026, 11, 26))
        assert [fire_due(now=NOON), fire_due(now=NOON + DAY)] == [1, 0]
        subscription.renews_on = date(2026, 12, 26)
        subscription.save()
        assert [fire_due(now=NOON + DAY), fire_due(now=NOON + 31 * DAY)] == [0, 1]


def test_a_renewal_that_came_due_while_nothing_ran_is_told_of_afterwards(deal: Deal, renewal: Rule) -> None:
    Rule.objects.update(created_at=NOON - 30 * DAY)
    plan(deal, date(2026, 11, 20))
    assert fire_due(now=NOON) == 1


def test_a_renewal_that_was_over_before_the_rule_was_made_is_no_news(deal: Deal, renewal: Rule) -> None:
    Rule.objects.update(created_at=NOON)
    plan(deal, date(2025, 11, 20))
    assert fire_due(now=NOON) == 0


@pytest.mark.parametrize(
    ("status", "told"), [("trial", 1), ("active", 1), ("past_due", 1), ("paused", 0), ("cancelled", 0)]
)
def test_only_what_will_renew_is_told_of(status: str, told: int, deal: Deal, renewal: Rule) -> None:
    plan(deal, date(2026, 11, 25), status=status)
    assert fire_due(now=NOON) == told


def test_a_subscription_without_deal_or_date_is_told_to_nobody(deal: Deal, renewal: Rule) -> None:
    plan(None, date(2026, 11, 25))
    plan(deal, None)
    assert fire_due(now=NOON) == 0


def test_two_subscriptions_of_a_deal_are_two_events(deal: Deal, renewal: Rule) -> None:
    for external_id in ("a", "b"):
        plan(deal, date(2026, 11, 25), external_id=external_id)
    assert fire_due(now=NOON) == 2
    told = [
        (document["data"]["subscription"]["external_id"], document["data"]["sequence"]) for document in sent()
    ]
    assert told == [("a", 2), ("b", 3)]
