import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django_q.models import OrmQ
from pytest_django import Settings

from crm import notices
from crm.models import Notice, User
from crm.notices import cut_read, mail_digests, mail_due, mark_read, notify
from tests.crm.pages import browser_of, texts
from tests.mailbox import Mailbox

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def rui(db: None) -> User:
    return User.objects.create_user(
        "rui@example.com", name="Rui", language="pt-br", time_zone="America/Sao_Paulo"
    )


@pytest.fixture
def at_noon() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def told(*users: User) -> list[Notice]:
    return notify(users=users, kind="test", subject="The ERP is ill", body="It says 503.", url="/deals/")


def test_each_person_is_told_in_their_own_language_and_time_zone(alice: User, rui: User) -> None:
    notify(
        users=[alice, rui],
        kind="test",
        subject=gettext_lazy("Deals"),
        body=lambda: f"{gettext('Board')} {timezone.localtime(NOON):%H:%M}",
    )
    read = {notice.user: (notice.subject, notice.body) for notice in Notice.objects.select_related("user")}
    assert read == {alice: ("Deals", "Board 12:00"), rui: ("Negócios", "Quadro 09:00")}


def test_a_subject_is_one_line_however_it_was_named(alice: User) -> None:
    (notice,) = notify(users=[alice], kind="test", subject="ERP\r\nBcc: all@example.com " + "x" * 300)
    assert notice.subject.startswith("ERP Bcc: all@example.com x")
    assert len(notice.subject) == 200


@pytest.mark.django_db(transaction=True)
def test_a_mail_leaves_after_the_commit_and_never_before(alice: User, mailbox: Mailbox) -> None:
    with transaction.atomic():
        told(alice)
        assert OrmQ.objects.count() == 0
    assert [task.func() for task in OrmQ.objects.all()] == ["crm.tasks.mail_notices"]
    with transaction.atomic():
        told(alice)
        transaction.set_rollback(True)
    assert OrmQ.objects.count() == 1
    assert mailbox.mails == []


def test_a_mail_says_what_the_notice_says_and_where_to_look(
    alice: User, mailbox: Mailbox, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://crm.example.com"
    told(alice)
    assert mail_due(now=timezone.now()) == 1
    (mail,) = mailbox.mails
    assert (mail["To"], mail["Subject"]) == ("alice@example.com", "The ERP is ill")
    assert mail["From"] == "Stagehook <stagehook@localhost>"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().splitlines() == ["It says 503.", "", "https://crm.example.com/deals/"]


def test_a_notice_is_mailed_once(alice: User, rui: User, mailbox: Mailbox) -> None:
    told(alice, rui)
    assert [mail_due(now=timezone.now()) for _ in range(3)] == [2, 0, 0]
    assert mailbox.recipients() == ["alice@example.com", "rui@example.com"]


@pytest.mark.django_db(transaction=True)
def test_four_at_once_mail_each_notice_once(alice: User, mailbox: Mailbox) -> None:
    for _ in range(20):
        told(alice)

    def mail() -> None:
        try:
            mail_due(now=timezone.now())
        finally:
            connection.close()

    threads = [threading.Thread(target=mail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mailbox.mails) == 20


def test_a_mail_that_is_refused_is_tried_a_few_times_and_holds_up_no_other(
    alice: User, rui: User, mailbox: Mailbox, at_noon: time_machine.Traveller
) -> None:
    told(alice, rui)
    mailbox.refuse = [550]
    assert mail_due(now=NOON) == 1
    assert mailbox.recipients() == ["rui@example.com"]
    notice = alice.notices.get()
    assert (notice.mailed_at, notice.mail_tries) == (None, 1)
    assert mail_due(now=NOON + timedelta(seconds=59)) == 0
    mailbox.refuse = [450, 450, 450, 450]
    for age in (1, 10, 60, 360, 10_000):
        mail_due(now=NOON + timedelta(minutes=age))
    assert mailbox.recipients() == ["rui@example.com"]
    notice.refresh_from_db()
    assert (notice.mailed_at, notice.mail_tries, mailbox.refuse) == (None, 5, [])


def test_a_mail_server_that_is_away_is_asked_once_a_round_and_loses_no_mail(
    alice: User, rui: User, mailbox: Mailbox, settings: Settings, at_noon: time_machine.Traveller
) -> None:
    told(alice, rui)
    settings.EMAIL_PORT = 1
    assert mail_due(now=NOON) == 0
    assert list(Notice.objects.order_by("pk").values_list("mail_tries", "mailed_at")) == [
        (1, None),
        (0, None),
    ]
    settings.EMAIL_PORT = mailbox.port
    assert mail_due(now=NOON) == 1
    assert mail_due(now=NOON + timedelta(minutes=1)) == 1
    assert mailbox.recipients() == ["rui@example.com", "alice@example.com"]


def test_who_has_left_is_sent_no_mail(alice: User, mailbox: Mailbox) -> None:
    told(alice)
    User.objects.update(is_active=False)
    assert mail_due(now=timezone.now()) == 0
    assert mailbox.mails == []


# ---- Retention ----


def test_what_was_read_goes_after_half_a_year_and_what_was_not_stays(
    alice: User, at_noon: time_machine.Traveller
) -> None:
    (read,), (unread,) = told(alice), told(alice)
    mark_read(user=alice, now=NOON, notice_id=read.pk)
    assert cut_read(now=NOON + timedelta(days=180)) == 0
    assert cut_read(now=NOON + timedelta(days=180, seconds=1)) == 1
    assert list(Notice.objects.values_list("pk", flat=True)) == [unread.pk]


def test_old_notices_are_removed_in_batches_and_a_sweep_ends(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        told(alice)
    mark_read(user=alice, now=timezone.now())
    monkeypatch.setattr(notices, "BATCH", 2)
    monkeypatch.setattr(notices, "_BATCHES", 2)
    later = timezone.now() + timedelta(days=181)
    assert [cut_read(now=later), cut_read(now=later), cut_read(now=later)] == [4, 1, 0]


# ---- The bell and its page ----


def test_the_bell_counts_what_is_unread_on_every_page(alice: User, bob: User) -> None:
    told(alice)
    told(alice)
    html = browser_of(alice).get("/contacts/").content.decode()
    assert _bell_of(html) == ["2"]
    assert 'aria-label="Notices (2 unread)"' in html
    assert _bell_of(browser_of(bob).get("/contacts/").content.decode()) == []


def _bell_of(html: str) -> list[str]:
    """Without the counts of overdue activities, which look alike."""
    return [text for text in texts(html, "count bad") if "overdue" not in text]


def test_a_person_sees_their_own_notices_newest_first_and_nobody_elses(alice: User, bob: User) -> None:
    told(bob)
    notify(users=[alice], kind="test", subject="First")
    notify(users=[alice], kind="test", subject="Second")
    html = browser_of(alice).get("/notices/").content.decode()
    assert texts(html, "row-link") == ["Second", "First"]
    notice = bob.notices.get()
    assert browser_of(alice).get(f"/notices/{notice.pk}/").status_code == 404
    assert bob.notices.filter(read_at=None).count() == 1


def test_opening_a_notice_leads_to_what_it_is_about_and_marks_it_read(alice: User) -> None:
    (notice,) = told(alice)
    told(alice)
    response = browser_of(alice).get(f"/notices/{notice.pk}/")
    assert (response.status_code, response.headers["Location"]) == (302, "/deals/")
    assert list(alice.notices.filter(read_at=None).values_list("pk", flat=True)) == [notice.pk + 1]


def test_all_can_be_marked_as_read_and_only_ones_own(alice: User, bob: User) -> None:
    told(alice, bob)
    told(alice)
    client = browser_of(alice)
    assert client.get("/notices/read/").status_code == 405
    assert client.post("/notices/read/").headers["Location"] == "/notices/"
    assert (alice.notices.filter(read_at=None).count(), bob.notices.filter(read_at=None).count()) == (0, 1)
    assert "Mark all as read" not in client.get("/notices/").content.decode()


def test_notices_are_read_page_by_page(alice: User) -> None:
    for number in range(70):
        notify(users=[alice], kind="test", subject=f"Notice {number}")
    client, seen, address = browser_of(alice), [], "?"
    while address:
        page = client.get(f"/notices/{address}").context["page"]
        seen += [notice.subject for notice in page.rows]
        address = page.next_url
    assert seen == [f"Notice {number}" for number in reversed(range(70))]


def test_a_stranger_is_sent_to_the_login(client: Client, db: None) -> None:
    for address in ("/notices/", "/notices/1/"):
        assert client.get(address).headers["Location"].startswith("/login/")


def choose(browser: Client, **choices: str) -> int:
    groups = ("activities", "renewals", "destinations", "inbound", "alerts")
    return browser.post("/settings/notices/", {**dict.fromkeys(groups, "now"), **choices}).status_code


def tell(kind: str, *users: User) -> None:
    notify(users=users, kind=kind, subject=f"About {kind}", body="So it is.", url="/deals/")


def test_people_choose_which_notices_come_by_mail_and_when(
    alice: User, rui: User, at_noon: time_machine.Traveller, mailbox: Mailbox
) -> None:
    assert choose(browser_of(alice), destinations="digest", alerts="never") == 302
    assert choose(browser_of(alice), destinations="soon") == 422
    alice.refresh_from_db()
    for kind in ("failing", "alert_error_rate", "inbound_review", "two_step"):
        tell(kind, alice, rui)
    assert alice.notices.count() == 4
    assert mail_due(now=timezone.now()) == 6
    assert [mail["Subject"] for mail in mailbox.mails if mail["To"] == alice.email] == [
        "About inbound_review",
        "About two_step",
    ]


def test_a_rep_chooses_of_what_a_rep_is_told(rui: User) -> None:
    page = browser_of(rui).get("/settings/notices/").content.decode()
    assert 'name="destinations"' in page
    assert 'name="inbound"' not in page


def test_a_digest_is_one_mail_at_eight_where_the_reader_is(
    rui: User, at_noon: time_machine.Traveller, mailbox: Mailbox
) -> None:
    rui.notice_mails = {"destinations": "digest"}
    rui.save(update_fields=["notice_mails"])
    for kind in ("failing", "disabled", "given_up"):
        tell(kind, rui)
    mark_read(user=rui, notice_id=rui.notices.get(kind="given_up").pk, now=NOON)
    before_eight = NOON + timedelta(hours=22, minutes=59)  # 11:00 UTC is 8:00 in São Paulo
    assert (mail_due(now=before_eight), mail_digests(now=before_eight)) == (0, 0)
    after_a_stop = NOON + timedelta(days=3)
    assert (mail_digests(now=after_a_stop), mail_digests(now=after_a_stop)) == (1, 0)
    (mail,) = mailbox.mails
    text = mail.get_content()
    assert (mail["To"], mail["Subject"]) == (rui.email, "2 avisos")
    assert text.index("About failing") < text.index("About disabled")
    assert "given_up" not in text


def test_a_digest_that_was_refused_is_tried_again_later(
    rui: User, at_noon: time_machine.Traveller, mailbox: Mailbox
) -> None:
    rui.notice_mails = {"destinations": "digest"}
    rui.save(update_fields=["notice_mails"])
    tell("failing", rui)
    mailbox.refuse = [450]
    eight = NOON + timedelta(hours=23)
    assert [mail_digests(now=eight), mail_digests(now=eight)] == [0, 0]
    assert mail_digests(now=eight + timedelta(minutes=1)) == 1
    assert len(mailbox.mails) == 1
