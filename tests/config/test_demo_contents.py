"""What the demo has, loaded once for all of these."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from automations.models import Delivery, Rule
from config.demo.accounts import LOGINS
from config.demo.loading import ZONE, load_demo
from config.management.commands.demo_erp import port
from crm.models import Activity, Call, Change, Deal, Pipeline, Subscription, User
from crm.subscriptions import remind_renewals
from webhooks.models import InboundEndpoint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("demo")]


@pytest.fixture(scope="module")
def demo(whole_module: None) -> None:
    assert load_demo() is True


def test_the_demo_is_loaded_once() -> None:
    counts = [model.objects.count() for model in (User, Pipeline, Deal, Rule, InboundEndpoint)]
    assert load_demo() is False
    assert counts == [model.objects.count() for model in (User, Pipeline, Deal, Rule, InboundEndpoint)]
    assert counts[:2] == [5, 2]
    assert Deal.objects.open().count() == 65


def test_every_login_works() -> None:
    for login in LOGINS:
        user = User.objects.get(email=login.email)
        assert (user.check_password(login.password), user.role, user.language) == (True, login.role, "pt-br")


def test_the_demo_has_a_past_and_sends_nothing() -> None:
    now = timezone.now()
    assert not Delivery.objects.exists()
    assert Rule.objects.present().filter(enabled=True, stage__isnull=False).count() == 2
    assert 3 <= Deal.objects.stale(now=now).count() <= 30
    assert Activity.objects.filter(due_at__lt=now, done_at=None).exists()
    assert not Change.objects.filter(entity="deal", at__gt=now - timedelta(minutes=30)).exists()
    for deal in Deal.objects.all():
        assert deal.created_at <= deal.stage_entered_at < now
        assert deal.closed_at is None or deal.stage_entered_at < deal.closed_at < now


def test_the_demo_has_subscriptions_and_calls() -> None:
    today = timezone.now().astimezone(ZONE).date()
    plans = Subscription.objects.all()
    assert plans.count() == 20
    assert plans.overdue(today=today).count() == 2
    assert plans.filter(status="cancelled").count() == 1
    assert remind_renewals(now=timezone.now()) == 4
    calls = Call.objects.filter(deal__isnull=False, contact__isnull=False, agent__isnull=False)
    assert calls.count() == 8
    assert set(calls.values_list("recording_state", flat=True)) == {""}


def test_the_erp_listens_where_the_destination_points(settings: Settings) -> None:
    loaded_with = settings.DEMO_ERP_PORT
    settings.DEMO_ERP_PORT = loaded_with + 1  # Stagehook was started on another port since
    assert port() == loaded_with


def test_generated_deals_wake_no_rule() -> None:
    call_command("generate_deals", "--deals", "60", "--pipeline", "Vendas")
    assert Deal.objects.open().count() == 125
    assert not Delivery.objects.exists()
