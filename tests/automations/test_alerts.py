from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from automations.alerts import tell_due, tell_loop
from automations.models import Delivery, Destination, Rule
from automations.tasks import look_after_health
from crm import deals
from crm.actors import Actor
from crm.models import Deal, Notice, Stage, User
from crm.notices import mail_due
from tests.crm.conftest import bob, charlie, team
from tests.mailbox import Mailbox

__all__ = ["bob", "charlie", "team"]

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HELD = "Events are held for 14 days; switch it on again to have them sent."


@pytest.fixture(autouse=True)
def frozen() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def failing(destination: Destination, rule: Rule, alice: User) -> Destination:
    """Has answered nothing but 503 since noon."""
    Destination.objects.update(
        status="failing",
        status_reason="failing",
        failures_in_row=9,
        failing_since=NOON,
        probe_at=NOON + 119 * HOUR,
        last_failure_status=503,
    )
    destination.refresh_from_db()
    return destination


def look(at: datetime, traveller: time_machine.Traveller) -> list[str]:
    """The subjects of what this look at the destinations tells the first admin."""
    traveller.move_to(at)
    before = set(Notice.objects.values_list("pk", flat=True))
    tell_due(now=at)
    alices = Notice.objects.filter(user__email="alice@example.com").exclude(pk__in=before)
    return list(alices.order_by("pk").values_list("subject", flat=True))


def change(destination: Destination, **columns: Any) -> None:
    Destination.objects.filter(pk=destination.pk).update(**columns)


def test_people_are_told_at_50_70_and_90_percent_although_only_time_passes(
    failing: Destination, frozen: time_machine.Traveller
) -> None:
    told = {hour: look(NOON + hour * HOUR, frozen) for hour in range(120)}
    assert {hour for hour, subjects in told.items() if subjects} == {60, 84, 108}
    assert told[60] == ["“ERP” is failing"]
    percents = [
        text.split("%")[0].split()[-1]
        for text in Notice.objects.order_by("pk").values_list("body", flat=True)
    ]
    assert percents == ["50", "70", "90"]


def test_the_last_step_is_that_it_is_disabled(failing: Destination, frozen: time_machine.Traveller) -> None:
    look(NOON + 110 * HOUR, frozen)
    change(failing, status="disabled", status_reason="failing")
    assert look(NOON + 120 * HOUR, frozen) == ["“ERP” is disabled"]
    assert look(NOON + 121 * HOUR, frozen) == []
    assert Notice.objects.latest("pk").body.splitlines() == [
        f"It was disabled after 120 hours of nothing but failures. {HELD}",
        "The receiver answered 503 Service Unavailable.",
        "No deal waits to be sent.",
    ]


def test_who_looks_late_is_told_the_last_step_alone(
    failing: Destination, frozen: time_machine.Traveller
) -> None:
    assert look(NOON + 100 * HOUR, frozen) == ["“ERP” is failing"]
    assert "70 %" in Notice.objects.get().body


def test_a_destination_disabled_at_once_is_told_at_once(
    failing: Destination, frozen: time_machine.Traveller
) -> None:
    change(failing, status="disabled", status_reason="gone", last_failure_status=410)
    assert look(NOON, frozen) == ["“ERP” is disabled"]
    assert Notice.objects.get().body.startswith("It was disabled because the receiver answered 410 Gone.")


def test_a_notice_names_the_last_status_the_deals_that_wait_and_the_log(
    failing: Destination,
    stages: list[Stage],
    actor: Actor,
    frozen: time_machine.Traveller,
    mailbox: Mailbox,
) -> None:
    for title in ("Oven", "Mixer"):
        deal = deals.create_deal(actor=actor, stage=stages[0], title=title)
        deals.move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    look(NOON + 60 * HOUR, frozen)
    notice = Notice.objects.get()
    assert notice.body.splitlines() == [
        "Nothing but failures since 11/24/2026 noon: 50 % of the time after which it is disabled.",
        "The receiver answered 503 Service Unavailable.",
        "2 deals wait to be sent.",
    ]
    assert notice.url == f"/automations/deliveries/?destination={failing.pk}&state=pending"
    mail_due(now=timezone.now())
    (mail,) = mailbox.mails
    assert mail.get_content().rstrip().endswith(f"http://testserver{notice.url}")


def test_admins_and_the_author_of_a_rule_are_told_and_nobody_else(
    failing: Destination, rule: Rule, bob: User, charlie: User, frozen: time_machine.Traveller
) -> None:
    Rule.objects.update(created_by=bob)
    User.objects.create_user("gone@example.com", role=User.Role.ADMIN, is_active=False)
    look(NOON + 60 * HOUR, frozen)
    assert sorted(Notice.objects.values_list("user__email", flat=True)) == [
        "alice@example.com",
        "bob@example.com",
    ]


def test_a_portuguese_reader_is_told_in_portuguese(
    failing: Destination, alice: User, frozen: time_machine.Traveller
) -> None:
    User.objects.update(language="pt-br", time_zone="America/Sao_Paulo")
    look(NOON + 60 * HOUR, frozen)
    assert "24/11/2026 09:00" in Notice.objects.get().body


def test_deliveries_given_up_are_told_at_most_once_an_hour_and_counted(
    failing: Destination, deal: Deal, rule: Rule, frozen: time_machine.Traveller
) -> None:
    Delivery.objects.create(
        event="deal.won", rule=rule, destination=failing, deal=deal, body=b"{}", chain="0" * 32,
        state="failed", status_code=404, attempts_made=1,
    )  # fmt: skip
    change(failing, given_up_untold=1)
    assert look(NOON, frozen) == ["1 delivery to “ERP” was given up"]
    notice = Notice.objects.get()
    assert "The receiver answered 404 Not Found." in notice.body.splitlines()
    assert notice.url.endswith(f"?destination={failing.pk}&state=failed")
    change(failing, given_up_untold=7)
    assert look(NOON + timedelta(minutes=59), frozen) == []
    assert look(NOON + HOUR, frozen) == ["7 deliveries to “ERP” were given up"]
    assert look(NOON + 3 * HOUR, frozen) == []


def test_a_clock_that_stepped_back_silences_nothing(
    failing: Destination, frozen: time_machine.Traveller
) -> None:
    change(failing, given_up_untold=1, told_given_up_at=NOON + 1000 * HOUR)
    assert look(NOON, frozen) == ["1 delivery to “ERP” was given up"]


def test_a_recovery_is_told_once_and_at_most_once_an_hour(
    failing: Destination, frozen: time_machine.Traveller
) -> None:
    well = {"status": "active", "failing_since": None, "recovered_from": NOON}
    change(failing, **well)
    assert look(NOON + HOUR, frozen) == ["“ERP” is well again"]
    assert Notice.objects.get().body.splitlines() == [
        "It had been failing since 11/24/2026 noon.",
        "It takes what it is sent again; what was held is being sent in order.",
        "No deal waits to be sent.",
    ]
    change(failing, **well)
    assert look(NOON + HOUR, frozen) == []
    assert look(NOON + 2 * HOUR, frozen) == ["“ERP” is well again"]


def test_a_recovery_that_did_not_last_is_not_told(
    failing: Destination, frozen: time_machine.Traveller
) -> None:
    change(failing, recovered_from=NOON - HOUR)
    assert look(NOON + HOUR, frozen) == []
    change(failing, status="active")
    assert look(NOON + HOUR, frozen) == []


def test_a_deleted_destination_is_spoken_of_no_more(
    failing: Destination, frozen: time_machine.Traveller
) -> None:
    change(failing, deleted_at=NOON, given_up_untold=3)
    assert look(NOON + 100 * HOUR, frozen) == []


def test_a_loop_is_told_at_most_once_an_hour_for_each_deal(
    deal: Deal, rule: Rule, alice: User, stages: list[Stage], actor: Actor, frozen: time_machine.Traveller
) -> None:
    other = deals.create_deal(actor=actor, stage=stages[0], title="Other")
    assert tell_loop(deal=deal, now=NOON)
    assert tell_loop(deal=other, now=NOON)
    frozen.move_to(NOON + timedelta(minutes=59))
    assert not tell_loop(deal=deal, now=timezone.now())
    frozen.move_to(NOON + HOUR)
    assert tell_loop(deal=deal, now=timezone.now())
    subjects = list(alice.notices.order_by("pk").values_list("subject", "url"))
    mine = ("The rules of “ERP for a bakery” were stopped", f"/deals/{deal.pk}/")
    assert subjects == [mine, ("The rules of “Other” were stopped", f"/deals/{other.pk}/"), mine]


def test_the_sweep_looks_after_all_of_it(failing: Destination, frozen: time_machine.Traveller) -> None:
    frozen.move_to(NOON + 60 * HOUR)
    look_after_health()
    look_after_health()
    assert [notice.kind for notice in Notice.objects.all()] == ["failing"]
