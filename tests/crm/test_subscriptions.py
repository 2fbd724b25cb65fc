"""Subscriptions as time goes by: their owners are told of a renewal in time, and once."""

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from pytest_django import Settings

from crm.actors import Actor
from crm.deals import update_deal
from crm.models import Activity, Company, Deal, Notice, RenewalReminder, Subscription, User
from crm.subscriptions import remind_renewals

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def owned(deal: Deal, bob: User, actor: Actor) -> Deal:
    return update_deal(deal_id=deal.pk, actor=actor, fields={"owner": bob})


def plan(deal: Deal | None, renews_on: date | None, **fields: Any) -> Subscription:
    made = Subscription.objects.create(deal=deal, plan="Pro", renews_on=renews_on, **fields)
    Subscription.objects.filter(pk=made.pk).update(created_at=NOON - 100 * DAY)
    return made


def test_the_owner_is_told_and_given_a_task_some_days_before(owned: Deal, bob: User) -> None:
    company = Company.objects.create(name="Bakery")
    plan(owned, date(2026, 12, 24), amount="1500.00", company=company)
    assert remind_renewals(now=NOON - DAY) == 0
    assert remind_renewals(now=NOON) == 1
    notice = Notice.objects.get()
    assert (notice.user, notice.kind, notice.url) == (bob, "renewal", f"/deals/{owned.pk}/")
    assert notice.subject == "“Pro” renews on 12/24/2026"
    assert notice.body == "ERP for a bakery\nBakery\nR$1,500"
    task = Activity.objects.get()
    assert (task.deal, task.kind, task.subject, task.assignee) == (owned, "task", "Renewal: Pro", bob)
    assert task.due_at == datetime(2026, 12, 24, 9, tzinfo=UTC)
    assert task.created_by["kind"] == "system"


def test_each_renewal_is_told_of_once(owned: Deal) -> None:
    subscription = plan(owned, date(2026, 12, 1))
    assert [remind_renewals(now=NOON), remind_renewals(now=NOON + DAY)] == [1, 0]
    for renews_on, told in ((date(2026, 12, 10), 1), (date(2026, 12, 1), 0)):
        Subscription.objects.filter(pk=subscription.pk).update(renews_on=renews_on)
        assert remind_renewals(now=NOON) == told
    assert (Notice.objects.count(), Activity.objects.count(), RenewalReminder.objects.count()) == (2, 2, 2)


def test_the_days_are_counted_where_the_organisation_is(owned: Deal, settings: Settings) -> None:
    settings.TIME_ZONE, settings.RENEWAL_NOTICE_DAYS = "America/Sao_Paulo", 3
    plan(owned, date(2026, 11, 27))
    midnight = datetime(2026, 11, 24, 3, tzinfo=UTC)  # there
    assert remind_renewals(now=midnight - timedelta(seconds=1)) == 0
    assert remind_renewals(now=midnight) == 1
    assert Activity.objects.get().due_at == datetime(2026, 11, 27, 12, tzinfo=UTC)


def test_the_task_is_due_in_the_morning_where_its_owner_is(owned: Deal, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(time_zone="America/Manaus")
    plan(owned, date(2026, 12, 1))
    remind_renewals(now=NOON)
    assert Activity.objects.get().due_at == datetime(2026, 12, 1, 13, tzinfo=UTC)


def test_what_came_due_while_nothing_ran_is_told_of_late(owned: Deal) -> None:
    plan(owned, date(2026, 11, 20))
    assert remind_renewals(now=NOON) == 1
    assert "The date is past already" in Notice.objects.get().body


def test_a_date_that_was_past_when_we_learnt_of_it_is_no_news(owned: Deal) -> None:
    subscription = plan(owned, date(2026, 11, 20))
    Subscription.objects.filter(pk=subscription.pk).update(created_at=NOON - DAY)
    plan(owned, date(2026, 10, 20))  # past for so long that nobody ever brought it up to date
    assert remind_renewals(now=NOON) == 0


@pytest.mark.parametrize(
    ("status", "told"), [("active", 1), ("trial", 1), ("past_due", 1), ("paused", 0), ("cancelled", 0)]
)
def test_only_what_is_going_to_renew_is_told_of(owned: Deal, status: str, told: int) -> None:
    plan(owned, date(2026, 12, 1), status=status)
    assert remind_renewals(now=NOON) == told


def test_where_nobody_owns_the_deal_the_administrators_are_told(deal: Deal, alice: User, bob: User) -> None:
    plan(deal, date(2026, 12, 1))
    plan(None, date(2026, 12, 1))
    assert remind_renewals(now=NOON) == 2
    assert {notice.user for notice in Notice.objects.all()} == {alice}
    task = Activity.objects.get()  # a task needs a deal
    assert (task.deal, task.assignee) == (deal, None)


def test_people_are_told_in_their_language(owned: Deal, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(language="pt-br")
    plan(owned, date(2026, 12, 24))
    remind_renewals(now=NOON)
    assert Notice.objects.get().subject == "“Pro” renova em 24/12/2026"
    assert Activity.objects.get().subject == "Renovação: Pro"


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_tell_once(owned: Deal) -> None:
    subscription = plan(owned, date(2026, 12, 1))
    counts: list[int] = []

    def sweep() -> None:
        counts.append(remind_renewals(now=NOON))
        connection.close()

    threads = [threading.Thread(target=sweep) for _turn in range(4)]
    with transaction.atomic():
        Deal.objects.select_for_update().get(pk=owned.pk)  # holds the first up in the middle
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    counts.append(remind_renewals(now=NOON))
    assert sum(counts) == 1
    assert list(RenewalReminder.objects.values_list("subscription", flat=True)) == [subscription.pk]
    assert Activity.objects.count() == 1


def test_overdue_is_what_the_billing_system_or_the_date_says(deal: Deal) -> None:
    today = date(2026, 11, 24)
    with time_machine.travel(NOON, tick=False):
        late, unpaid = plan(deal, date(2026, 11, 23)), plan(deal, date(2027, 1, 1), status="past_due")
        plan(deal, today)
        plan(deal, date(2026, 11, 1), status="cancelled")
    assert set(Subscription.objects.overdue(today=today)) == {late, unpaid}
    assert [row.is_overdue(today=today) for row in Subscription.objects.order_by("pk")] == [
        *(True, True, False, False)
    ]
