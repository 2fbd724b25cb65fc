"""What is found worth an alert, told once, and ended."""

from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from automations import tallies
from automations.destinations import create_destination
from automations.models import Delivery, Destination
from config.insights.watching import watch
from crm.models import Alert, AlertRule, Notice, Subscription, User
from tests.automations.outcomes import outcome_at
from tests.crm.conftest import alice
from tests.crm.pages import browser_of
from webhooks.models import InboundEndpoint, InboundRequest

__all__ = ["alice"]

pytestmark = pytest.mark.django_db
URL = "/insights/alerts/"


@pytest.fixture
def erp() -> Destination:
    return create_destination(fields={"name": "ERP", "url": "http://127.0.0.1/hook"})


def fail(destination: Destination, times: int) -> None:
    tallies.count([outcome_at(destination, "failed", ago=timedelta(0), ms=10)] * times)


def open_alerts() -> list[tuple[str, str]]:
    return list(Alert.objects.filter(ended_at=None).order_by("kind", "name").values_list("kind", "name"))


def subjects(user: User) -> list[str]:
    return list(user.notices.order_by("pk").values_list("subject", flat=True))


def test_each_kind_is_found(alice: User, erp: Destination) -> None:
    now = timezone.now()
    fail(erp, 10)
    Delivery.objects.create(destination=erp, chain="0" * 32, due_at=now - timedelta(minutes=15))
    disabled = create_destination(fields={"name": "Chat", "url": erp.url})
    Destination.objects.filter(pk=disabled.pk).update(status="disabled")
    form = InboundEndpoint.objects.create(name="Form")
    for state in ("applied", "applied", "rejected", "rejected", "failed"):
        InboundRequest.objects.create(endpoint=form, received_at=now, state=state)
    today = timezone.localdate(now, timezone.get_default_timezone())
    for plan, days in (("Gold", 7), ("Silver", -1), ("Later", 8)):
        Subscription.objects.create(plan=plan, status="active", renews_on=today + timedelta(days=days))
    assert watch(now=now) == 6
    assert open_alerts() == [
        ("backlog_age", ""),
        ("disabled", "Chat"),
        ("error_rate", "ERP"),
        ("rejecting", "Form"),
        ("renewals_due", "Gold"),
        ("renewals_due", "Silver"),
    ]
    assert subjects(alice) == [
        "Error rate: ERP",
        "Backlog",
        "Endpoint rejecting: Form",
        "Renewals due: Gold and 1 more",
    ]
    assert alice.notices.latest("pk").body == "The renewal is at most 7 d away, or late.\nGold\nSilver"


def test_an_occurrence_is_told_once_and_ends_when_its_cause_has_passed(alice: User, erp: Destination) -> None:
    now = timezone.now()
    fail(erp, 10)
    assert [watch(now=now), watch(now=now)] == [1, 0]
    later = now + timedelta(hours=3)
    assert watch(now=later) == 0
    assert Alert.objects.values_list("since", "ended_at").get() == (now, later)
    assert watch(now=now) == 0, "what comes back within an hour is the same occurrence"
    assert Alert.objects.get().ended_at is None
    watch(now=later)
    Alert.objects.update(since=now - timedelta(days=2), ended_at=now - timedelta(days=1))
    assert watch(now=now) == 1, "a day later it is another one"
    assert len(subjects(alice)) == 2


def test_few_attempts_make_no_rate(alice: User, erp: Destination) -> None:
    fail(erp, 9)
    assert watch(now=timezone.now()) == 0
    assert not Notice.objects.exists()
    assert mail.outbox == []


def test_thresholds_are_edited_by_administrators_and_followed(alice: User, erp: Destination) -> None:
    browser = browser_of(alice)
    assert "Error rate" in browser.get(URL).content.decode()
    wanted = {
        "error_rate-enabled": "on",
        "error_rate-threshold": "100",
        "backlog_age-threshold": "30",
        "rejecting-enabled": "on",
        "rejecting-threshold": "50",
        "renewals_due-threshold": "7",
    }
    refused = browser.post(URL, {**wanted, "error_rate-threshold": "101"})
    assert refused.status_code == 422
    assert not AlertRule.objects.exists()
    assert browser.post(URL, wanted)["Location"] == URL
    rules = AlertRule.objects.order_by("kind").values_list("kind", "enabled", "threshold")
    assert list(rules)[:3] == [("backlog_age", False, 30), ("disabled", False, 1), ("error_rate", True, 100)]
    fail(erp, 10)
    tallies.count([outcome_at(erp, "delivered", ago=timedelta(0), ms=10)])
    assert watch(now=timezone.now()) == 0
    AlertRule.objects.filter(kind="error_rate").update(threshold=90)
    assert watch(now=timezone.now()) == 1
    page = browser.get("/insights/").content.decode()
    assert "Error rate: ERP" in page


@pytest.mark.parametrize("role", [User.Role.MANAGER, User.Role.REP])
def test_nobody_else_reads_or_changes_them(role: User.Role) -> None:
    other: Client = browser_of(User.objects.create_user(email="b@example.com", name="Bob", role=role))
    assert [other.get("/insights/").status_code, other.get(URL).status_code] == [403, 403]
    assert other.post(URL, {"error_rate-threshold": "1"}).status_code == 403
    assert not AlertRule.objects.exists()
