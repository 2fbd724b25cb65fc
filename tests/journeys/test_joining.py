"""Somebody joins: the invitation, a password, the second step, and a password that was forgotten, in a browser."""

import re
from base64 import b32decode
from collections.abc import Callable
from urllib.parse import urlsplit

from django.core import mail
from django.utils import timezone
from django_otp.oath import TOTP
from playwright.sync_api import BrowserContext, Page, expect

from crm.invitations import invite
from crm.models import TwoStep, User
from crm.password_reset import mail_reset


def link_in_newest_mail() -> str:
    """The path behind it."""
    link = re.search(r"http\S+", str(mail.outbox[-1].body))
    assert link
    return urlsplit(link[0]).path


def code_of(email: str) -> str:
    """What the person's phone shows, as if the last code had not been used."""
    TwoStep.objects.filter(user__email=email).update(last_step=-1)
    totp = TOTP(b32decode(TwoStep.objects.get(user__email=email).key), step=30)
    totp.time = timezone.now().timestamp()
    return f"{totp.token():06d}"


def log_in(page: Page, password: str) -> None:
    page.goto("/login/")
    page.get_by_label("E-mail").fill("nora@example.com")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in").click()


def test_somebody_joins_and_comes_back_with_a_code_and_with_a_new_password(
    open_context: Callable[..., BrowserContext], alice: User, violations: Callable[[Page], list[str]]
) -> None:
    invite(email="nora@example.com", role="rep", team=None, language="en", by=alice, now=timezone.now())
    page = open_context().new_page()
    page.goto(link_in_newest_mail())
    page.get_by_label("Name").fill("Nora")
    page.get_by_label("Password").fill("a long new password")
    page.get_by_role("button", name="Join").click()
    expect(page).to_have_url(re.compile(r"/$"))

    page.goto("/settings/security/two-step/")
    page.get_by_label("Code").fill(code_of("nora@example.com"))
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("main")).to_contain_text(re.compile(r"(\w{4}-){3}\w{4}"))
    assert violations(page) == []

    page.context.clear_cookies()
    log_in(page, "a long new password")
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Code")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Code").fill(code_of("nora@example.com"))
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(r"/$"))

    page.context.clear_cookies()
    page.goto("/login/")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("E-mail").fill("nora@example.com")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("link", name="Back to the login")).to_be_visible()
    assert mail_reset(email="nora@example.com") == 1
    page.goto(link_in_newest_mail())
    page.get_by_label("New password", exact=True).fill("quite another password")
    page.get_by_label("New password confirmation").fill("quite another password")
    page.get_by_role("button", name="Save").click()
    log_in(page, "quite another password")
    page.get_by_label("Code").fill(code_of("nora@example.com"))
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(r"/$"))
