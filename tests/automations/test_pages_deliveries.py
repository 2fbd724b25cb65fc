from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from automations import standing
from automations.curl import as_curl
from automations.explanations import explain_attempt, explain_delivery
from automations.forms.log import MINUTE
from automations.http import ErrorCode
from automations.models import Attempt, Delivery, ResendJob, Rule, new_delivery_id
from automations.views.deliveries import PAGE
from automations.views.delivery import phases_of
from crm.actors import Actor
from crm.deals import move_deal, update_deal
from crm.ids import earliest_id
from crm.models import Deal, Stage, User
from tests.crm.test_deals_list import exported

URL = "/automations/deliveries/"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def delivery(rule: Rule, deal: Deal, stages: list[Stage], actor: Actor) -> Delivery:
    """Waiting for its first attempt."""
    move_deal(deal_id=deal.pk, stage=stages[1], actor=actor)
    return Delivery.objects.get()


def attempt_of(delivery: Delivery, **fields: object) -> Attempt:
    number = delivery.attempts.count() + 1
    whole = {"trigger": "initial", "url": "https://erp.example/hook", "started_at": NOON, "finished_at": NOON}
    return Attempt.objects.create(delivery=delivery, number=number, **{**whole, **fields})


def copies(delivery: Delivery, count: int) -> None:
    rows = [Delivery(**{**values_of(delivery), "id": new_delivery_id()}) for _ in range(count)]
    Delivery.objects.bulk_create(rows)


def values_of(delivery: Delivery) -> dict[str, object]:
    return {field.attname: getattr(delivery, field.attname) for field in Delivery._meta.concrete_fields}


def test_the_log_is_read_page_by_page_newest_first(browser: Client, delivery: Delivery) -> None:
    copies(delivery, PAGE)
    first = browser.get(URL)
    second = browser.get(first.context["next_url"])
    shown = [row.pk for page in (first, second) for row in page.context["rows"]]
    assert shown == list(Delivery.objects.order_by("-id").values_list("pk", flat=True))
    assert second.context["next_url"] == ""


def test_the_page_costs_the_same_queries_however_long_the_log(
    browser: Client, delivery: Delivery, django_assert_max_num_queries: object
) -> None:
    copies(delivery, PAGE)
    with django_assert_max_num_queries(13):  # type: ignore[operator]  # pytest-django's fixture
        browser.get(URL)


def test_the_tabs_count_as_far_as_a_thousand(
    browser: Client, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automations.views.deliveries.COUNTED", 2)
    copies(delivery, 3)
    Delivery.objects.filter(pk=delivery.pk).update(state="failed")
    tabs = browser.get(URL).context["tabs"]
    assert {tab.state: tab.count for tab in tabs} == {
        "": None,
        "pending": 3,
        "delivered": 0,
        "failed": 1,
        "cancelled": 0,
        "skipped": 0,
    }
    assert {tab.count for tab in browser.get(f"{URL}?event=deal.won").context["tabs"]} == {None}


def test_the_log_can_be_narrowed(browser: Client, delivery: Delivery) -> None:
    Delivery.objects.update(state="failed", status_code=503)
    fits = [
        "state=failed",
        "answer=5xx",
        f"rule={delivery.rule_id}",
        "event=deal.stage_changed",
        "period=hour",
    ]
    misfits = ["state=delivered", "answer=2xx", "answer=none", "event=deal.won", "deal=0&state=pending"]
    assert [len(browser.get(f"{URL}?{query}").context["rows"]) for query in fits] == [1] * 5
    assert [len(browser.get(f"{URL}?{query}").context["rows"]) for query in misfits] == [0] * 5


def test_the_log_is_narrowed_to_deals_stages_and_spans_of_time(
    browser: Client, delivery: Delivery, stages: list[Stage], deal: Deal, actor: Actor
) -> None:
    update_deal(deal_id=deal.pk, fields={"title": "Padaria São João, plano anual"}, actor=actor)
    copies(delivery, 1)
    day_before = timezone.now() - timedelta(days=1)
    old = Delivery.objects.order_by("id").last()
    assert old is not None
    at = earliest_id("msg", at=day_before) + "0" * 20
    Delivery.objects.filter(pk=old.pk).update(id=at, created_at=day_before, rule=None, deal=None)
    start, end = (
        timezone.localtime(day_before + timedelta(minutes=minutes)).strftime(MINUTE) for minutes in (-2, 2)
    )
    fits = {
        "search=sao+padaria": 1,
        "search=padaria+mensal": 0,
        f"stage={stages[1].pk}": 1,
        f"stage={stages[0].pk}": 0,
        f"period=span&start={start}&end={end}": 1,
        f"period=span&start={start}": 2,
        f"period=span&end={start}": 0,
        "period=span": 2,
        "period=span&start=soon": 2,
        f"deal={deal.pk}": 1,
        "search=%00": 2,
    }
    assert {query: len(browser.get(f"{URL}?{query}").context["rows"]) for query in fits} == fits


@time_machine.travel(NOON, tick=False)
def test_the_bar_counts_the_last_day_by_hour_and_state_and_leads_to_each_hour(
    browser: Client, delivery: Delivery
) -> None:
    Delivery.objects.all().delete()
    copies(delivery, 4)
    states = ["pending", "failed", "delivered", "skipped"]
    for row, state in zip(Delivery.objects.order_by("id"), states, strict=True):
        Delivery.objects.filter(pk=row.pk).update(state=state, created_at=NOON + timedelta(minutes=1))
    two_days_ago = earliest_id("msg", at=NOON - timedelta(days=2)) + "0" * 20
    Delivery.objects.create(**{**values_of(delivery), "id": two_days_ago})
    page = browser.get(f"{URL}hours/?state=failed&before=msg_1")
    chart = page.context["chart"]
    assert len(chart.table) == 24
    assert chart.table[-1][1] == ["1", "1", "1", "1"]
    assert chart.table[-2][1] == ["0"] * 4
    hour = browser.get(chart.table[-1][0].url)
    assert [row.state for row in hour.context["rows"]] == ["failed"]
    assert page.context["most"] is None


def test_no_hour_costs_more_than_a_limit(
    browser: Client, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "MOST", 3)
    copies(delivery, 4)
    page = browser.get(f"{URL}hours/")
    assert page.context["chart"].summary.startswith("Delivered: 0. Waiting: 3.")
    assert page.context["most"]


@pytest.mark.django_db(transaction=True)
def test_the_log_is_exported_as_it_is_filtered(alice: User, delivery: Delivery) -> None:
    Delivery.objects.update(deal_title="=1+1", state="failed", status_code=503, attempts_made=1)
    attempt_of(delivery, status_code=503, duration_ms=184)
    copies(delivery, 1)
    Delivery.objects.exclude(pk=delivery.pk).update(state="delivered")
    heads, *rows = exported(alice, f"{URL}export/?state=failed")
    assert heads[:4] == ["id", "Created", "State", "Event"]
    assert [(row[0], row[2], row[7], row[10], row[12]) for row in rows] == [
        (delivery.pk, "Given up", "'=1+1", "503", "184")
    ]
    assert len(exported(alice, f"{URL}export/")) == 3


@pytest.mark.parametrize("path", ["", "hours/", "export/", "newer/"])
def test_the_log_is_for_administrators(client: Client, db: None, path: str) -> None:
    for role in (User.Role.MANAGER, User.Role.REP):
        client.force_login(User.objects.create_user(f"{role}@example.com", name="Bob", role=role))
        assert client.get(f"{URL}{path}").status_code == 403


def test_what_cannot_be_read_narrows_nothing(browser: Client, delivery: Delivery) -> None:
    page = browser.get(f"{URL}?state=lost&rule=x&period=century&before=&deal=abc")
    assert len(page.context["rows"]) == 1


def test_a_page_is_told_what_is_new_and_what_has_moved_on(browser: Client, delivery: Delivery) -> None:
    seen = f"seen={delivery.pk}.0-pending"
    quiet = browser.get(f"{URL}newer/?since={delivery.pk}&{seen}").content.decode()
    assert "new" not in quiet.replace("newer", "")
    assert delivery.pk not in quiet
    copies(delivery, 2)
    Delivery.objects.filter(pk=delivery.pk).update(state="delivered", attempts_made=1)
    told = browser.get(f"{URL}newer/?since={delivery.pk}&{seen}").content.decode()
    assert "2 new" in told
    assert f'id="{delivery.pk}" hx-swap-oob="true"' in told


def test_one_delivery_shows_its_attempts_newest_first_and_the_chosen_one(
    browser: Client, delivery: Delivery
) -> None:
    attempt_of(delivery, status_code=500, response_body="first answer")
    attempt_of(delivery, status_code=503, response_body='{"second": "answer"}', trigger="retry")
    newest = browser.get(f"{URL}{delivery.pk}/")
    assert [line.attempt.number for line in newest.context["lines"]] == [2, 1]
    assert newest.context["response_body"] == '{\n  "second": "answer"\n}'
    chosen = browser.get(f"{URL}{delivery.pk}/?attempt=1")
    assert chosen.context["response_body"] == "first answer"
    assert browser.get(f"{URL}{delivery.pk}/?attempt=9").context["attempt"].number == 2


@pytest.mark.parametrize(
    ("body", "shown"), [("[" * 10_000, "[" * 10_000), ('["\\ud800"]', '[\n  "\\ud800"\n]')]
)
def test_an_answer_that_no_page_can_hold_is_shown_as_it_came(
    browser: Client, delivery: Delivery, body: str, shown: str
) -> None:
    attempt_of(delivery, status_code=500, response_body=body)
    assert browser.get(f"{URL}{delivery.pk}/").context["response_body"] == shown


def test_an_unchanged_delivery_is_not_sent_to_the_page_again(browser: Client, delivery: Delivery) -> None:
    assert browser.get(f"{URL}{delivery.pk}/?seen=0-pending").status_code == 204
    Delivery.objects.update(attempts_made=1)
    assert browser.get(f"{URL}{delivery.pk}/?seen=0-pending").status_code == 200


def test_a_page_learns_that_an_attempt_has_ended(browser: Client, delivery: Delivery) -> None:
    leased = {"leased_until": timezone.now(), "leased_by": 1}
    Delivery.objects.update(attempts_made=1, **leased)
    assert browser.get(f"{URL}{delivery.pk}/?seen=1-pending-sent").status_code == 204
    Delivery.objects.update(leased_until=None, leased_by=None)
    assert browser.get(f"{URL}{delivery.pk}/?seen=1-pending-sent").status_code == 200


@pytest.mark.parametrize(
    ("state", "verbs"),
    [("pending", {"Cancel", "Try now"}), ("failed", {"Send again"}), ("delivered", {"Send again"})],
)
def test_a_page_offers_what_can_be_done_in_each_state(
    browser: Client, delivery: Delivery, state: str, verbs: set[str]
) -> None:
    Delivery.objects.update(state=state)
    page = browser.get(f"{URL}{delivery.pk}/").content.decode()
    offered = page.partition('id="delivery-verbs"')[2].partition('id="delivery"')[0]
    assert {
        verb for verb in ("Cancel", "Try now", "Send again") if f"<span>{verb}</span>" in offered
    } == verbs
    assert ('id="resend"' in page) == (state == "delivered")  # which asks first
    assert ("every 2s" in page) == (state == "pending")


def test_what_is_not_kept_any_more_is_not_offered(browser: Client, delivery: Delivery, deal: Deal) -> None:
    attempt_of(delivery, status_code=500)
    page = browser.get(f"{URL}{delivery.pk}/").content.decode()
    assert ("Copy as cURL" in page, deal.get_absolute_url() in page) == (True, True)
    Delivery.objects.update(body=b"", state="failed")
    Deal.objects.all().delete()
    page = browser.get(f"{URL}{delivery.pk}/").content.decode()
    assert ("Copy as cURL" in page, deal.get_absolute_url() in page) == (False, False)
    assert "Removed after 30 days." in page


def test_a_delivery_is_cancelled_once_and_sent_again(browser: Client, delivery: Delivery) -> None:
    url = f"{URL}{delivery.pk}/"
    browser.post(f"{url}cancel/")
    assert Delivery.objects.get().state == "cancelled"
    again = browser.post(f"{url}cancel/", follow=True).content.decode()
    assert "Only a waiting delivery can be cancelled." in again
    browser.post(f"{url}resend/")
    assert Delivery.objects.get().state == "pending"


def test_the_log_gets_the_changed_row_back(browser: Client, delivery: Delivery) -> None:
    answer = browser.post(f"{URL}{delivery.pk}/cancel/", headers={"HX-Request": "true"})
    assert answer.content.decode().startswith(f'<tr id="{delivery.pk}"')
    assert "It is cancelled." in answer["HX-Trigger"]


def test_chosen_deliveries_are_sent_again_or_called_off(browser: Client, delivery: Delivery) -> None:
    copies(delivery, 2)
    ids = list(Delivery.objects.order_by("id").values_list("pk", flat=True))
    browser.post(f"{URL}many/", {"ids": ids[:2], "action": "cancel", "confirmed": "yes"})
    assert Delivery.objects.filter(state="cancelled").count() == 2
    browser.post(f"{URL}many/", {"ids": ids[:1], "action": "resend", "confirmed": "yes"})
    assert list(Delivery.objects.order_by("id").values_list("state", flat=True)) == [
        "pending",
        "cancelled",
        "pending",
    ]


def test_all_that_fits_the_filters_is_sent_again(browser: Client, delivery: Delivery) -> None:
    copies(delivery, 2)
    Delivery.objects.filter(pk=delivery.pk).update(state="delivered")
    Delivery.objects.exclude(pk=delivery.pk).update(state="failed")
    asked = browser.post(f"{URL}many/?state=failed", {"action": "resend", "all": "on"})
    assert "2 deliveries are sent again." in asked.content.decode()
    assert Delivery.objects.filter(state="pending").count() == 0
    answer = browser.post(f"{URL}many/?state=failed", {"action": "resend", "all": "on", "confirmed": "yes"})
    assert answer["Location"] == f"{URL}?state=failed&job={ResendJob.objects.get().pk}"
    shown = browser.get(answer["Location"]).content.decode()
    assert "2 of 2 are on their way again." in shown
    assert "every 1s" not in shown
    assert Delivery.objects.filter(state="pending", trigger="manual").count() == 2
    assert Delivery.objects.get(pk=delivery.pk).state == "delivered"


def test_only_administrators_change_deliveries(client: Client, delivery: Delivery) -> None:
    client.force_login(User.objects.create_user("bob@example.com", name="Bob", role=User.Role.MANAGER))
    for path in (f"{delivery.pk}/resend/", f"{delivery.pk}/cancel/", "many/"):
        assert client.post(f"{URL}{path}", {"ids": delivery.pk, "action": "cancel"}).status_code == 403
    assert Delivery.objects.get().state == "pending"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"status_code": 200}, "The receiver took it and answered 200 OK."),
        ({"status_code": 299}, "The receiver took it and answered 299."),
        ({"status_code": 302}, "The receiver answered 302 Found; redirects are never followed."),
        ({"status_code": 503}, "The receiver answered 503 Service Unavailable."),
        ({"error_code": ErrorCode.DNS_FAILED}, "No address was found for the host name."),
        (
            {"status_code": 200, "error_code": ErrorCode.TIMEOUT},
            "The receiver began to answer with 200 OK. The receiver did not answer completely in time.",
        ),
        ({"finished_at": None}, "The request is under way, or was broken off with its worker."),
    ],
)
def test_an_attempt_is_explained_in_words(
    delivery: Delivery, fields: dict[str, object], sentence: str
) -> None:
    assert explain_attempt(attempt_of(delivery, **fields)) == sentence


def test_a_delivery_says_what_follows(delivery: Delivery) -> None:
    last = attempt_of(delivery, status_code=503)
    delivery.attempts_made, delivery.due_at = 1, NOON + timedelta(minutes=4)
    told = "The receiver answered 503 Service Unavailable."
    assert explain_delivery(delivery, last=last, now=NOON) == f"{told} Next attempt in 4 minutes."
    delivery.state = "failed"
    assert explain_delivery(delivery, last=last, now=NOON) == f"{told} Given up after 1 attempt."
    delivery.state, delivery.reason = "cancelled", "rule_deleted"
    assert explain_delivery(delivery, last=last, now=NOON) == "It was cancelled because its rule was deleted."
    delivery.state, delivery.reason, delivery.destination.status = "pending", "", "paused"
    assert explain_delivery(delivery, last=None, now=NOON) == (
        "It waits until the destination is switched on again, for 14 days at most."
    )


def test_an_attempt_can_be_copied_as_a_curl_command_without_its_secrets(delivery: Delivery) -> None:
    headers = [["Content-Type", "application/json"], ["X-Key", "••••••"], ["X-Quote", "it's"]]
    command = as_curl(delivery, attempt_of(delivery, request_headers=headers))
    assert command.startswith(
        "curl -X POST --globoff https://erp.example/hook \\\n  -H 'Content-Type: application/json'"
    )
    assert "-H 'X-Key: ••••••'" in command
    assert """-H 'X-Quote: it'"'"'s'""" in command


def test_the_phases_of_an_attempt_fill_its_time() -> None:
    timings = {"dns": 10, "connect": 20, "tls": 30, "first_byte": 30, "total": 100}
    phases = phases_of(Attempt(timings=timings, started_at=timezone.now()))
    assert [(phase.ms, phase.start, phase.width) for phase in phases] == [
        (10, "0.00", "10.00"),
        (20, "10.00", "20.00"),
        (30, "30.00", "30.00"),
        (30, "60.00", "30.00"),
        (10, "90.00", "10.00"),
    ]
    assert phases_of(Attempt(timings=timings), whole_ms=1000)[-1].start == "9.00"
    assert phases_of(Attempt(timings={})) == []
