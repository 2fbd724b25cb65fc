from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from automations import tallies
from automations.destinations import create_destination
from automations.forms.fields import ScheduleField, wait_text
from automations.models import Delivery, Destination, ResendJob, Rule
from automations.receiving import GUIDE
from automations.requests import MASK
from automations.schedule import DEFAULT_SCHEDULE
from crm.actors import Actor
from crm.deals import move_deal
from crm.models import Deal, Stage, User
from tests.automations.outcomes import outcome_at

URL = "/automations/destinations/"
HIDDEN = ("hush", "psst")


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def form(destination: Destination, **changes: object) -> dict[str, object]:
    values = {
        "name": destination.name,
        "url": destination.url,
        "method": "POST",
        "auth": destination.auth,
        "body_format": "json",
        "timeout_seconds": 10,
        "max_in_flight": 4,
        "ordered": "on",
        "retry_schedule": "0 s, 1 s, 1 s",
    }
    return {**values, **changes}


def test_a_destination_is_made(browser: Client, destination: Destination) -> None:
    made = form(destination, name="Chat", retry_schedule="0, 5 s, 5min; 2 h, 1 d", headers="X-Room: sales")
    answer = browser.post(f"{URL}new/", made)
    chat = Destination.objects.get(name="Chat")
    assert answer["Location"] == f"{URL}{chat.pk}/"
    assert chat.retry_schedule == [0, 5, 300, 7200, 86_400]
    assert chat.headers == {"X-Room": "sales"}
    assert chat.ordered
    assert not chat.stop_on_4xx


def test_secrets_are_never_shown_and_kept_where_they_are_left_alone(
    browser: Client, destination: Destination
) -> None:
    secrets = {"auth": "basic", "basic_username": "erp", "basic_password": "psst", "headers": "X-Key: hush"}
    url = f"{URL}{destination.pk}/"
    browser.post(url, form(destination, **secrets))
    page = browser.get(url).content.decode()
    assert not [word for word in HIDDEN if word in page]
    unchanged = form(destination, auth="basic", basic_username="erp", headers=f"X-Key: {MASK}\nX-New: 2")
    assert browser.post(url, unchanged).status_code == 302
    destination.refresh_from_db()
    assert destination.headers == {"X-Key": "hush", "X-New": "2"}
    assert destination.credentials == {"username": "erp", "password": "psst"}


def test_another_way_of_authenticating_does_not_take_the_secret_of_the_former(
    browser: Client, destination: Destination
) -> None:
    url = f"{URL}{destination.pk}/"
    browser.post(url, form(destination, auth="bearer", bearer_token="psst"))
    answer = browser.post(url, form(destination, auth="basic", basic_username="erp"))
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["basic_username"])
    destination.refresh_from_db()
    assert (destination.auth, destination.credentials) == ("bearer", {"token": "psst"})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "http://192.168.0.1/"}, "url"),
        ({"headers": "Host: elsewhere"}, "headers"),
        ({"headers": "no colon"}, "headers"),
        ({"headers": f"X-Unknown: {MASK}"}, "headers"),
        ({"retry_schedule": "soon"}, "retry_schedule"),
        ({"retry_schedule": "30 d"}, "retry_schedule"),
        ({"timeout_seconds": 31}, "timeout_seconds"),
    ],
)
def test_what_cannot_be_is_told_beside_its_field(
    browser: Client, destination: Destination, changes: dict[str, object], field: str
) -> None:
    before = Destination.objects.values().get()
    answer = browser.post(f"{URL}{destination.pk}/", form(destination, **changes))
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field])
    assert Destination.objects.values().get() == before


@pytest.mark.parametrize("seconds", [0, 5, 90, 300, 7200, 86_400])
def test_waits_are_read_as_they_are_written(seconds: int) -> None:
    assert ScheduleField().clean(wait_text(seconds)) == [seconds]


def test_a_paused_destination_says_what_waits_and_is_switched_on_again(
    browser: Client, rule: Rule, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    url = f"{URL}{rule.destination_id}/"
    page = browser.post(f"{url}pause/", follow=True).content.decode()
    assert "nothing is sent until it is switched on again. 1 event waits." in page
    browser.post(f"{url}resume/")
    assert Destination.objects.get().status == "active"


def test_the_secret_is_shown_on_request_and_replaced_with_an_overlap(
    browser: Client, destination: Destination
) -> None:
    url = f"{URL}{destination.pk}/"
    assert destination.secret not in browser.get(url).content.decode()
    shown = browser.post(f"{url}secret/")
    assert destination.secret in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    browser.post(f"{url}rotate/", {"overlap": "3600"})
    former = destination.secret
    destination.refresh_from_db()
    assert destination.secret != former == destination.previous_secret
    assert "the former secret signs too" in browser.get(url).content.decode()


def test_deleting_a_destination_says_what_goes_with_it_and_does_it(
    browser: Client, rule: Rule, deal: Deal, stages: list[Stage], actor: Actor
) -> None:
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    url = f"{URL}{rule.destination_id}/"
    assert "Rules deleted with it: 1. Waiting deliveries cancelled: 1." in browser.get(url).content.decode()
    browser.post(f"{url}delete/")
    assert Delivery.objects.get().state == "cancelled"
    assert not Rule.objects.present().exists()
    assert browser.get(url).status_code == 404


def test_only_administrators_change_destinations(client: Client, destination: Destination) -> None:
    client.force_login(User.objects.create_user("bob@example.com", name="Bob", role=User.Role.MANAGER))
    before = Destination.objects.values().get()
    for path in ("", "pause/", "resume/", "secret/", "rotate/", "delete/"):
        assert (
            client.post(f"{URL}{destination.pk}/{path}", form(destination, name="Bob's")).status_code == 403
        )
    assert Destination.objects.values().get() == before


def test_hidden_parts_and_limits_are_set_on_the_page(browser: Client, destination: Destination) -> None:
    url = f"{URL}{destination.pk}/"
    changes = {"url": destination.url + "/{key}", "variables": "key: hush-hush", "rate_limit_per_second": 5}
    assert browser.post(url, form(destination, **changes))["Location"] == url
    destination.refresh_from_db()
    assert (destination.variables, destination.rate_limit_per_second) == ({"key": "hush-hush"}, 5)
    shown = browser.get(url).content.decode()
    assert "hush-hush" not in shown
    kept = form(destination, url=destination.url, variables=f"key: {MASK}", body_format="form")
    assert browser.post(url, kept)["Location"] == url
    destination.refresh_from_db()
    assert (destination.variables, destination.body_format) == ({"key": "hush-hush"}, "form")


def test_the_page_says_in_words_how_a_destination_is(browser: Client, destination: Destination) -> None:
    Destination.objects.filter(pk=destination.pk).update(
        status="failing", failures_in_row=4, probe_at=timezone.now() + timedelta(minutes=1)
    )
    url = f"{URL}{destination.pk}/"
    assert "after 4 failures in a row" in browser.get(url).content.decode()
    browser.post(f"{url}probe/")
    destination.refresh_from_db()
    assert destination.probe_at is not None
    assert destination.probe_at <= timezone.now()


def test_what_was_given_up_is_recovered_from_the_page(browser: Client, destination: Destination) -> None:
    url = f"{URL}{destination.pk}/"
    since = timezone.now() - timedelta(hours=1)
    answer = browser.post(f"{url}recover/", {"since": since.strftime("%Y-%m-%dT%H:%M")})
    job = ResendJob.objects.get()
    assert answer["Location"] == f"/automations/deliveries/?destination={destination.pk}&job={job.pk}"
    assert browser.post(f"{url}recover/", {"since": ""})["Location"] == url
    assert ResendJob.objects.count() == 1


def given_up(destination: Destination, rule: Rule | None, *, ago: timedelta) -> None:
    at = timezone.now() - ago
    Delivery.objects.create(
        destination=destination,
        rule=rule,
        event="deal.won",
        state="failed",
        due_at=at,
        chain=uuid4(),
        body=b"{}",
    )


def test_the_page_says_how_many_could_be_recovered(
    browser: Client, destination: Destination, rule: Rule
) -> None:
    url = f"{URL}{destination.pk}/"
    assert "Nothing was given up here in the last 14 days." in browser.get(url).content.decode()
    for days in (1, 13, 15):
        given_up(destination, rule, ago=timedelta(days=days))
    given_up(destination, None, ago=timedelta(days=1))  # a test is not sent again
    assert "2 deliveries were given up here in the last 14 days." in browser.get(url).content.decode()


@pytest.mark.parametrize(("span", "slots"), [("", 24), ("day", 24), ("month", 30), ("century", 24)])
def test_the_health_of_a_destination_is_drawn_with_the_figures_as_a_table(
    browser: Client, destination: Destination, span: str, slots: int
) -> None:
    tallies.count([outcome_at(destination, "failed", ago=timedelta(0), ms=200)])
    health = browser.get(f"{URL}{destination.pk}/?span={span}").context["health"]
    outcomes, times = health.charts
    assert [len(chart.table) for chart in health.charts] == [slots, slots]
    assert outcomes.table[-1][1] == ["0", "0", "1"]
    assert times.table[0][1] == ["–", "–"]
    assert dict(health.figures)["Taken"] == "0 %"


def test_without_an_attempt_the_page_says_what_is_counted(browser: Client, destination: Destination) -> None:
    page = browser.get(f"{URL}{destination.pk}/").content.decode()
    assert "Nothing was sent in this time." in page


def test_the_page_offers_the_code_that_the_guide_has_in_five_languages(
    browser: Client, destination: Destination
) -> None:
    changes = {
        "headers": "X-Room: sales",
        "auth": "header",
        "header_name": "X-Key",
        "header_value": "hushhush",
    }
    browser.post(f"{URL}{destination.pk}/", form(destination, **changes))
    page = browser.get(f"{URL}{destination.pk}/")
    languages = ["Python", "JavaScript", "PHP", "C#", "curl and openssl"]
    assert [example.language for example in page.context["examples"]] == languages
    guide = GUIDE.read_text()
    assert all(example.code in guide for example in page.context["examples"])
    assert page.context["own_headers"] == ["X-Room", "X-Key"]
    assert "hushhush" not in page.content.decode()


def test_managers_do_not_open_a_destination(client: Client, destination: Destination) -> None:
    client.force_login(User.objects.create_user("bob@example.com", name="Bob", role=User.Role.MANAGER))
    assert client.get(f"{URL}{destination.pk}/?span=month").status_code == 403


# ---- The folded parts ----


def folds(browser: Client, destination: Destination) -> dict[str, tuple[str, bool]]:
    page = browser.get(f"{URL}{destination.pk}/")
    return {name: (fold.said, fold.is_open) for name, fold in page.context["form"].folds().items()}


def test_what_most_people_leave_as_it_is_is_folded_and_says_what_is_set(
    browser: Client, destination: Destination
) -> None:
    fresh = create_destination(fields={"name": "Chat", "url": destination.url})
    assert folds(browser, fresh) == {
        "content": ("JSON", False),
        "tls": ("none", False),
        "pace": ("10 s · 4 at a time · 10 attempts · in order", False),
        "echo": ("none", False),
    }
    new = browser.get(f"{URL}new/").content.decode()
    assert (new.count('<details class="panel fold"'), new.count(" open>")) == (4, 0)


def test_a_part_in_which_something_is_set_is_open(browser: Client, destination: Destination) -> None:
    changes = {"headers": "X-Key: hush", "variables": "key: psst", "rate_limit_per_second": 3, "ordered": ""}
    changes["url"] = f"{destination.url}?key={{key}}"
    assert browser.post(f"{URL}{destination.pk}/", form(destination, **changes)).status_code == 302
    assert folds(browser, destination) == {
        "content": ("JSON · 1 header", True),
        "tls": ("1 hidden part", True),
        "pace": ("10 s · 4 at a time · 3 a second · 3 attempts · in any order", True),
        "echo": ("none", False),
    }
    html = browser.get(f"{URL}{destination.pk}/").content.decode()
    assert 'data-fold-part="pace" open' in html
    assert 'data-fold-part="echo" open' not in html


def test_a_part_with_an_error_is_open(browser: Client, destination: Destination) -> None:
    Destination.objects.update(retry_schedule=list(DEFAULT_SCHEDULE))
    wrong = form(destination, timeout_seconds=10, retry_schedule="tomorrow", headers="no colon")
    page = browser.post(f"{URL}{destination.pk}/", wrong)
    opened = {name for name, fold in page.context["form"].folds().items() if fold.is_open}
    assert (page.status_code, opened) == (422, {"content", "pace"})
    assert 'data-fold-part="content" open' in page.content.decode()
