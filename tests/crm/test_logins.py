"""Coming in: limits, the second step, a forgotten password, and invitations."""

import re
from base64 import b32decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp
from django_q.models import OrmQ
from pytest_django import Settings

from crm import login_limits, two_step
from crm.login_limits import LIMITS, TooManyAttempts, begin_attempt, cut_attempts, forget_attempts
from crm.models import Invitation, LoginAttempt, Notice, TwoStep, User
from crm.tasks import mail_password_reset
from tests.crm.pages import browser_of, texts
from tests.mailbox import Mailbox

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
Kind = LoginAttempt.Kind


@pytest.fixture
def at_noon() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def log_in(client: Client, user: User, password: str, address: str = "192.0.2.1") -> int:
    form = {"username": user.email, "password": password}
    return client.post("/login/", form, REMOTE_ADDR=address).status_code


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def code_of(user: User, *, later: int = 0) -> str:
    """What the person's app shows now, or so many steps later."""
    key = b32decode(TwoStep.objects.get(user=user).key)
    return f"{totp(key, t0=-30 * later):06d}"


def link_in(mailbox: Mailbox) -> str:
    found = re.search(r"http://testserver(/\S+)", mailbox.mails[-1].get_content())
    assert found
    return found[1]


def with_two_step(user: User) -> list[str]:
    two_step.begin(user=user)
    return two_step.confirm(user=user, code=code_of(user), now=timezone.now())


# ---- Limits ----


def test_an_account_is_closed_to_an_address_that_guessed_too_often_and_to_no_other(
    client: Client, alice: User, at_noon: time_machine.Traveller
) -> None:
    for _guess in range(LIMITS[Kind.PASSWORD].here):
        assert log_in(client, alice, "wrong") == 422
    assert log_in(client, alice, "alice's password") == 429
    assert not is_in(client)
    assert log_in(client, alice, "alice's password", address="192.0.2.2") == 302
    client.logout()
    at_noon.shift(login_limits.WITHIN + timedelta(seconds=1))
    assert log_in(client, alice, "alice's password") == 302


def test_an_account_is_closed_to_all_when_many_addresses_guess(db: None) -> None:
    def attempt(number: int) -> None:
        begin_attempt(kind=Kind.PASSWORD, account="a@example.com", address=f"192.0.2.{number}", now=NOON)

    for number in range(LIMITS[Kind.PASSWORD].account):
        attempt(number)
    with pytest.raises(TooManyAttempts):
        attempt(200)
    assert LoginAttempt.objects.count() == LIMITS[Kind.PASSWORD].account


def test_an_address_that_tries_many_accounts_is_shut_out(db: None) -> None:
    limit = LIMITS[Kind.PASSWORD].address
    for number in range(limit):
        begin_attempt(kind=Kind.PASSWORD, account=f"{number}@example.com", address="192.0.2.1", now=NOON)
    with pytest.raises(TooManyAttempts):
        begin_attempt(kind=Kind.PASSWORD, account="new@example.com", address="192.0.2.1", now=NOON)


def test_a_household_of_ipv6_counts_as_one_address(db: None) -> None:
    first, second = (
        begin_attempt(kind=Kind.PASSWORD, account="a@example.com", address=address, now=NOON)
        for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9")
    )
    assert first.address == second.address == "2001:db8:1:2::/64"


def test_a_password_that_was_right_in_the_end_is_no_guess(client: Client, alice: User) -> None:
    for _guess in range(LIMITS[Kind.PASSWORD].here - 1):
        log_in(client, alice, "wrong")
    assert log_in(client, alice, "alice's password") == 302
    assert not LoginAttempt.objects.exists()


def test_attempts_too_old_to_count_are_removed(db: None) -> None:
    for at in (NOON - timedelta(days=2), NOON):
        LoginAttempt.objects.create(kind=Kind.PASSWORD, account="a@example.com", address="192.0.2.1", at=at)
    assert cut_attempts(now=NOON) == 1
    assert LoginAttempt.objects.get().at == NOON


def test_only_the_account_and_address_that_came_in_are_forgotten(db: None) -> None:
    mine, other = (
        begin_attempt(kind=Kind.PASSWORD, account=f"{name}@example.com", address="192.0.2.1", now=NOON)
        for name in "ab"
    )
    forget_attempts(mine)
    assert LoginAttempt.objects.get() == other


def test_djangos_admin_has_no_login_of_its_own(client: Client, bob: User) -> None:
    assert (
        client.get("/admin/login/?next=/admin/crm/").headers["Location"] == "/login/?next=%2Fadmin%2Fcrm%2F"
    )
    assert browser_of(bob).get("/admin/", follow=True).status_code == 403


# ---- The second step ----


def test_a_person_switches_the_second_step_on_and_logs_in_with_a_code(
    client: Client, bob: User, at_noon: time_machine.Traveller
) -> None:
    browser = browser_of(bob)
    page = browser.get("/settings/security/two-step/").content.decode()
    assert 'src="data:image/svg+xml' in page
    done = browser.post("/settings/security/two-step/", {"code": code_of(bob)})
    assert len(done.context["codes"]) == 10
    assert log_in(client, bob, "bob's password") == 302
    assert not is_in(client)
    assert client.get("/deals/").status_code == 302
    at_noon.shift(30)
    assert client.post("/login/code/", {"code": code_of(bob)}).headers["Location"] == "/"
    assert is_in(client)


def test_a_wrong_first_code_leaves_it_off(bob: User, at_noon: time_machine.Traveller) -> None:
    browser = browser_of(bob)
    browser.get("/settings/security/two-step/")
    wrong = f"{(int(code_of(bob)) + 1) % 1_000_000:06d}"
    assert browser.post("/settings/security/two-step/", {"code": wrong}).status_code == 422
    assert not two_step.is_on(bob)


def test_a_code_works_once(bob: User, at_noon: time_machine.Traveller) -> None:
    with_two_step(bob)
    at_noon.shift(30)
    code = code_of(bob)
    two_step.check_code(user=bob, code=code, now=timezone.now())
    with pytest.raises(two_step.WrongCode):
        two_step.check_code(user=bob, code=code, now=timezone.now())


@pytest.mark.parametrize("later", [-1, 1])
def test_a_phone_whose_clock_is_off_by_a_step_is_believed(
    bob: User, at_noon: time_machine.Traveller, later: int
) -> None:
    with_two_step(bob)
    at_noon.shift(90)
    two_step.check_code(user=bob, code=code_of(bob, later=later), now=timezone.now())


def test_a_code_two_steps_old_is_refused(bob: User, at_noon: time_machine.Traveller) -> None:
    with_two_step(bob)
    at_noon.shift(90)
    with pytest.raises(two_step.WrongCode):
        two_step.check_code(user=bob, code=code_of(bob, later=-2), now=timezone.now())


def test_a_recovery_code_opens_the_login_once(client: Client, bob: User) -> None:
    codes = with_two_step(bob)
    log_in(client, bob, "bob's password")
    assert client.post("/login/code/", {"code": codes[0].upper().replace("-", " ")}).status_code == 302
    assert is_in(client)
    client.logout()
    log_in(client, bob, "bob's password")
    assert client.post("/login/code/", {"code": codes[0]}).status_code == 422
    assert not is_in(client)


def test_codes_are_guessed_five_times_at_most(client: Client, bob: User) -> None:
    codes = with_two_step(bob)
    log_in(client, bob, "bob's password")
    for _guess in range(LIMITS[Kind.CODE].here):
        assert client.post("/login/code/", {"code": "no code"}).status_code == 422
    assert client.post("/login/code/", {"code": codes[0]}).status_code == 429
    assert not is_in(client)


def test_the_second_step_comes_after_the_first_and_soon(
    client: Client, bob: User, at_noon: time_machine.Traveller
) -> None:
    codes = with_two_step(bob)
    assert client.get("/login/code/").headers["Location"] == "/login/"
    log_in(client, bob, "bob's password")
    at_noon.shift(timedelta(minutes=11))
    assert client.post("/login/code/", {"code": codes[0]}).headers["Location"] == "/login/"
    log_in(client, bob, "bob's password")
    bob.set_password("another password")
    bob.save(update_fields=["password"])
    assert client.post("/login/code/", {"code": codes[0]}).headers["Location"] == "/login/"
    assert not is_in(client)


@pytest.mark.parametrize("what", ["off", "codes"])
def test_whoever_finds_an_open_browser_weakens_nothing_without_the_password(bob: User, what: str) -> None:
    codes, browser = with_two_step(bob), browser_of(bob)
    assert browser.post(f"/settings/security/two-step/{what}/", {"password": "guess"}).status_code == 422
    assert two_step.is_on(bob)
    browser.post(f"/settings/security/two-step/{what}/", {"password": "bob's password"})
    assert two_step.is_on(bob) == (what == "codes")
    if what == "codes":
        with pytest.raises(two_step.WrongCode):
            two_step.check_code(user=bob, code=codes[0], now=timezone.now())


def test_the_secret_is_encrypted_and_recovery_codes_are_digests(bob: User) -> None:
    codes = with_two_step(bob)
    (kept,) = TwoStep.objects.extra(select={"raw": "key || recovery_digests"}).values_list("raw", flat=True)
    assert TwoStep.objects.get().key not in kept
    assert codes[0].replace("-", "") not in str(TwoStep.objects.get().recovery_digests)


def test_an_administrator_resets_the_second_step_of_another_who_is_told(alice: User, bob: User) -> None:
    with_two_step(bob)
    answer = browser_of(alice).post(f"/settings/users/{bob.pk}/two-step/reset/")
    assert answer.status_code == 302
    assert not two_step.is_on(bob)
    told = Notice.objects.get()
    assert (told.user, told.subject) == (bob, "Your two-step login was switched off")
    assert told.body.startswith("Alice did it.")


# ---- A forgotten password ----


def test_a_forgotten_password_is_replaced_through_the_mailed_link_once(
    client: Client, alice: User, mailbox: Mailbox
) -> None:
    assert client.post("/login/forgotten/", {"email": "ALICE@example.com"}).status_code == 302
    (task,) = OrmQ.objects.all()
    assert task.task["func"] == "crm.tasks.mail_password_reset"
    mail_password_reset(*task.task["args"])
    assert mailbox.recipients() == ["alice@example.com"]
    form = client.get(link_in(mailbox), follow=True)
    address = form.redirect_chain[-1][0]
    passwords = {"new_password1": "a new long password", "new_password2": "a new long password"}
    assert client.post(address, passwords).headers["Location"] == "/login/new-password/done/"
    assert log_in(client, alice, "a new long password") == 302
    assert client.get(link_in(mailbox), follow=True).context["validlink"] is False


def test_an_unknown_address_is_answered_alike_and_gets_no_mail(
    client: Client, alice: User, mailbox: Mailbox
) -> None:
    answers = [
        client.post("/login/forgotten/", {"email": email}) for email in (alice.email, "no@example.com")
    ]
    assert [(answer.status_code, answer.headers["Location"]) for answer in answers] == [
        (302, "/login/forgotten/sent/")
    ] * 2
    mail_password_reset("no@example.com")
    User.objects.filter(pk=alice.pk).update(is_active=False)
    mail_password_reset(alice.email)
    assert mailbox.mails == []


def test_the_mail_is_in_the_language_of_its_reader_and_names_the_public_address(
    alice: User, mailbox: Mailbox, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://crm.example.com"
    User.objects.filter(pk=alice.pk).update(language="pt-br")
    mail_password_reset(alice.email)
    assert mailbox.mails[0]["Subject"] == "Uma nova senha para o Stagehook"
    assert "https://crm.example.com/login/new-password/" in mailbox.mails[0].get_content()


def test_nobody_is_flooded_with_mails(client: Client, alice: User) -> None:
    answers = [client.post("/login/forgotten/", {"email": alice.email}).status_code for _n in range(4)]
    assert answers == [302, 302, 302, 429]
    assert OrmQ.objects.count() == 3


# ---- Invitations ----


def invited(alice: User, **fields: str) -> Client:
    browser = browser_of(alice)
    form = {"email": "new@example.com", "role": "manager", "language": "en", **fields}
    assert browser.post("/settings/invitations/", form).status_code == 302
    return browser


JOINING = {"name": "Nora", "password": "a long new password"}


def test_whoever_is_invited_chooses_a_password_and_is_in(
    client: Client, alice: User, mailbox: Mailbox
) -> None:
    invited(alice)
    assert mailbox.mails[0]["Subject"] == "Alice invites you to Stagehook"
    page = client.get(link_in(mailbox))
    assert "You were invited as new@example.com." in page.content.decode()
    assert client.post(link_in(mailbox), JOINING).headers["Location"] == "/"
    assert is_in(client)
    nora = User.objects.get(email="new@example.com")
    assert (nora.name, nora.role, nora.language) == ("Nora", "manager", "en")
    assert log_in(Client(), nora, "a long new password") == 302


def test_a_link_works_once(client: Client, alice: User, mailbox: Mailbox) -> None:
    invited(alice)
    client.post(link_in(mailbox), JOINING)
    again = Client().post(link_in(mailbox), {**JOINING, "name": "Thief"})
    assert again.status_code == 410
    assert User.objects.get(email="new@example.com").name == "Nora"


def test_a_link_dies_after_a_week(
    client: Client, alice: User, mailbox: Mailbox, at_noon: time_machine.Traveller
) -> None:
    invited(alice)
    at_noon.shift(timedelta(days=7))
    assert client.post(link_in(mailbox), JOINING).status_code == 410
    assert User.objects.count() == 1


def test_a_newer_link_replaces_the_former_one(client: Client, alice: User, mailbox: Mailbox) -> None:
    browser, former = invited(alice), link_in(mailbox)
    browser.post(f"/settings/invitations/{Invitation.objects.get().pk}/resend/")
    assert len(mailbox.mails) == 2
    assert client.get(former).status_code == 410
    assert client.get(link_in(mailbox)).status_code == 200


def test_a_revoked_link_is_dead(client: Client, alice: User, mailbox: Mailbox) -> None:
    browser = invited(alice)
    browser.post(f"/settings/invitations/{Invitation.objects.get().pk}/revoke/")
    assert client.post(link_in(mailbox), JOINING).status_code == 410
    assert not Invitation.objects.exists()


def test_a_link_that_was_tampered_with_is_dead(client: Client, alice: User, mailbox: Mailbox) -> None:
    invited(alice)
    assert client.get(link_in(mailbox)[:-2] + "x/").status_code == 410


def test_a_bad_password_is_refused_and_the_link_stays(client: Client, alice: User, mailbox: Mailbox) -> None:
    invited(alice)
    assert client.post(link_in(mailbox), {**JOINING, "password": "12345678"}).status_code == 422
    assert client.get(link_in(mailbox)).status_code == 200


@pytest.mark.parametrize("email", ["ALICE@example.com", "New@Example.com"])
def test_nobody_is_invited_twice_or_who_is_there_already(alice: User, mailbox: Mailbox, email: str) -> None:
    browser = invited(alice)
    form = {"email": email, "role": "rep", "language": "en"}
    page = browser.post("/settings/invitations/", form)
    assert (page.status_code, list(page.context["form"].errors)) == (422, ["email"])
    assert len(mailbox.mails) == 1


def test_an_invitation_is_in_the_language_chosen_for_it(
    client: Client, alice: User, mailbox: Mailbox
) -> None:
    invited(alice, language="pt-br")
    assert mailbox.mails[0]["Subject"] == "Alice convida você para o Stagehook"
    assert '<html lang="pt-br"' in client.get(link_in(mailbox)).content.decode()


def test_a_mail_server_that_refuses_is_named_and_the_invitation_can_be_sent_again(
    alice: User, mailbox: Mailbox
) -> None:
    mailbox.refuse.append(550)
    browser = invited(alice)
    (told,) = browser.get("/settings/invitations/").context["messages"]
    assert "its mail did not leave" in str(told)
    browser.post(f"/settings/invitations/{Invitation.objects.get().pk}/resend/")
    assert mailbox.recipients() == ["new@example.com"]


def test_the_invited_are_listed(alice: User, mailbox: Mailbox) -> None:
    browser = invited(alice)
    assert "new@example.com" in browser.get("/settings/invitations/").content.decode()
    assert "1 invitation waits" in texts(browser.get("/settings/users/").content.decode(), "callout")[0]
