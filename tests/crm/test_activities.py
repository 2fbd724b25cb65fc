"""Activities behind their door: who may have one, what is announced, and reminders, which come once."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from crm.activities import (
    ActivityIsGone,
    NothingToHangOn,
    complete,
    create_activity,
    delete_activity,
    remind,
    take_up_again,
    update_activity,
)
from crm.actors import Actor
from crm.contacts import create_contact
from crm.deals import delete_deal, update_deal
from crm.erasure import erase_contact
from crm.merging import merge_contacts
from crm.models import Activity, Contact, Deal, Notice, User
from crm.refusals import InvalidFields

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def today(db: None) -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def owned(deal: Deal, bob: User, actor: Actor) -> Deal:
    return update_deal(deal_id=deal.pk, actor=actor, fields={"owner": bob})


def plan(actor: Actor, deal: Deal | None, **fields: Any) -> Activity:
    return create_activity(fields={"deal": deal, "subject": "Call Ana", **fields}, actor=actor)


def test_the_person_is_reminded_once_when_it_is_due(owned: Deal, bob: User, actor: Actor) -> None:
    plan(actor, owned, due_at=NOON + HOUR, assignee=bob, body="About the oven")
    assert [remind(now=NOON + HOUR - timedelta(seconds=1)), remind(now=NOON + HOUR)] == [0, 1]
    assert remind(now=NOON + 2 * HOUR) == 0
    notice = Notice.objects.get()
    assert (notice.user, notice.kind, notice.url) == (bob, "activity", f"/deals/{owned.pk}/")
    assert notice.subject == "“Call Ana” is due 11/24/2026 1 p.m."
    assert notice.body == "ERP for a bakery\nAbout the oven"


def test_what_came_due_while_nothing_ran_is_told_late_and_in_the_reader_s_words(
    owned: Deal, bob: User, actor: Actor
) -> None:
    User.objects.filter(pk=bob.pk).update(language="pt-br", time_zone="America/Sao_Paulo")
    plan(actor, owned, due_at=NOON + HOUR, assignee=bob)
    assert remind(now=NOON + timedelta(days=3)) == 1
    assert Notice.objects.get().subject == "“Call Ana” venceu em 24/11/2026 10:00"


def test_a_reminder_comes_before_its_time_and_again_after_it_was_put_off(
    owned: Deal, bob: User, actor: Actor
) -> None:
    made = plan(actor, owned, due_at=NOON + 2 * HOUR, assignee=bob, reminder=60)
    assert [remind(now=NOON + HOUR), remind(now=NOON + 2 * HOUR)] == [1, 0]
    update_activity(activity_id=made.pk, fields={"due_at": NOON + 4 * HOUR}, actor=actor)
    assert [remind(now=NOON + 2 * HOUR), remind(now=NOON + 3 * HOUR)] == [0, 1]
    update_activity(activity_id=made.pk, fields={"subject": "Call Rui"}, actor=actor)
    assert remind(now=NOON + 9 * HOUR) == 0


def test_nobody_is_reminded_of_what_is_past_done_or_not_to_be_told(
    owned: Deal, bob: User, actor: Actor
) -> None:
    plan(actor, owned, due_at=NOON - HOUR, assignee=bob)
    plan(actor, owned, due_at=NOON + HOUR, assignee=bob, reminder=None)
    done = plan(actor, owned, due_at=NOON + HOUR, assignee=bob)
    complete(activity_id=done.pk, actor=actor, at=NOON)
    assert remind(now=NOON + 2 * HOUR) == 0
    take_up_again(activity_id=done.pk, actor=actor)
    assert remind(now=NOON + 2 * HOUR) == 1


def test_the_owner_is_told_of_what_is_nobody_s_and_nobody_of_what_they_do_not_see(
    owned: Deal, bob: User, charlie: User, actor: Actor
) -> None:
    plan(actor, owned, due_at=NOON + HOUR)
    theirs = plan(actor, owned, due_at=NOON + HOUR, assignee=bob)
    Activity.objects.filter(pk=theirs.pk).update(assignee=charlie)  # who has left the team since
    assert remind(now=NOON + HOUR) == 2
    assert [notice.user for notice in Notice.objects.all()] == [bob]


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_tell_once(owned: Deal, bob: User, actor: Actor) -> None:
    plan(actor, owned, due_at=NOON + HOUR, assignee=bob)
    counts: list[int] = []

    def sweep() -> None:
        counts.append(remind(now=NOON + HOUR))
        connection.close()

    threads = [threading.Thread(target=sweep) for _turn in range(4)]
    with transaction.atomic():
        User.objects.select_for_update().get(pk=bob.pk)  # holds the first up in the middle
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    assert (sum(counts) + remind(now=NOON + HOUR), Notice.objects.count()) == (1, 1)


def test_what_is_done_stays_done_when_it_was(owned: Deal, actor: Actor) -> None:
    made = plan(actor, owned)
    assert complete(activity_id=made.pk, actor=actor, at=NOON).done_at == NOON
    assert complete(activity_id=made.pk, actor=actor, at=NOON + HOUR).done_at == NOON
    assert take_up_again(activity_id=made.pk, actor=actor).done_at is None
    delete_activity(activity_id=made.pk, actor=actor)
    with pytest.raises(ActivityIsGone):
        complete(activity_id=made.pk, actor=actor, at=NOON)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"deal": None}, "deal"),
        ({"due_at": datetime(9999, 12, 31, tzinfo=UTC)}, "due_at"),
        ({"reminder": 60 * 24 * 365}, "reminder"),
        ({"subject": "a\0b"}, "subject"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    owned: Deal, actor: Actor, wrong: dict[str, Any], field: str
) -> None:
    made = plan(actor, owned)
    with pytest.raises(InvalidFields) as refused:
        update_activity(activity_id=made.pk, fields={"body": "new", **wrong}, actor=actor)
    assert list(refused.value.errors) == [field]
    assert Activity.objects.get().body == ""


def test_an_activity_is_with_a_deal_or_a_contact_and_for_one_who_sees_it(
    owned: Deal, bob: User, charlie: User, actor: Actor
) -> None:
    ana = Contact.objects.create(name="Ana")
    for wrong in ({"contact": ana}, {"assignee": charlie}):
        with pytest.raises(InvalidFields):
            plan(actor, owned, **wrong)
    with pytest.raises(IntegrityError), transaction.atomic():
        Activity.objects.create(subject="With nobody")
    with_ana = plan(actor, None, contact=ana, assignee=charlie)
    with_deal = plan(actor, owned, assignee=bob)
    seen = {who: set(Activity.objects.visible_to(who)) for who in (bob, charlie)}
    assert seen == {bob: {with_deal}, charlie: {with_ana}}
    once_more = Contact.objects.create(name="Ana S.")
    merge_contacts(kept_id=once_more.pk, other_id=ana.pk, actor=actor)
    with_ana.refresh_from_db()
    assert with_ana.contact == once_more
    erase_contact(contact_id=once_more.pk, actor=actor)
    assert list(Activity.objects.all()) == [with_deal]


def test_nothing_is_planned_with_what_was_deleted_a_moment_ago(deal: Deal, actor: Actor) -> None:
    ana = create_contact(actor=actor, fields={"name": "Ana"})
    kept = plan(actor, None, contact=ana)
    delete_deal(deal_id=deal.pk, actor=actor)
    with pytest.raises(NothingToHangOn):
        plan(actor, deal)
    with pytest.raises(NothingToHangOn):
        update_activity(activity_id=kept.pk, fields={"deal": deal, "contact": None}, actor=actor)
    assert Activity.objects.get().contact == ana
